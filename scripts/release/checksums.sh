#!/usr/bin/env bash
# checksums.sh [OUT]: SHA256SUMS of all that a release holds, by names alone, as they stand beside it on GitHub.
set -euo pipefail
cd "${1:-build/release}"

files=(npm/*.tgz python/* sbom/*.json)
names=$(basename -a "${files[@]}" | sort)
[ "$(uniq -d <<<"$names")" = '' ] || { echo "twice in a release: $(uniq -d <<<"$names")" >&2; exit 1; }
for file in "${files[@]}"; do printf '%s  %s\n' "$(sha256sum "$file" | cut -d' ' -f1)" "$(basename "$file")"; done >SHA256SUMS
cat SHA256SUMS
