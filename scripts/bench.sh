#!/usr/bin/env bash
# Measures the program against the floors of the same run, and writes docs/benchmarks.md.
. "$(dirname "$0")/environment.sh"

fail "make bench measures nothing yet"
