#!/usr/bin/env bash
# windows.sh: how many errors `cargo check` has for Windows in each crate, and in which files: the list in docs/platforms.md. A crate
# that stands on one with errors is not reached. The target is that of Node's own build, MSVC; nothing is linked.
. "$(dirname "$0")/lib.sh"
target=x86_64-pc-windows-msvc
debian_root build sid "${BUILD_PACKAGES[@]}"
for crate in core rewriter worker loader supervisor bridge addon; do
  log=$PORTS/windows-$crate.log
  in_root build env HOME=/ports/home CARGO_HOME=/ports/cargo CARGO_TARGET_DIR=/ports/target-windows PATH=/usr/bin:/bin \
    CARGO_HTTP_CAINFO=/etc/ssl/certs/ca-certificates.crt RUSTC_BOOTSTRAP=1 bash -c "cd /src
      cargo check --locked --keep-going --message-format short -Zbuild-std=std,panic_unwind --target $target -p asgi-node-$crate" >"$log" 2>&1 || true
  say "$crate: $(grep -c "^crates/$crate/.*error" "$log" || true) errors of its own"
  sed -nE "s/^(crates\/$crate\/[^:]+):.* error.*/  \1/p" "$log" | sort | uniq -c
  grep -E '^error: could not compile|^error: failed' "$log" | sort -u || true
done
