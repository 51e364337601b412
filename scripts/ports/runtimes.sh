#!/usr/bin/env bash
# `make runtimes`: tests/packed on Bun and Deno, which come from npm, with asgi-node as it is packed, in an empty folder.
. "$(dirname "$0")/lib.sh"
BUN=1.4.5
DENO=2.9.6
folder=$PORTS/runtimes
python=${ASGI_NODE_PYTHON:-$ROOT/.venv/bin/python}

rm -rf "$folder"
mkdir -p "$folder"
cp "$ROOT"/tests/packed/*.{mjs,py} "$folder"
tarballs=$(node "$ROOT/scripts/pack.mjs" "$folder/packed")
cd "$folder"
npm init --yes >/dev/null
# shellcheck disable=SC2086 # a path each
npm install --no-fund --no-audit --loglevel=error --omit=optional $tarballs "@oven/bun-linux-x64@$BUN" "@deno/linux-x64-glibc@$DENO" >/dev/null
for runtime in "node_modules/@oven/bun-linux-x64/bin/bun" "node_modules/@deno/linux-x64-glibc/deno run --allow-all"; do
  say "$(basename "${runtime%% *}"):"
  for program in smoke.mjs more.mjs; do ASGI_NODE_PYTHON=$python timeout 120 $runtime $program; done
done
