#!/usr/bin/env bash
# sbom.sh [OUT]: bills of materials (CycloneDX, JSON) in OUT/sbom: one for each native file with the crates that are in it, one
# for npm's packages with what they install, one for the wheel with what its extras install.
#
# cargo-cyclonedx is compiled once, in build/tools/cargo: about four minutes.
set -euo pipefail
cd "$(dirname "$0")/../.."

root=$PWD
out=$(cd "${1:-build/release}" && pwd)
rm -rf "$out/sbom"
mkdir -p "$out/sbom"
work=$(mktemp -d)
trap 'rm -rf "$work" "$root"/crates/*/*.cdx.json' EXIT

version=0.5.9
tool=build/tools/cargo/bin/cargo-cyclonedx
[ -x $tool ] || cargo install --quiet --locked --root build/tools/cargo "cargo-cyclonedx@$version"
# bill FILE CRATE OPTION…: it writes beside each Cargo.toml, with the features that the file is built with (scripts/build.sh). What a
# build script needs is in no file that is shipped.
bill() {
  local file=$1 crate=$2
  shift 2
  $tool cyclonedx --quiet --all --format json --spec-version 1.5 --describe binaries --no-build-deps --target all \
    --manifest-path "crates/$crate/Cargo.toml" "$@"
  mv "crates/$crate/asgi_node_$crate"_*cdylib.cdx.json "$out/sbom/cargo-$file.cdx.json"
}
bill addon addon --no-default-features --features python
bill workers addon --no-default-features --features workers
bill bridge bridge
bill loader loader

cd "$work"
npm init --yes >/dev/null
npm install --no-fund --no-audit --loglevel=error --omit=optional --ignore-scripts --package-lock-only=false "$out"/npm/asgi-node-[0-9]*.tgz
npm sbom --sbom-format cyclonedx --sbom-type library --omit optional >"$out/sbom/npm.cdx.json"

"$root/.venv/bin/python" -m venv venv
version=$(node --print 'require("asgi-node/package.json").version')
# pip has come with the environment, not with the wheel.
pip=("$root/.venv/bin/python" -m pip --python venv/bin/python --disable-pip-version-check)
"${pip[@]}" install --quiet --no-index --no-deps --only-binary :all: --find-links "$out/python" "asgi-node==$version"
"${pip[@]}" install --quiet "asgi-node[test,uvloop,wsgi]==$version"
"${pip[@]}" uninstall --quiet --yes pip
"$root/build/tools/venv/bin/cyclonedx-py" environment --pyproject "$root/pyproject.toml" --mc-type library --spec-version 1.5 \
  --output-format JSON --output-file "$out/sbom/python.cdx.json" venv/bin/python

node -e '
  for (const file of process.argv.slice(1)) {
    const { bomFormat, components = [] } = JSON.parse(require("node:fs").readFileSync(file, "utf8"))
    if (bomFormat !== "CycloneDX" || components.length === 0) throw new Error(`${file} lists nothing`)
    console.log(`${require("node:path").basename(file)}: ${components.length} components`)
  }' "$out"/sbom/*.json
