#!/usr/bin/env bash
# Builds target/release/fieldwatch with the web page inside, and beside it the small program by which the tests start real
# brokers and databases.
. "$(dirname "$0")/environment.sh"
need_toolchain

scripts/ui.sh
say "building the program; the first time takes some minutes"
cargo build --release --locked --package fieldwatch --package fieldwatch-real-servers
