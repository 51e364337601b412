#!/usr/bin/env bash
# build.sh [OUT] [pack.mjs options…]: packs what is published into OUT (build/release): npm/ with the main package and those of
# the platforms that are built, python/ with the wheel of this machine and the sdist.
set -euo pipefail
cd "$(dirname "$0")/../.."

out=${1:-build/release}
shift || true
rm -rf "$out"
mkdir -p "$out/npm" "$out/python"
node scripts/pack.mjs "$out/npm" "$@"
# For the same target as the addon, so that what both share is compiled once.
target=$(rustc -vV | sed -n 's/^host: //p')
.venv/bin/maturin build --release --locked --quiet --target "$target" --out "$out/python"
.venv/bin/maturin sdist --out "$out/python"
ls "$out/python"/*
