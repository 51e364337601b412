#!/usr/bin/env bash
# pip-install.sh PYTHON ARGUMENT…: `pip install ARGUMENT…` into the environment of PYTHON, by the uv of .venv, which takes a tenth of
# pip's time. It knows none of pip's settings, which may name another index: where it fails, pip does it.
set -euo pipefail

cd "$(dirname "$0")/.."
python=$1
shift
if ! said=$(.venv/bin/uv pip install --quiet --system-certs --only-binary :all: --python "$python" "$@" 2>&1); then
  .venv/bin/python -m pip --python "$python" --disable-pip-version-check install --quiet --no-compile --only-binary :all: "$@" || {
    printf 'uv could not install it either:\n%s\n' "$said" >&2
    exit 1
  }
fi
