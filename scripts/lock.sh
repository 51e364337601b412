#!/usr/bin/env bash
# Pins the newest versions that fit: requirements-{dev,tools}.txt (one file for every Python, by uv), package-lock.json.
set -euo pipefail

for name in dev tools; do
  UV_CUSTOM_COMPILE_COMMAND='make lock' UV_SYSTEM_CERTS=1 .venv/bin/uv pip compile --quiet --upgrade --universal \
    --python-version 3.11 --no-emit-index-url --no-emit-find-links requirements-$name.in --output-file requirements-$name.txt
done
UV_CUSTOM_COMPILE_COMMAND='make lock' UV_SYSTEM_CERTS=1 .venv/bin/uv pip compile --quiet --upgrade --universal \
  --python-version 3.13 --no-emit-index-url --no-emit-find-links tests/compat/requirements.in \
  --output-file tests/compat/requirements.txt
npm install --package-lock-only
(cd tests/nodes && npm install --package-lock-only)
(cd tests/bundlers && npm install --package-lock-only)
