#!/usr/bin/env bash
# Stands in for a new environment's pip (readme.test.mjs): takes what is pinned for development, and links it.
set -euo pipefail
[ "$1" = install ]
shift
for package in "$@"; do
  grep -q "^$package==" "$REPOSITORY/requirements-dev.txt" || { echo "$package is not in requirements-dev.txt" >&2; exit 1; }
done
"$TEST_PYTHON" -c 'import sysconfig; print(sysconfig.get_path("purelib"))' > "$(echo "$PWD"/.venv/lib/python3.*/site-packages)/linked.pth"
