#!/usr/bin/env bash
# The fault tests in their long form: many more kills and power cuts (KILLS and CUTS say how many), and ten minutes of each
# fuzz target (SECONDS_EACH).
. "$(dirname "$0")/environment.sh"

scripts/build.sh
export FIELDWATCH_BIN=$CARGO_TARGET_DIR/release/fieldwatch
export FIELDWATCH_KILLS=${KILLS:-500} FIELDWATCH_CUTS=${CUTS:-100}
say "$FIELDWATCH_KILLS kills and $FIELDWATCH_CUTS power cuts"
npm --prefix tests run test:faults
SECONDS_EACH=${SECONDS_EACH:-600} scripts/fuzz.sh
