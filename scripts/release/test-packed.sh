#!/usr/bin/env bash
# test-packed.sh [OUT]: installs the packages of OUT (build/release) into an empty folder, as a user does, and runs
# tests/packed there: hello, sockets, threads, subprocesses and workers in Node, then the pytest plugin. PYTHON: the interpreter.
#
# What is not in OUT, such as `ws` and pytest, comes from the registries.
set -euo pipefail
cd "$(dirname "$0")/../.."

root=$PWD
out=$(cd "${1:-build/release}" && pwd)
python=$(command -v "${PYTHON:-$root/.venv/bin/python}")
empty=$(mktemp -d)
trap 'rm -rf "$empty"' EXIT
cp tests/packed/*.{mjs,py} "$empty"
cd "$empty"
# macOS has no timeout(1).
limited() { if command -v timeout >/dev/null; then timeout 120 "$@"; else "$@"; fi; }
unset PYTHONPATH NODE_PATH VIRTUAL_ENV ASGI_NODE_PYTHON

# The platform's package by its file: no registry has this version yet. Its siblings are for other platforms, and left out.
platform=$(node "$root/scripts/targets.mjs" --host)
npm init --yes >/dev/null
npm install --no-fund --no-audit --loglevel=error --omit=optional "$out"/npm/asgi-node-[0-9]*.tgz "$out/npm/asgi-node-$platform"-[0-9]*.tgz
[ ! -L node_modules/asgi-node ] || exit 1

"$python" -m venv venv
VIRTUAL_ENV=$empty/venv limited node smoke.mjs
VIRTUAL_ENV=$empty/venv limited node more.mjs
VIRTUAL_ENV=$empty/venv limited node workers.mjs
VIRTUAL_ENV=$empty/venv node_modules/.bin/asgi-node doctor --app app:app

version=$(node --print 'require("asgi-node/package.json").version')
pip=(venv/bin/python -m pip --disable-pip-version-check install --quiet)
# The wheel of this platform, of those that are there; then what its extras need.
"${pip[@]}" --no-index --no-deps --only-binary :all: --find-links "$out/python" "asgi-node==$version"
"${pip[@]}" "asgi-node[test,uvloop]==$version"
VIRTUAL_ENV=$empty/venv limited node smoke.mjs
venv/bin/python -m pytest -q -p no:cacheprovider test_plugin.py
# On its own PATH, not on the one that ran npm.
venv/bin/python -m asgi_node doctor --app app:app
