#!/bin/bash
# Healthy = /ready: it streams and makes progress. What it says, code and fix, is kept in the container's health log. No
# Node.js for this: it would take as much memory as the service itself.
exec 3<>"/dev/tcp/127.0.0.1/${HTTP_PORT:-8083}" || exit 1
printf 'GET /ready HTTP/1.0\r\nHost: localhost\r\n\r\n' >&3
answer=$(cat <&3)
printf '%s\n' "${answer##*$'\r\n'}"
[[ $answer == HTTP/1.?\ 200\ * ]]
