#!/usr/bin/env bash
# build.sh [--check] [TARGET…]: addon, loader and bridge for npm's targets (scripts/targets.mjs; default: all), linked by zig, into
# $NATIVE/TARGET (default $PORTS/native). Prints for each what it asks of the system: the newest glibc, or the oldest macOS. A file
# that asks for more than it should, or that holds names of this machine's folders, is an error.
#
# Where rustc has the target's standard library (rustup target add), it is used. Elsewhere the build runs in a root with Debian's
# rustc and the library's source, for which RUSTC_BOOTSTRAP allows -Zbuild-std. --check only asks whether it compiles (cargo check).
#
# FULL=1: as it is published, optimised across crates, which takes a quarter of an hour for each target. Otherwise each crate by
# itself, in two minutes: enough to see that it builds, links and runs.
. "$(dirname "$0")/lib.sh"
# Node 20 asks for 2.28, Python's manylinux wheels for 2.17: the lowest that zig has costs nothing.
GLIBC=2.17
export MACOSX_DEPLOYMENT_TARGET=11.0
check=
if [ "${1:-}" = --check ]; then
  check=1
  shift
fi
[ -n "${FULL:-}" ] || export CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16

want_zig
zig=$(dirname "$(ls "$PORTS"/zig/lib/python3*/site-packages/ziglang/zig)")

# compile RUST_TARGET CARGO_OPTION…, on this machine
compile_here() {
  local target=$1
  shift
  # On macOS its own linker does.
  local build=zigbuild
  [ "$(uname)" != Darwin ] || build=build
  [ -z "$check" ] || build=check
  local paths
  paths=$(path_flags "${CARGO_HOME:-$HOME/.cargo}" "$ROOT" "$(rustc --print sysroot)" | paste -sd' ' -)
  (cd "$ROOT" && RUSTFLAGS="$flags $paths" PATH=$zig:$PORTS/zig/bin:$PATH ZIG_GLOBAL_CACHE_DIR=$PORTS/zig-cache \
    CARGO_TARGET_DIR=$PORTS/target cargo $build --release --locked --target "$target" "$@")
}

compile_in_root() {
  local target=$1 build=zigbuild paths
  shift
  [ -z "$check" ] || build=check
  debian_root build sid "${BUILD_PACKAGES[@]}"
  paths=$(path_flags /ports/cargo /src /usr | paste -sd' ' -)
  in_root build env RUSTFLAGS="$flags $paths" HOME=/ports/home ZIG_GLOBAL_CACHE_DIR=/ports/zig-cache CARGO_HOME=/ports/cargo \
    CARGO_TARGET_DIR="/ports/target-std" PATH="/ports${zig#"$PORTS"}:/ports/zig/bin:/usr/bin:/bin" \
    CARGO_HTTP_CAINFO=/etc/ssl/certs/ca-certificates.crt RUSTC_BOOTSTRAP=1 \
    bash -ec 'mkdir -p $HOME; cd /src; build=$1; shift
      # Debian has no rust-objcopy, by which rustc strips for macOS. The linker has left out what there would be to strip.
      case $1 in *-apple-*) export CARGO_PROFILE_RELEASE_STRIP=none ;; esac
      cargo $build --release --locked -Zbuild-std=std,panic_unwind --target "$@"' x "$build" "$target" "$@"
}

# What a file of a target asks of the system that it is loaded on.
asks() {
  case $1 in
    *-gnu) objdump -T "$2" | grep -oE 'GLIBC_[0-9.]+' | sort -Vu | tail -1 ;;
    *-musl) objdump -p "$2" | sed -n 's/^ *NEEDED *//p' | paste -sd' ' - ;;
    darwin-*) node "$ROOT/scripts/ports/macho.mjs" "$2" ;;
  esac
}

