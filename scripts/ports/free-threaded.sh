#!/usr/bin/env bash
# free-threaded.sh [3.14|3.15]…: whether the crates compile for a CPython without the GIL. No such CPython has to be here: a file
# tells pyo3 what it would find.
. "$(dirname "$0")/lib.sh"

[ $# -gt 0 ] || set -- 3.14 3.15
for version in "$@"; do
  config=$PORTS/free-threaded-$version.txt
  cat >"$config" <<TEXT
implementation=CPython
version=$version
shared=true
abi3=false
lib_name=python${version}t
pointer_width=64
build_flags=Py_GIL_DISABLED
suppress_build_script_link_lines=true
TEXT
  (cd "$ROOT" && env -u PYO3_NO_PYTHON PYO3_CONFIG_FILE="$config" CARGO_TARGET_DIR="$PORTS/target-check" \
    cargo check --quiet --locked -p asgi-node-bridge -p asgi-node-addon -p asgi-node-loader)
  say "CPython ${version}t: compiles"
done
