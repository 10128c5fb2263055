#!/bin/sh
# What the official image does at its start, as far as docker-compose.yaml asks for it.
set -eu
# where the clients look for it; the default of npm's PostgreSQL is /tmp
SOCKET="-c unix_socket_directories=/var/run/postgresql"
if [ ! -s "$PGDATA/PG_VERSION" ]; then
  # shellcheck disable=SC2086  several words
  initdb --username=postgres --pwfile="$POSTGRES_PASSWORD_FILE" ${POSTGRES_INITDB_ARGS:-} >/dev/null
  echo "host all all all scram-sha-256" >>"$PGDATA/pg_hba.conf"
  pg_ctl --pgdata="$PGDATA" --options="-c listen_addresses='' $SOCKET" --wait start >/dev/null
  for file in /docker-entrypoint-initdb.d/*.sql; do
    psql --set ON_ERROR_STOP=1 --no-psqlrc --username postgres --no-password --dbname postgres --file "$file"
  done
  pg_ctl --pgdata="$PGDATA" --mode=fast --wait stop >/dev/null
fi
# shellcheck disable=SC2086  two words
exec "$@" -c listen_addresses='*' $SOCKET
