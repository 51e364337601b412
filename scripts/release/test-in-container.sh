#!/bin/sh
# test-in-container.sh: test-packed.sh as root in a container of Alpine, Debian or Rocky Linux, with the Python of the system, or
# uv's where that is too old. The project is in the current folder, the packages in build/release.
set -eu

if command -v apk >/dev/null; then
  apk add --quiet --no-progress bash python3 py3-pip
  PYTHON=/usr/bin/python3
elif command -v dnf >/dev/null; then
  dnf --quiet --assumeyes module enable nodejs:20
  dnf --quiet --assumeyes install nodejs npm python3.12 python3.12-pip python3.12-libs
  PYTHON=/usr/bin/python3.12
else
  apt-get update -qq
  apt-get install -y -qq --no-install-recommends python3 python3-venv python3-pip >/dev/null
  PYTHON=/usr/bin/python3
fi
"$PYTHON" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
  "$PYTHON" -m pip install --quiet uv
  "$PYTHON" -m uv python install --quiet 3.13
  PYTHON=$("$PYTHON" -m uv python find --no-project --managed-python 3.13)
}
export PYTHON
exec bash scripts/release/test-packed.sh build/release
