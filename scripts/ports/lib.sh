# Sourced by the other scripts here. PORTS: where roots, builds and caches go (about 8 GB). They want root, and of the network
# only the mirrors of Debian, PyPI, npm and crates.io.
set -euo pipefail
# What our make is told is not meant for CPython's, which does not compile without make's built-in rules.
unset MAKEFLAGS MFLAGS MAKELEVEL
ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
PORTS=${PORTS:-$HOME/.cache/asgi-node-ports}
NATIVE=${NATIVE:-$PORTS/native}
# What compiles for targets that this machine's Rust does not have, and runs them.
BUILD_PACKAGES=(rustc cargo rust-src gcc libc6-dev file qemu-user)
mkdir -p "$PORTS" "$NATIVE"

say() { printf '%s\n' "ports: $*"; }

fail() {
  printf '%s\n' "ports: $*" >&2
  exit 1
}

# The Debian mirror that this machine uses, or DEBIAN_MIRROR.
mirror() {
  [ -z "${DEBIAN_MIRROR:-}" ] || { echo "$DEBIAN_MIRROR" && return; }
  cat /etc/apt/sources.list /etc/apt/sources.list.d/* 2>/dev/null | grep -oE 'https?://[^ ]+/debian/?( |$)' | head -1 | tr -d ' '
}

# want PROGRAM PACKAGE…: Debian's packages, unless the program is here.
want() {
  command -v "$1" >/dev/null && return
  shift
  { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@"; } >/dev/null ||
    fail "cannot install $*: run as root, on Debian or Ubuntu"
}

# debian_root NAME SUITE PACKAGE…: an x64 root at $PORTS/NAME. Half a root has no .ready in it, and is made anew.
debian_root() {
  local name=$1 suite=$2 root=$PORTS/$1
  shift 2
  [ ! -e "$root/.ready" ] || return 0
  want debootstrap debootstrap
  say "root of Debian $suite …"
  rm -rf "$root"
  debootstrap --variant=minbase --include=ca-certificates "$suite" "$root" "$(mirror)" /usr/share/debootstrap/scripts/sid >"$root.log" 2>&1 ||
    fail "debootstrap $suite failed: $root.log"
  # A mirror's copy may be older than Valid-Until of its Release file.
  echo 'Acquire::Check-Valid-Until "false"; APT::Install-Recommends "false"; APT::Sandbox::User "root";' >"$root/etc/apt/apt.conf.d/90ports"
  printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d"
  chmod +x "$root/usr/sbin/policy-rc.d"
  # Clients in there reach and trust what this machine does.
  cp /etc/resolv.conf "$root/etc/resolv.conf" 2>/dev/null || true
  cp /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/ca-certificates.crt"
  in_root "$name" bash -ec 'apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "$@"' x "$@" >>"$root.log" 2>&1 ||
    fail "packages of $suite failed: $root.log"
  touch "$root/.ready"
}

# in_root NAME COMMAND…: with the project at /src (not writable) and $PORTS at /ports. Its mounts are its own, and end with it.
in_root() {
  local root=$PORTS/$1
  shift
  unshare --mount --propagation private bash -ec '
    root=$1 src=$2 ports=$3; shift 3
    mkdir -p $root/src $root/ports
    mount --bind /proc $root/proc; mount --rbind /dev $root/dev
    mount --bind "$src" $root/src; mount -o remount,bind,ro $root/src; mount --bind "$ports" $root/ports
    exec chroot $root "$@"' x "$root" "$ROOT" "$PORTS" "$@"
}

# path_flags CARGO_HOME SOURCE SYSROOT: what rustc writes in place of this machine's folders, an option a line. Panics name the
# file that they come from, and nobody else has these folders.
path_flags() {
  printf -- '--remap-path-prefix=%s\n' "$2=asgi-node" "$1=cargo" "$3/lib/rustlib/src/rust=rust"
}

# leaks FILE FOLDER…: names of this machine's folders in a file; fails where there are none.
leaks() {
  local file=$1
  shift
  grep -aoF "${@/#/-e}" "$file" | sort | uniq -c
}

# zig, which links for all of them, in an environment of Python.
want_zig() {
  [ -x "$PORTS/zig/bin/maturin" ] && return
  say 'zig …'
  python3 -c 'import ensurepip' 2>/dev/null || want ensurepip python3-venv
  python3 -m venv "$PORTS/zig"
  "$PORTS/zig/bin/pip" --quiet --disable-pip-version-check install -r "$ROOT/scripts/ports/requirements.txt"
}
