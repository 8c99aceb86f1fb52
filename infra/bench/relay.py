"""A bare relay between two topics, in a process of its own: what any program costs that reads orders from Kafka and
writes what became of them there again, before it does anything with them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

from confluent_kafka import Consumer, Producer, TopicPartition

from engine import acks, kafka
from engine.quiet import LIBRDKAFKA
from infra.bench.published import PATIENCE_S

BATCH: Final = 4096
WAIT_S: Final = 0.001


def main(bootstrap: str, source: str, target: str, ready_file: Path) -> None:
    """Until it is stopped: from the end of `source` on. With the settings of the engine's consumer and the publisher's
    producer."""
    consumer = Consumer(
        {**kafka.configuration(bootstrap), "group.id": "hft-bench-relay", "fetch.wait.max.ms": 100}, logger=LIBRDKAFKA
    )
    producer = Producer(
        {
            **kafka.configuration(bootstrap),
            **acks.configuration(),
            "partitioner": "murmur2_random",
        },
        logger=LIBRDKAFKA,
    )
    numbers = consumer.list_topics(source, timeout=PATIENCE_S).topics[source].partitions
    places = [TopicPartition(source, number) for number in numbers]
    for place in places:
        place.offset = consumer.get_watermark_offsets(place, timeout=PATIENCE_S)[1]
    consumer.assign(places)
    ready_file.touch()
    while True:
        for message in consumer.consume(BATCH, timeout=WAIT_S):
            if message.error() is None:
                producer.produce(target, message.value(), message.key())
        producer.poll(0)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3], Path(sys.argv[4]))
