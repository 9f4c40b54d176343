#!/usr/bin/env bash
# Runs PostgreSQL in its container: makes the cluster once, sees that schemas, roles and passwords are there, then serves with TLS.
set -euo pipefail
data=/var/lib/postgresql/vigil
secrets=/secrets
run=/run/vigil-postgres

install -d -o postgres -g postgres -m 0700 "$run" /var/lib/postgresql
as_postgres() { setpriv --reuid postgres --regid postgres --init-groups "$@"; }

if [ ! -f "$data/PG_VERSION" ]; then
  rm -rf "$data.new"
  install -o postgres -m 0600 "$secrets/postgres-admin.password" "$run/password"
  as_postgres initdb --pgdata "$data.new" --username vigil_admin --pwfile "$run/password" --auth scram-sha-256 \
    --encoding UTF8 --locale C.UTF-8 --data-checksums
  rm "$run/password"
  echo 'hostssl all all all scram-sha-256' >>"$data.new/pg_hba.conf"
  mv "$data.new" "$data"
fi

# The key must be the server's own.
install -o postgres -m 0600 /certificates/postgres.key "$run/server.key"
install -o postgres -m 0644 /certificates/postgres.crt "$run/server.crt"

for schema in ingestion features models auth tiles notifications; do
  declare -x "VIGIL_${schema^^}_PASSWORD=$(cat "$secrets/database-$schema.password")"
done
PGPASSWORD=$(cat "$secrets/postgres-admin.password")
export PGPASSWORD
as_postgres pg_ctl --pgdata "$data" --wait --silent --options "-c listen_addresses= -c unix_socket_directories=$run" start
as_postgres psql --quiet --no-psqlrc --host "$run" --username vigil_admin --dbname postgres --set ON_ERROR_STOP=1 \
  --file /usr/local/share/vigil/databases.sql
as_postgres pg_ctl --pgdata "$data" --wait --silent --mode fast stop

exec setpriv --reuid postgres --regid postgres --init-groups env --ignore-environment PATH="$PATH" TZ=UTC \
  postgres -D "$data" \
  -c listen_addresses='*' -c "unix_socket_directories=$run" \
  -c ssl=on -c "ssl_cert_file=$run/server.crt" -c "ssl_key_file=$run/server.key" -c ssl_min_protocol_version=TLSv1.3 \
  -c max_connections=300 -c shared_buffers=256MB -c max_wal_size=2GB -c checkpoint_timeout=15min \
  -c wal_compression=on -c jit=off -c max_parallel_workers_per_gather=0 -c timezone=UTC
