#!/usr/bin/env bash
# The fault tests in their long form: many more kills and power cuts (KILLS and CUTS say how many), several nodes with more
# kills and longer outages (NODE_KILLS, FREEZE_MS), and ten minutes of each fuzz target (SECONDS_EACH).
. "$(dirname "$0")/environment.sh"

scripts/build.sh
export FIELDWATCH_BIN=$CARGO_TARGET_DIR/release/fieldwatch
export FIELDWATCH_KILLS=${KILLS:-500} FIELDWATCH_CUTS=${CUTS:-100}
say "$FIELDWATCH_KILLS kills and $FIELDWATCH_CUTS power cuts"
npm --prefix tests run test:faults
export FIELDWATCH_NODE_KILLS=${NODE_KILLS:-20} FIELDWATCH_FREEZE_MS=${FREEZE_MS:-30000}
say "several nodes: $FIELDWATCH_NODE_KILLS kills of each kind, outages of $FIELDWATCH_FREEZE_MS ms"
npm --prefix tests ci --silent --no-audit --no-fund
npm --prefix tests run test:nodes
SECONDS_EACH=${SECONDS_EACH:-600} scripts/fuzz.sh
