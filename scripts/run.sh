#!/usr/bin/env bash
# Builds what is needed and starts the demo.
. "$(dirname "$0")/environment.sh"

scripts/build.sh
say "the demo runs on http://127.0.0.1:8080 ; Ctrl-C ends it"
if [ -t 0 ]; then
  # A process group of its own, in the foreground of the terminal: so Ctrl-C reaches the program and not make, which
  # would report an interrupt where the program has ended well.
  set -m
  target/release/fieldwatch demo
else
  exec target/release/fieldwatch demo
fi
