#!/usr/bin/env bash
# What each role may do in Kafka, and nothing more. For brokers with an authorizer (authorizer.class.name); all arguments go to
# Kafka's own tool, which must be on the PATH:
#
#   docker/kafka-acls.sh --bootstrap-server broker:9092 --command-config admin.properties
#
# `setup` makes topics and changes their settings: it runs as an administrator. Other names than the shipped ones, and a role of
# readers (analysts), by environment: READER=User:ana docker/kafka-acls.sh …
set -euo pipefail

CAPTURE=${CAPTURE:-User:ventia-capture}
SINK=${SINK:-User:ventia-sink}
READER=${READER:-}
CONNECTOR=${CONNECTOR:-ventia-source}
TOPICS=${TOPICS:-ventia.tenants ventia.orders}
STATE_TOPIC=${STATE_TOPIC:-_ventia_cdc_state}
DEAD_LETTER_TOPIC=${DEAD_LETTER_TOPIC:-_ventia_cdc_dlq}
SINK_GROUPS=${SINK_GROUPS:-ventia-cdc-accounts ventia-cdc-contacts}
READER_GROUPS=${READER_GROUPS:-analysts-}

topics=() groups=()
for topic in $TOPICS; do topics+=(--topic "$topic"); done
for group in $SINK_GROUPS; do groups+=(--group "$group"); done

allow() { # <role> <operations> <resources…>
  local role=$1 operations=() operation
  for operation in $2; do operations+=(--operation "$operation"); done
  shift 2
  kafka-acls.sh "${arguments[@]}" --add --force --allow-principal "$role" "${operations[@]}" "$@"
}
arguments=("$@")

# Capture writes, and reads what it has written: the last record of each partition, and its own state.
allow "$CAPTURE" 'Read Write DescribeConfigs' "${topics[@]}" --topic "$STATE_TOPIC" --topic "$DEAD_LETTER_TOPIC"
# The id by which a newer capture fences an older one.
allow "$CAPTURE" 'Write' --transactional-id "$CONNECTOR"
# How long the brokers remember a fence is a setting of theirs.
allow "$CAPTURE" 'DescribeConfigs' --cluster

allow "$SINK" 'Read DescribeConfigs' "${topics[@]}"
# There it finds how fresh the changes are, and says what `ventia-cdc status` shows of it.
allow "$SINK" 'Read Write' --topic "$STATE_TOPIC"
allow "$SINK" 'Read' "${groups[@]}"

if [ -n "$READER" ]; then
  allow "$READER" 'Read' "${topics[@]}"
  allow "$READER" 'Read' --group "$READER_GROUPS" --resource-pattern-type prefixed
fi
