#!/usr/bin/env bash
# Pins the newest versions that fit: requirements-{dev,tools}.txt (one file for every Python, by uv), package-lock.json.
set -euo pipefail

[ -x build/uv/bin/uv ] || { .venv/bin/python -m venv build/uv && build/uv/bin/pip install --quiet uv; }
for name in dev tools; do
  UV_CUSTOM_COMPILE_COMMAND='make lock' UV_NATIVE_TLS=1 build/uv/bin/uv pip compile --quiet --upgrade --universal \
    --python-version 3.11 --no-emit-index-url --no-emit-find-links requirements-$name.in --output-file requirements-$name.txt
done
UV_CUSTOM_COMPILE_COMMAND='make lock' UV_NATIVE_TLS=1 build/uv/bin/uv pip compile --quiet --upgrade --universal \
  --python-version 3.13 --no-emit-index-url --no-emit-find-links tests/compat/requirements.in \
  --output-file tests/compat/requirements.txt
npm install --package-lock-only
(cd tests/nodes && npm install --package-lock-only)
(cd tests/bundlers && npm install --package-lock-only)
