#!/usr/bin/env bash
# Are the toolchains here? Says what to install when not.
set -euo pipefail

fail() {
  printf '%s\n' "$@" >&2
  exit 1
}

command -v cargo >/dev/null ||
  fail 'cargo is missing: install Rust 1.88 or later with rustup, or apt-get install rustup.'
command -v cc >/dev/null || fail 'cc is missing: apt-get install gcc libc6-dev.'
command -v node >/dev/null || fail 'node is missing: install Node.js 20.19.2 or later.'
command -v npm >/dev/null || fail 'npm is missing: install it with Node.js, or apt-get install npm.'
node -e '
  const [major, minor, patch] = process.versions.node.split(".").map(Number)
  if (major > 20 || (major === 20 && (minor > 19 || (minor === 19 && patch >= 2)))) process.exit(0)
  console.error(`Node.js ${process.versions.node} is too old: install 20.19.2 or later.`)
  process.exit(1)'
node -e '
  const [want, have] = process.argv.slice(1).map((text) => text.match(/\d+\.\d+/)?.[0].split(".").map(Number) ?? [0, 0])
  if (have[0] > want[0] || (have[0] === want[0] && have[1] >= want[1])) process.exit(0)
  console.error(`Rust ${have.join(".")} is too old: install ${want.join(".")} or later, for instance with rustup update.`)
  process.exit(1)' "$(sed -nE 's/^rust-version = "(.*)"/\1/p' Cargo.toml)" "$(rustc --version)"
