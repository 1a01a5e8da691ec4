# Sourced by the other scripts: where things are, what has to be installed, and how commands should behave.

set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# The contract says where the binary lies, whatever the shell of the caller prefers.
export CARGO_TARGET_DIR=$PWD/target

if [ "${CI:-}" = true ]; then
  export NO_COLOR=1 CARGO_TERM_COLOR=never npm_config_color=false
fi

say() { printf '%s\n' "==> $*"; }
fail() {
  printf '%s\n' "$*" >&2
  exit 1
}

has() { command -v "$1" >/dev/null 2>&1; }

# version_at_least VERSION LEAST
version_at_least() { [ "$(printf '%s\n%s\n' "$2" "$1" | sort -V | head -n 1)" = "$2" ]; }

# Says everything that is missing for a build, not only the first.
need_toolchain() {
  local missing=() found
  if has cargo; then
    found=$(cargo --version | awk '{ print $2 }')
    version_at_least "$found" 1.95 || missing+=("Rust 1.95 or later (found $found): rustup update stable")
  else
    missing+=("Rust 1.95 or later: https://rustup.rs")
  fi
  if has node; then
    found=$(node --version)
    version_at_least "${found#v}" 20.19 || missing+=("Node.js 20.19 or later (found ${found#v}): https://nodejs.org/en/download")
  else
    missing+=("Node.js 20.19 or later: https://nodejs.org/en/download")
  fi
  has npm || missing+=("npm: comes with Node.js from nodejs.org; on Debian: apt-get install npm")
  has cc || missing+=("a C compiler, which Rust links with: apt-get install gcc libc6-dev")
  if [ ${#missing[@]} -gt 0 ]; then
    printf '%s\n' "This is missing:" >&2
    printf '  - %s\n' "${missing[@]}" >&2
    exit 1
  fi
  use_mold
}

# mold links in a tenth of the time, but nobody has to have it; a compiler may also be too old to know it.
use_mold() {
  if [ -z "${RUSTFLAGS+set}" ] && has mold && echo 'int main(void) { return 0; }' | cc -fuse-ld=mold -x c -o /dev/null - 2>/dev/null; then
    export RUSTFLAGS="-C link-arg=-fuse-ld=mold"
  fi
}
