#!/usr/bin/env bash
# native.sh TARGET NATIVE WHEELS: builds one of npm's targets into NATIVE/TARGET, and its wheel into WHEELS. Fetches what rustup
# and pip have for it: this is the machine of a release, where nothing else is.
set -euo pipefail
cd "$(dirname "$0")/../.."

name=$1
mkdir -p "$2" "$3"
native=$(cd "$2" && pwd)
wheels=$(cd "$3" && pwd)
rust=$(node scripts/targets.mjs | awk -v name="$name" '$1 == name { print $2 }')
rustup target add "$rust"
NATIVE=$native scripts/ports/build.sh "$name"

ports=${PORTS:-$HOME/.cache/asgi-node-ports}
zig=$(dirname "$(ls "$ports"/zig/lib/python3*/site-packages/ziglang/zig)")
export PATH=$zig:$ports/zig/bin:$PATH ZIG_GLOBAL_CACHE_DIR=$ports/zig-cache MACOSX_DEPLOYMENT_TARGET=11.0 RUSTFLAGS=-Alinker_messages
options=()
case $name in
  *-gnu) options=(--zig --compatibility manylinux2014) ;;
  *-musl)
    options=(--zig --compatibility musllinux_1_2)
    RUSTFLAGS+=' -C target-feature=-crt-static'
    ;;
  darwin-*) options=(--compatibility pypi) ;;
esac
CARGO_TARGET_DIR=$ports/target maturin build --release --locked --target "$rust" --out "$wheels" "${options[@]}"
ls "$native/$name" "$wheels"
