#!/bin/sh
# in-container.sh: `make ports-quick` on a machine that has nothing yet, a Debian 13:
#
#   docker run --rm --privileged --volume "$PWD:/src" --workdir /src debian:13 sh scripts/ports/in-container.sh
#
# Privileged, because roots are mounted and an emulator is registered, both in namespaces that end with it.
set -eu

apt-get update -qq
DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
  ca-certificates debootstrap gcc git libc6-dev make nodejs npm python3-venv rustup >/dev/null
rustup default stable
exec make ports-quick
