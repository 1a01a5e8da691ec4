#!/usr/bin/env bash
# Runs the fuzz targets, SECONDS_EACH (60) seconds each, with what they found before as a start: scripts/fuzz.sh [TARGET...]
#
# Needs no nightly compiler: libFuzzer's coverage comes from the compiler's own pass, and the checks that matter are the targets'
# assertions and overflow checks. What breaks a target is kept under target/fuzz/artifacts, and is said.
. "$(dirname "$0")/environment.sh"
need_toolchain
has c++ || fail "a C++ compiler is missing, which libFuzzer is built with: apt-get install g++"

seconds=${SECONDS_EACH:-60}
targets=("$@")
if [ ${#targets[@]} = 0 ]; then
  for file in fuzz/targets/*.rs; do
    targets+=("$(basename "$file" .rs)")
  done
fi

say "building ${#targets[@]} fuzz targets"
export CARGO_TARGET_DIR=$PWD/target/fuzz
host=$(rustc -vV | sed -n 's/^host: //p')
# With --target the flags are not used for build scripts and macros, which must not be instrumented.
RUSTFLAGS="${RUSTFLAGS:-} --cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
-Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
-Cllvm-args=-sanitizer-coverage-trace-compares -Ccodegen-units=1" \
  cargo build --quiet --release --manifest-path fuzz/Cargo.toml --target "$host" --locked

broken=()
for target in "${targets[@]}"; do
  corpus=target/fuzz/corpus/$target artifacts=target/fuzz/artifacts/$target
  mkdir -p "$corpus" "$artifacts"
  seeds=()
  [ -d "fuzz/seeds/$target" ] && seeds+=("fuzz/seeds/$target")
  say "$target, $seconds s"
  "$CARGO_TARGET_DIR/$host/release/$target" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -max_len=4096 \
    -artifact_prefix="$artifacts/" "$corpus" "${seeds[@]}" 2>&1 | tail -n 4 || broken+=("$target")
done
[ ${#broken[@]} = 0 ] || fail "failed: ${broken[*]}; the inputs are under target/fuzz/artifacts"
say "no target was broken"
