#!/usr/bin/env bash
# Installs what the tests need, builds everything, runs every test, and ends with one line of sums.
#
# A suite that fails does not keep the others from running. What each said is kept in target/test-output/.
. "$(dirname "$0")/environment.sh"
need_toolchain

output=$CARGO_TARGET_DIR/test-output
mkdir -p "$output"
passed=0 failed=0 skipped=0
broken=()

# forbid_start, permit_start: around an installation, so that no server begins to run because its package was installed.
policy=/usr/sbin/policy-rc.d
forbid_start() {
  [ ! -e "$policy" ] || return 0
  printf '#!/bin/sh\nexit 101\n# made by fieldwatch for one installation\n' >"$policy"
  chmod 755 "$policy"
  trap permit_start EXIT
}
permit_start() {
  if grep -qs 'made by fieldwatch' "$policy"; then
    rm -f "$policy"
  fi
}

# install_tools: what some tests look at the program with. Without them those tests are skipped, by name.
install_tools() {
  local packages=()
  has chromium || packages+=(chromium)
  [ -d /usr/share/fonts/truetype/dejavu ] || packages+=(fonts-dejavu-core)
  PATH=$PATH:/usr/sbin:/sbin has mkfs.xfs || packages+=(xfsprogs)
  has strace || packages+=(strace)
  [ -x /usr/lib/rabbitmq/bin/rabbitmq-server ] || packages+=(rabbitmq-server)
  # Its programs lie outside of PATH; the tests start servers of their own.
  compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null || packages+=(postgresql)
  [ ${#packages[@]} -gt 0 ] || return 0
  if [ "$(id -u)" = 0 ] && has apt-get; then
    say "installing ${packages[*]}"
    forbid_start
    if apt-get update -qq && DEBIAN_FRONTEND=noninteractive timeout 600 apt-get install -y -qq --no-install-recommends "${packages[@]}"; then
      permit_start
      return 0
    fi
    permit_start
  fi
  say "not installed: ${packages[*]}; tests that need them are skipped (as root on Debian: apt-get install ${packages[*]})"
}

# install_client: the client by which tests publish to RabbitMQ as a foreign program does; nothing else of them needs a package.
# Without it those tests are skipped, by name.
install_client() {
  local there=tests/node_modules/.package-lock.json
  if [ -e "$there" ] && [ ! tests/package-lock.json -nt "$there" ]; then
    return 0
  fi
  say "installing the packages of the tests from outside"
  if timeout --kill-after=20 300 npm --prefix tests ci --no-audit --no-fund; then
    return 0
  fi
  # Half of a package would fail where a missing one is skipped.
  rm -rf tests/node_modules
  say "not installed: what tests/package-lock.json names; tests that publish by it are skipped (npm --prefix tests ci, when its registry can be reached)"
}

# sums FILE: passed, failed and skipped tests, as the three kinds of runner report them. A test of cargo's that finds at run time
# that it cannot be run passes, and says SKIPPED on a line of its own: it counts as skipped, not as passed.
sums() {
  sed 's/\x1b\[[0-9;]*m//g' "$1" | awk '
    /^test result: / { for (i = 2; i <= NF; i++) { n = $(i - 1)
      if ($i == "passed;") p += n; else if ($i == "failed;") f += n; else if ($i == "ignored;") s += n } }        # cargo
    /SKIPPED / { n = gsub(/SKIPPED [a-z_0-9:]+: /, "&"); s += n; p -= n }                                           # the same
    /^ *Tests  / { for (i = 2; i <= NF; i++) { n = $(i - 1)
      if ($i == "passed") p += n; else if ($i == "failed") f += n; else if ($i ~ /^(skipped|todo)$/) s += n } }   # vitest
    /^(ℹ|#) (pass|fail|cancelled|skipped|todo) [0-9]+$/ {
      if ($2 == "pass") p += $3; else if ($2 ~ /^(fail|cancelled)$/) f += $3; else s += $3 }                      # node
    END { print p + 0, f + 0, s + 0 }'
}

# suite NAME SECONDS COMMAND...: runs one runner, shows what it says, and adds up its tests.
suite() {
  local name=$1 seconds=$2 status=0 p f s
  shift 2
  say "$name"
  timeout --kill-after=20 "$seconds" "$@" 2>&1 | tee "$output/$name.log" || status=$?
  read -r p f s < <(sums "$output/$name.log")
  if [ "$status" = 124 ] || [ "$status" = 137 ]; then
    say "$name did not end within $seconds s"
  fi
  # A runner that could not build, or died, has failed even if no test of it did.
  if [ "$status" != 0 ] && [ "$f" = 0 ]; then
    f=1
  fi
  [ "$status" = 0 ] && [ "$f" = 0 ] || broken+=("$name")
  passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
  return "$status"
}

install_tools
install_client

# The page is inside the program, so the order is page, program, tests of the program from outside.
built=yes
suite build 3600 scripts/build.sh || built=no
suite workspace 3600 cargo test --workspace --locked --no-fail-fast || true
if [ "$built" = yes ]; then
  export FIELDWATCH_BIN=$CARGO_TARGET_DIR/release/fieldwatch
  suite page 600 npm --prefix ui test || true
  suite page-in-browser 900 npm --prefix ui run e2e || true
  suite from-outside 4200 npm --prefix tests test || true
else
  say "not run, because the build failed: page, page-in-browser, from-outside"
fi

if [ ${#broken[@]} -gt 0 ]; then
  say "failed: ${broken[*]}; what they said is in target/test-output/"
fi
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" = 0 ] && [ ${#broken[@]} = 0 ]
