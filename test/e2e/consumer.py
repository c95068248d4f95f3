"""A consumer as anybody would write it: confluent-kafka and fastavro, nothing of this project's.

consumer.py records BROKERS REGISTRY TOPIC    every record now in the topic, one JSON object a line
consumer.py partitions BROKERS TOPIC KEY...   the partition where librdkafka's murmur2_random puts each key
"""

import json
import sys
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from confluent_kafka import Consumer, KafkaError, Producer, TopicPartition
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer
from confluent_kafka.serialization import MessageField, SerializationContext


def records(brokers: str, registry: str, topic: str) -> None:
    decode = AvroDeserializer(SchemaRegistryClient({"url": registry}))
    consumer = Consumer(
        {
            "bootstrap.servers": brokers,
            "group.id": f"{topic}-python",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "isolation.level": "read_committed",
        }
    )
    partitions = list(consumer.list_topics(topic).topics[topic].partitions)
    consumer.assign([TopicPartition(topic, partition, 0) for partition in partitions])
    at_end = set()
    while len(at_end) < len(partitions):
        message = consumer.poll(10)
        if message is None:
            raise SystemExit("nothing for 10 s")
        if message.error():
            if message.error().code() != KafkaError._PARTITION_EOF:
                raise SystemExit(str(message.error()))
            at_end.add(message.partition())
            continue
        print(
            json.dumps(
                {
                    "partition": message.partition(),
                    "timestamp": message.timestamp()[1],
                    "key": decode(message.key(), SerializationContext(topic, MessageField.KEY)),
                    "value": decode(message.value(), SerializationContext(topic, MessageField.VALUE)),
                },
                default=typed,
            )
        )
    consumer.close()


def typed(value: object) -> dict:
    """Shows what Avro's logical types became, which JSON has no words for."""
    if isinstance(value, UUID):
        return {"uuid": str(value)}
    if isinstance(value, datetime):
        return {"time": value.isoformat(timespec="microseconds")}
    if isinstance(value, Decimal):
        return {"decimal": str(value)}
    raise TypeError(type(value).__name__)


def partitions(brokers: str, topic: str, keys: list) -> None:
    found = {}
    producer = Producer({"bootstrap.servers": brokers, "partitioner": "murmur2_random"})
    for key in keys:
        producer.produce(topic, key=key, on_delivery=lambda _, message: found.update({message.key().decode(): message.partition()}))
    producer.flush(10)
    print(json.dumps(found))


if __name__ == "__main__":
    command, brokers, *rest = sys.argv[1:]
    if command == "records":
        records(brokers, *rest)
    else:
        partitions(brokers, rest[0], rest[1:])
