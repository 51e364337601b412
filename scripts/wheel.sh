#!/usr/bin/env bash
# `make wheel`: builds the wheel and installs it with its extras into a clean environment. There it runs the Python tests that
# need no Node, with no Node on PATH. WHEEL_PYTHONS names the interpreters (.venv's otherwise); one wheel serves all of them.
set -euo pipefail

root=$PWD
out=$root/build/wheel
rm -rf "$out"
mkdir -p "$out"

# For the same target as the addon, so that what both share is compiled once.
target=$(rustc -vV | sed -n 's/^host: //p')
.venv/bin/maturin build --release --locked --quiet --target "$target" --out "$out"
wheel=$(echo "$out"/*.whl)

for python in ${WHEEL_PYTHONS:-.venv/bin/python}; do
  venv=$out/venv
  rm -rf "$venv"
  "$python" -m venv --without-pip "$venv"
  # The extras, and the packages that the tests use.
  scripts/pip-install.sh "$venv/bin/python" --constraint requirements-dev.txt "$wheel[test,uvloop,wsgi]" \
    anyio httpx itsdangerous jinja2 pytest-asyncio pytest-timeout pytest-xdist python-multipart starlette

  # The package is typed for those who install it.
  .venv/bin/python -m mypy --strict --python-executable "$venv/bin/python" --cache-dir "$out/mypy" tests/wheel/typed.py

  # Not from the root, where the repository's own package would be found first.
  (
    cd tests/wheel
    unset PYTHONPATH
    PATH=$venv/bin "$venv/bin/python" -m pytest -p no:cacheprovider -n 4 --dist loadfile -c "$root/pyproject.toml" -o pythonpath= \
      --rootdir "$root" "$root"/tests/wheel "$root"/tests/python/{host/test_host,testing/test_client,testing/test_client_starlette,testing/test_async_client}.py
  )
done