# accept TARGET FILE NEEDS: fails unless the file is fit to be published.
accept() {
  local name=$1 file=$2 needs=$3
  if leaks "$file" "$PORTS" "$ROOT/crates" "$HOME/" "${CARGO_HOME:-$HOME/.cargo}/" /ports/ /src/crates; then
    fail "$file has names of this machine's folders"
  fi
  case $name in
    *-gnu)
      [ "$(printf '%s\n' "$needs" "GLIBC_$GLIBC" | sort -V | tail -1)" = "GLIBC_$GLIBC" ] || fail "$file asks for $needs, not for $GLIBC"
      # Node unloads what a worker thread has loaded, while threads of ours run in it. (musl unloads nothing.)
      case $file in *.node) readelf -d "$file" | grep -q NODELETE || fail "$file may be unloaded" ;; esac
      ;;
    darwin-*) [[ $needs == *"macOS $MACOSX_DEPLOYMENT_TARGET,"* ]] || fail "$file asks for $needs, not for $MACOSX_DEPLOYMENT_TARGET" ;;
  esac
}

build() {
  local name=$1 rust=$2 target=$2 suffix=so std rel compile crate file needs out=$NATIVE/$1
  # zig does not look into folders that are not there, and says so.
  local flags=-Alinker_messages
  case $name in
    *-gnu) [ -n "$check" ] || target=$rust.$GLIBC ;;
    darwin-*)
      suffix=dylib
      # Otherwise its name is its path on this machine. -S: no paths of object files, which are there for debuggers.
      flags+=' -C link-arg=-Wl,-install_name,@rpath/asgi-node -C link-arg=-Wl,-S'
      ;;
    # Node and Python are linked dynamically; a C library of its own would be a second one.
    *-musl) flags+=' -C target-feature=-crt-static' ;;
  esac
  # workers.node is the addon without Python, and the addon has the bridge without the hosts that Python outside of Node needs
  # (scripts/build.sh). All are built beside the same crates, so that all that they stand on has the same features, and the same
  # form for the linker's optimisation: then it is compiled once. This also holds for the bridge beside workers.node, where its
  # file is not what is asked for.
  local beside=(-p asgi-node-bridge -p asgi-node-loader -p asgi-node-supervisor)
  local addon=(-p asgi-node-addon "${beside[@]}" --no-default-features --features asgi-node-addon/python)
  local bridge=("${beside[@]}")
  local workers=(-p asgi-node-addon "${beside[@]}" --no-default-features --features asgi-node-addon/workers)
  std=$(rustc --print target-libdir --target "$rust" 2>/dev/null || true)
  local started=$SECONDS
  if [ -n "$std" ] && ls "$std"/libstd-*.rlib >/dev/null 2>&1; then
    rel=$PORTS/target/$rust/release
    compile=compile_here
  else
    rel=$PORTS/target-std/$rust/release
    compile=compile_in_root
  fi
  $compile "$target" "${addon[@]}"
  if [ -n "$check" ]; then
    $compile "$target" "${bridge[@]}"
    $compile "$target" "${workers[@]}"
    say "$name compiles, checked in $((SECONDS - started)) s"
    return
  fi
  mkdir -p "$out"
  for crate in loader addon; do
    install -m 755 "$rel/libasgi_node_$crate.$suffix" "$out/$crate.node"
  done
  $compile "$target" "${bridge[@]}"
  install -m 755 "$rel/libasgi_node_bridge.$suffix" "$out/_native.abi3.so"
  $compile "$target" "${workers[@]}"
  install -m 755 "$rel/libasgi_node_addon.$suffix" "$out/workers.node"
  for file in "$out"/*; do
    needs=$(asks "$name" "$file")
    printf '%-18s %-15s %9d bytes  %s\n' "$name" "$(basename "$file")" "$(wc -c <"$file")" "$needs"
    accept "$name" "$file" "$needs"
  done
  say "$name built in $((SECONDS - started)) s"
}

known=$(node "$ROOT/scripts/targets.mjs")
for name in ${*:-$(cut -f1 <<<"$known")}; do
  rust=$(awk -v name="$name" '$1 == name { print $2 }' <<<"$known")
  [ -n "$rust" ] || fail "no target $name: $(cut -f1 <<<"$known" | paste -sd' ' -)"
  build "$name" "$rust"
done
