#!/usr/bin/env bash
# Three nodes with all roles on one machine, with a RabbitMQ and a PostgreSQL of their own, until Ctrl-C.
#
#   deploy/three-nodes/run.sh [FOLDER]     data, logs and secrets lie in FOLDER (./fieldwatch-three-nodes)
#
# NODE_PORTS="8081 8082 8083", AMQP_PORT=25671, ERLANG_PORT=25673, EPMD_PORT=25674, POSTGRESQL_PORT=25432: all on 127.0.0.1.
# FIELDWATCH_BIN names the program; without it, target/release/fieldwatch, which is built if it is not there.
# What ends by itself is started again, so that a node, the broker or the database can be killed to see what happens.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
folder=$(realpath -m "${1:-fieldwatch-three-nodes}")
read -r -a node_ports <<<"${NODE_PORTS:-8081 8082 8083}"
amqp=${AMQP_PORT:-25671} erlang=${ERLANG_PORT:-25673} epmd=${EPMD_PORT:-25674} postgresql=${POSTGRESQL_PORT:-25432}

say() { printf '%s\n' "==> $*"; }
fail() {
  printf '%s\n' "$*" >&2
  exit 1
}

# --- what has to be there -------------------------------------------------------------------------------------------

rabbit_programs=/usr/lib/rabbitmq/bin
postgresql_programs=$(find /usr/lib/postgresql/*/bin -maxdepth 0 2>/dev/null | sort -V | tail -n 1 || true)
program=${FIELDWATCH_BIN:-$root/target/release/fieldwatch}

need() {
  local missing=()
  [ -x "$rabbit_programs/rabbitmq-server" ] || missing+=(rabbitmq-server)
  { [ -n "$postgresql_programs" ] && [ -x "$postgresql_programs/postgres" ]; } || missing+=(postgresql)
  [ ${#missing[@]} = 0 ] || fail "Not installed: ${missing[*]}. On Debian, as root:
  apt-get install --no-install-recommends ${missing[*]}
The packages may start services of their own on the usual ports; this script needs only their programs:
  systemctl disable --now ${missing[*]}"
  if [ ! -x "$program" ]; then
    [ -z "${FIELDWATCH_BIN:-}" ] || fail "FIELDWATCH_BIN: there is no program $program"
    "$root/scripts/build.sh"
  fi
  program=$(realpath "$program")
}

# --- who runs the database: it refuses to run as root ----------------------------------------------------------------

as_database_user=()
choose_database_user() {
  [ "$(id -u)" = 0 ] || return 0
  as_database_user=(--reuid postgres --regid postgres --clear-groups)
  chown postgres:postgres "$folder/postgresql" "$folder/logs/postgresql.log"
  setpriv "${as_database_user[@]}" test -x "$folder/postgresql" ||
    fail "The user postgres, as whom the database runs, cannot reach $folder: a folder above it is closed to others. Name another one."
}

# --- secrets: made once, readable by their owner only ----------------------------------------------------------------

password_of() {
  [ -s "secrets/$1-password" ] || head -c 32 /dev/urandom | base64 | tr -dc 'A-Za-z0-9' >"secrets/$1-password"
  cat "secrets/$1-password"
}

prepare() {
  umask 077
  mkdir -p "$folder"
  # The database's user has to get through.
  chmod 711 "$folder"
  cd "$folder"
  exec 9>lock
  flock -n 9 || fail "Another run.sh uses $folder."
  mkdir -p secrets logs rabbitmq/{data,log,config,schema} postgresql
  chmod 711 logs
  touch logs/postgresql.log
  printf 'amqp://fieldwatch:%s@127.0.0.1:%s' "$(password_of rabbitmq)" "$amqp" >secrets/rabbitmq-url
  printf 'postgresql://fieldwatch:%s@127.0.0.1:%s/fieldwatch?sslmode=disable' "$(password_of postgresql)" "$postgresql" >secrets/postgresql-url
}

prepare_rabbitmq() {
  [ -s rabbitmq/.erlang.cookie ] || head -c 32 /dev/urandom | base64 | tr -dc 'A-Z0-9' >rabbitmq/.erlang.cookie
  echo '[].' >rabbitmq/enabled_plugins
  cat >rabbitmq/rabbitmq.conf <<CONF
listeners.tcp.1 = 127.0.0.1:$amqp
default_user = fieldwatch
default_pass = $(password_of rabbitmq)
default_user_tags.administrator = true
disk_free_limit.absolute = 1GB
log.console = false
log.file = rabbitmq.log
CONF
}

prepare_postgresql() {
  [ ! -s postgresql/data/PG_VERSION ] || return 0
  say "creating the database"
  rm -rf postgresql/data
  # A copy for the database's user, who cannot read our secrets.
  password_of postgresql >postgresql/password
  [ "$(id -u)" != 0 ] || chown postgres:postgres postgresql/password
  run_as_database_user "$postgresql_programs/initdb" -D "$folder/postgresql/data" -U fieldwatch \
    --auth=scram-sha-256 --pwfile="$folder/postgresql/password" -E UTF8 --locale=C.UTF-8 >logs/initdb.log
  rm postgresql/password
  echo 'CREATE DATABASE fieldwatch' |
    run_as_database_user "$postgresql_programs/postgres" --single -D "$folder/postgresql/data" postgres >>logs/initdb.log 2>&1
}

run_as_database_user() {
  if [ ${#as_database_user[@]} = 0 ]; then "$@"; else setpriv "${as_database_user[@]}" "$@"; fi
}

# --- processes: each in a session of its own, so that Ctrl-C reaches only this script, and gone if this script is ----

declare -A pids started
start() {
  local name=$1
  shift
  setsid setpriv --pdeathsig "$signal" "$@" >>"logs/$name.log" 2>&1 9>&- &
  pids[$name]=$! started[$name]=$SECONDS
}

start_epmd() { signal=KILL start epmd epmd -port "$epmd" -address 127.0.0.1; }

start_rabbitmq() {
  # If it is first, Erlang starts an epmd that nobody ends.
  until port_answers "$epmd"; do sleep 0.05; done
  local home=$folder/rabbitmq
  signal=TERM start rabbitmq env HOME="$home" LANG=C.UTF-8 \
    RABBITMQ_NODENAME=three-nodes@localhost ERL_EPMD_PORT="$epmd" ERL_EPMD_ADDRESS=127.0.0.1 \
    RABBITMQ_DIST_PORT="$erlang" RABBITMQ_NODE_PORT="$amqp" RABBITMQ_NODE_IP_ADDRESS=127.0.0.1 \
    RABBITMQ_MNESIA_BASE="$home/data" RABBITMQ_LOG_BASE="$home/log" RABBITMQ_PID_FILE="$home/pid" \
    RABBITMQ_GENERATED_CONFIG_DIR="$home/config" RABBITMQ_SCHEMA_DIR="$home/schema" \
    RABBITMQ_FEATURE_FLAGS_FILE="$home/feature_flags" RABBITMQ_ENABLED_PLUGINS_FILE="$home/enabled_plugins" \
    RABBITMQ_CONFIG_FILE="$home/rabbitmq.conf" RABBITMQ_ADVANCED_CONFIG_FILE="$home/none" RABBITMQ_CONF_ENV_FILE="$home/none" \
    RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS='-kernel inet_dist_use_interface {127,0,0,1} +sbwt none +sbwtdcpu none +sbwtdio none' \
    "$rabbit_programs/rabbitmq-server"
}

start_postgresql() {
  signal=INT start postgresql "${as_database_user[@]}" "$postgresql_programs/postgres" -D "$folder/postgresql/data" \
    -p "$postgresql" -c listen_addresses=127.0.0.1 -c unix_socket_directories=
}

start_node() {
  signal=TERM start "$1" env -u FIELDWATCH_BIN "$program" serve --config "$here/fieldwatch.toml" --listen "127.0.0.1:${1#node-}"
}

start_one() {
  case $1 in
  node-*) start_node "$1" ;;
  *) "start_$1" ;;
  esac
}

port_answers() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

is_ready() {
  local line=
  {
    exec 3<>"/dev/tcp/127.0.0.1/$1" && printf 'GET /health/ready HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n' >&3 &&
      read -t 2 -r line <&3
  } 2>/dev/null || true
  { exec 3>&-; } 2>/dev/null || true
  [[ $line == *" 200 "* ]]
}

# Starts again what has ended; gives up on what ends as soon as it has begun.
look_after() {
  local name
  for name in "${!pids[@]}"; do
    kill -0 "${pids[$name]}" 2>/dev/null && continue
    if [ $((SECONDS - started[$name])) -lt 5 ]; then
      say "$name ends at once; the last lines of $folder/logs/$name.log:"
      tail -n 15 "logs/$name.log" >&2
      stop_all
      exit 1
    fi
    say "$name has ended, and is started again"
    start_one "$name"
  done
}

# stop_ NAME SIGNAL SECONDS: asks it to end, and waits; after that it is killed.
stop_one() {
  local pid=${pids[$1]:-} waited=0
  [ -n "$pid" ] || return 0
  kill -s "$2" "$pid" 2>/dev/null || return 0
  while kill -0 "$pid" 2>/dev/null; do
    [ $waited -lt $(($3 * 10)) ] || kill -KILL -- "-$pid" 2>/dev/null || true
    sleep 0.1
    waited=$((waited + 1))
  done
}

# Along the way of a reading: nodes, broker, database.
stop_all() {
  trap '' INT TERM HUP
  local port
  for port in "${node_ports[@]}"; do stop_one "node-$port" TERM 12 & done
  wait_for_stops
  stop_one rabbitmq TERM 30
  stop_one postgresql INT 30
  stop_one epmd TERM 2
}

wait_for_stops() {
  local job
  for job in $(jobs -p); do
    case " ${pids[*]} " in
    *" $job "*) ;;
    *) wait "$job" || true ;;
    esac
  done
}

need
prepare
choose_database_user
prepare_rabbitmq
prepare_postgresql
ended() {
  say "ending"
  stop_all
  exit 0
}
trap ended INT TERM HUP

start_epmd
start_rabbitmq
start_postgresql
for port in "${node_ports[@]}"; do start_node "node-$port"; done
say "RabbitMQ on 127.0.0.1:$amqp, PostgreSQL on 127.0.0.1:$postgresql; data, logs and secrets in $folder"
say "waiting for the nodes; the first start takes half a minute"
for port in "${node_ports[@]}"; do
  until is_ready "$port"; do
    look_after
    sleep 0.3
  done
  say "ready: http://127.0.0.1:$port"
done
say "${#node_ports[@]} nodes with one fleet, each with the console; Ctrl-C ends all"
while true; do
  look_after
  sleep 1 &
  wait $! || true
done
