#!/usr/bin/env bash
# pack-all.sh NATIVE WHEELS: a release from the native files of all targets, NATIVE/TARGET/*, and their wheels: build/release.
set -euo pipefail
cd "$(dirname "$0")/../.."

out=build/release
make .venv/.stamp node_modules/.stamp build/tools/.stamp
rm -rf "$out"
mkdir -p "$out/npm" "$out/python"
node scripts/pack.mjs --all --native "$1" "$out/npm"
cp "$2"/*.whl "$out/python"
count=$(find "$out/python" -name '*.whl' | wc -l)
targets=$(node scripts/targets.mjs | wc -l)
[ "$count" -eq "$targets" ] || { echo "$count wheels for $targets targets" >&2; exit 1; }
.venv/bin/maturin sdist --out "$out/python"
scripts/release/check.sh "$out"
scripts/release/sbom.sh "$out"
scripts/release/checksums.sh "$out"
