#!/usr/bin/env bash
# native.sh TARGET NATIVE WHEELS: builds one of npm's targets into NATIVE/TARGET, and its wheel into WHEELS. Fetches what rustup
# and pip have for it: this is the machine of a release, where nothing else is.
set -euo pipefail
cd "$(dirname "$0")/../.."
. scripts/ports/lib.sh

name=$1
mkdir -p "$2" "$3"
native=$(cd "$2" && pwd)
wheels=$(cd "$3" && pwd)
rust=$(node scripts/targets.mjs | awk -v name="$name" '$1 == name { print $2 }')
rustup target add "$rust"
FULL=1 NATIVE=$native scripts/ports/build.sh "$name"

zig=$(dirname "$(ls "$PORTS"/zig/lib/python3*/site-packages/ziglang/zig)")
export PATH=$zig:$PORTS/zig/bin:$PATH ZIG_GLOBAL_CACHE_DIR=$PORTS/zig-cache MACOSX_DEPLOYMENT_TARGET=11.0 RUSTFLAGS=-Alinker_messages
options=()
case $name in
  *-gnu) options=(--zig --compatibility manylinux2014) ;;
  *-musl)
    options=(--zig --compatibility musllinux_1_2)
    RUSTFLAGS+=' -C target-feature=-crt-static'
    ;;
  darwin-*) options=(--compatibility pypi) ;;
esac
RUSTFLAGS+=" $(path_flags "${CARGO_HOME:-$HOME/.cargo}" "$ROOT" "$(rustc --print sysroot)" | paste -sd' ' -)"
CARGO_TARGET_DIR=$PORTS/target maturin build --release --locked --target "$rust" --out "$wheels" "${options[@]}"
for wheel in "$wheels"/*.whl; do
  ! unzip -p "$wheel" '*.so' | leaks - "$PORTS" "$ROOT/crates" "$HOME/" "${CARGO_HOME:-$HOME/.cargo}/" || fail "$wheel has names of this machine's folders"
done
ls "$native/$name" "$wheels"
