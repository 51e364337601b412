#!/usr/bin/env bash
# fuzz.sh SECONDS: libFuzzer on the frames between Node and its workers, with the stable compiler (cargo-fuzz wants another one).
# What it learns stays in build/fuzz/corpus. It ends with an error, and with the input in build/fuzz, at the first failure.
set -euo pipefail

seconds=$1
folder=$PWD/build/fuzz
target=$(rustc -vV | sed -n 's/^host: //p')
mkdir -p "$folder/corpus"

# What libFuzzer needs to see which branches an input has taken. With --target, build scripts are not compiled like this.
coverage='-C passes=sancov-module -C llvm-args=-sanitizer-coverage-level=4 -C llvm-args=-sanitizer-coverage-inline-8bit-counters
  -C llvm-args=-sanitizer-coverage-pc-table -C llvm-args=-sanitizer-coverage-trace-compares -C codegen-units=1'
RUSTFLAGS=$(tr '\n' ' ' <<<"$coverage") cargo build --quiet --release --locked --target "$target" --target-dir "$folder/target" \
  --manifest-path crates/worker/fuzz/Cargo.toml
"$folder/target/$target/release/frames" -max_total_time="$seconds" -max_len=8192 -use_value_profile=1 -artifact_prefix="$folder/" -print_final_stats=1 "$folder/corpus"
