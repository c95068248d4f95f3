#!/bin/sh
# Makes those secrets that are missing, at random. Passwords of servers that are elsewhere: write them into the files first.
# Containers read the files as other users, so the folder is what keeps people out.
set -eu
cd "$(dirname "$0")/.."
mkdir -p secrets
chmod 700 secrets
for name in source_password messaging_password kafka_password admin_token; do
  file=secrets/$name
  [ -s "$file" ] || od -An -N24 -tx1 /dev/urandom | tr -d ' \n' >"$file"
  chmod 444 "$file"
done
