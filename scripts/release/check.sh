#!/usr/bin/env bash
# check.sh [OUT]: what the registries and their users' tools would object to in the packages of OUT (build/release).
set -euo pipefail
cd "$(dirname "$0")/../.."

out=${1:-build/release}
for tarball in "$out"/npm/*.tgz; do node_modules/.bin/publint run "$tarball" --strict; done
# ES modules only: what CommonJS would see is not asked.
node_modules/.bin/attw "$(ls "$out"/npm/asgi-node-[0-9]*.tgz)" --profile esm-only --format ascii
if compgen -G "$out/python/*" >/dev/null; then build/tools/venv/bin/twine check --strict "$out"/python/*; fi
