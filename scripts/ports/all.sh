#!/usr/bin/env bash
# `make ports`: builds each of npm's targets, runs the packed files of those that this machine can, and ends with a table. What fails
# does not keep the rest from being tried. Each step's output is in $PORTS/logs.
. "$(dirname "$0")/lib.sh"
scripts=$ROOT/scripts/ports
logs=$PORTS/logs
rm -rf "$logs"
mkdir -p "$logs"
started=$SECONDS
failures=0
declare -A took

# step NAME COMMAND…: took[NAME] is how long it took, or that it failed.
step() {
  local name=$1 begin=$SECONDS
  shift
  if "$@" >"$logs/$name.log" 2>&1; then
    took[$name]="$((SECONDS - begin)) s"
  else
    took[$name]=failed
    failures=$((failures + 1))
    tail -n 30 "$logs/$name.log" >&2
  fi
  say "$name: ${took[$name]}"
}

# The targets that are run, and in which roots (run.sh).
declare -A runs=([linux-x64-gnu]='linux-x64-gnu floor' [linux-arm64-gnu]=linux-arm64-gnu [linux-x64-musl]=linux-x64-musl)
declare -A where=([linux-x64-gnu]=here [floor]='in Debian 11' [linux-arm64-gnu]=emulated [linux-x64-musl]='in a root of musl')
targets=$(node "$ROOT/scripts/targets.mjs" | cut -f1)

step root-build "$scripts/roots.sh" build
for target in $targets; do
  # Otherwise what an earlier build left is run.
  rm -rf "${NATIVE:?}/$target"
  step "build-$target" "$scripts/build.sh" "$target"
done
for root in floor arm64 musl; do step "root-$root" "$scripts/roots.sh" "$root"; done
for target in $targets; do
  for run in ${runs[$target]:-}; do step "run-$run" "$scripts/run.sh" "$run"; done
done

printf '\n%-18s %-8s %-44s %s\n' target built ran 'addon.node asks for'
for target in $targets; do
  ran=
  [ -n "${runs[$target]:-}" ] || [ "${took[build-$target]}" = failed ] || ran='linked, and looked at'
  for run in ${runs[$target]:-}; do ran+="${ran:+, }${where[$run]} ${took[run-$run]}"; done
  asks=$(sed -nE "s/^$target +addon\.node +[0-9]+ bytes +//p" "$logs/build-$target.log")
  printf '%-18s %-8s %-44s %s\n' "$target" "${took[build-$target]}" "$ran" "$asks"
done
say "$((SECONDS - started)) s in all, of which roots: build ${took[root-build]}, floor ${took[root-floor]}, arm64 ${took[root-arm64]}, musl ${took[root-musl]}"
[ "$failures" -eq 0 ] || fail "$failures steps failed: $logs"
