#!/usr/bin/env bash
# `make release-dry-run`: all of a release that needs no account: the version, the packages of the platforms that are built here,
# what the registries' tools say of them, their tests in empty folders, the bills of materials, the order of publishing.
# Leaves all in build/release. A tag's name as argument is compared with the version: dry-run.sh v0.1.0
set -euo pipefail
cd "$(dirname "$0")/../.."

out=build/release
step() { printf '\n== %s\n' "$*"; }

step versions
node scripts/release/bump-version.mjs --check
node scripts/release/tag.mjs ${1:+"$1"}
step packages
scripts/release/build.sh "$out"
step checks
scripts/release/check.sh "$out"
step 'packages, installed in an empty folder'
scripts/release/test-packed.sh "$out"
step 'a wheel from the sdist'
rm -rf build/from-sdist
# That it builds is asked, not how fast what it builds is.
CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16 CARGO_TARGET_DIR=$PWD/build/from-sdist/target .venv/bin/python -m pip --disable-pip-version-check wheel --quiet --no-deps \
  --wheel-dir build/from-sdist "$out"/python/*.tar.gz
ls build/from-sdist/*.whl
step 'bills of materials'
scripts/release/sbom.sh "$out"
step checksums
scripts/release/checksums.sh "$out"
step 'publishing, if it were one'
node scripts/release/publish-npm.mjs --dry-run "$out/npm"
