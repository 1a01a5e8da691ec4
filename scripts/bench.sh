#!/usr/bin/env bash
# Measures the program against the floors of the same run, and writes docs/benchmarks.md. FIGURES says which (all); with
# QUICK=1 it only shows that they can be measured.
. "$(dirname "$0")/environment.sh"

scripts/build.sh
say "building what measures"
cargo build --release --locked --package fieldwatch-bench
cargo build --release --locked --package fieldwatch-event-store --example append --example append_postgresql

arguments=()
[ -z "${QUICK:-}" ] || arguments+=(--quick)
status=0
for figure in ${FIGURES:-all}; do
  "$CARGO_TARGET_DIR/release/bench" "$figure" "${arguments[@]}" || status=$?
done
if [ -n "${FIGURES:-}" ]; then
  "$CARGO_TARGET_DIR/release/bench" report "${arguments[@]}"
fi
exit "$status"
