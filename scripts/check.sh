#!/usr/bin/env bash
# What CI checks besides tests: format, lints, documentation, licences, advisories, spelling. All run; the last line sums up.
. "$(dirname "$0")/environment.sh"
need_toolchain

broken=()
check() {
  local name=$1
  shift
  say "$name"
  "$@" || broken+=("$name")
}

# The database of that day where it lies beside the repository, since the live one cannot be reached from everywhere.
advisories() {
  local archive day database=$CARGO_TARGET_DIR/advisory-db
  archive=$(find "${ADVISORY_DB_DIR:-../shared/data}" -maxdepth 1 -name 'advisory-db-*.tar.gz' 2>/dev/null | sort | tail -n 1)
  if [ -z "$archive" ]; then
    cargo audit --deny warnings
    return
  fi
  day=$(basename "$archive" .tar.gz)
  day=${day#advisory-db-}
  echo "advisories of $day, $((($(date +%s) - $(date -d "$day" +%s)) / 86400)) days old"
  rm -rf "$database"
  mkdir -p "$database"
  tar -xzf "$archive" -C "$database"
  cargo audit --db "$database" --no-fetch --stale --deny warnings
}

scripts/tools.sh
export PATH=$CARGO_TARGET_DIR/tools/bin:$PATH
# The page is inside the program, and its own check needs its packages.
scripts/ui.sh

check format cargo fmt --all --check
check lints cargo clippy --workspace --all-targets --locked -- -D warnings
check documentation env RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --locked
check page npm --prefix ui run --silent check
check licences cargo deny --log-level error check --hide-inclusion-graph bans licenses sources
check advisories advisories
check spelling typos

[ ${#broken[@]} = 0 ] || fail "failed: ${broken[*]}"
say "all checks passed"
