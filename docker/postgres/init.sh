#!/bin/bash
# First start of the bundled PostgreSQL: Ventia's and Messaging's tables in one database, and the two roles of the service with
# their passwords. The owner keeps no password: it logs in by the socket only, which is for set-up and for people.
set -euo pipefail

# A start that was cut short is begun again from nothing: the data are seconds old.
trap '[ $? = 0 ] || { echo "init.sh: failed; the next start begins anew" >&2; rm -rf "${PGDATA:?}"/*; }' EXIT

for secret in source_password messaging_password; do
  [ -s "/run/secrets/$secret" ] && [ -r "/run/secrets/$secret" ] && continue
  echo "init.sh: the secret $secret is empty or may not be read (chmod 444 secrets/$secret)" >&2
  exit 1
done

run() { psql -v ON_ERROR_STOP=1 -X -q -U "$POSTGRES_USER" -d "$POSTGRES_DB" "$@"; }

for system in ventia messaging; do
  for file in /schemas/"$system"/seed/[0-9]*.sql; do
    [[ $file == *.down.sql ]] || run -1 -f "$file"
  done
done
for role in capture sink; do run -1 -f "/schemas/roles/seed/ventia_$role.sql"; done
run <<'SQL'
\set source `cat /run/secrets/source_password`
\set messaging `cat /run/secrets/messaging_password`
ALTER ROLE ventia_capture PASSWORD :'source';
ALTER ROLE ventia_sink PASSWORD :'messaging';
ALTER ROLE CURRENT_USER PASSWORD NULL;
SQL
