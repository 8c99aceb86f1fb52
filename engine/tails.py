"""Where a writer's output stands: the last record that it left in each partition of its topics.

A writer that wants to find its place again gives each record the header `at`, "seq.index"."""

from __future__ import annotations

import logging
from typing import Any, Final, NamedTuple

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from engine import kafka
from engine.broker_refusal import BrokerRefusal
from engine.quiet import LIBRDKAFKA

log = logging.getLogger(__name__)

Position = tuple[int, int]
"""(seq, index)."""


class Tail(NamedTuple):
    """The last record of a partition that has a position."""

    position: Position
    value: bytes


SECONDS: Final = 5.0
LOOK_BACK: Final = (1, 100, 10_000, 1 << 62)
"""Records searched from the end, in growing steps: others may write to the same topic."""


def position_of(message: Message) -> Position | None:
    """What the header `at` says, None where there is none."""
    headers: Any = message.headers()
    for name, value in headers or []:
        if name == "at" and isinstance(value, bytes):
            seq, index = value.split(b".")
            return int(seq), int(index)
    return None


class Tails:
    """Reads the ends of partitions."""

    def __init__(self, bootstrap: str) -> None:
        self._bootstrap = bootstrap
        self._said = ""

    def read(self, topics: list[str]) -> tuple[dict[str, int], dict[tuple[str, int], Tail]] | None:
        """Partitions of each topic, and the tail of each partition that has one; None where Kafka is away."""
        refusal = BrokerRefusal()
        consumer = Consumer(
            {
                **kafka.configuration(self._bootstrap),
                "group.id": "tails",
                "enable.auto.commit": False,
                "enable.partition.eof": True,
                "error_cb": refusal,
            },
            logger=LIBRDKAFKA,
        )
        try:
            counts = {}
            ends = {}
            for name in topics:
                metadata = consumer.list_topics(name, timeout=SECONDS).topics[name]
                if metadata.error is not None or not metadata.partitions:
                    log.warning("topic %s is not there yet: %s", name, metadata.error or "it has no partitions")
                    return None
                counts[name] = len(metadata.partitions)
                for number in metadata.partitions:
                    place = TopicPartition(name, number)
                    ends[name, number] = consumer.get_watermark_offsets(place, timeout=SECONDS)
            return counts, self._last(consumer, ends)
        except KafkaException as error:
            self._note(refusal.instead_of(error, consumer).args[0].str())
            return None
        finally:
            consumer.close()

    def _note(self, cause: str) -> None:
        """Says once why the topics cannot be read, however often that is tried."""
        if cause != self._said:
            self._said = cause
            log.warning("Kafka cannot be read, the journal waits: %s", cause)

    def _last(self, consumer: Consumer, ends: dict[tuple[str, int], tuple[int, int]]) -> dict[tuple[str, int], Tail]:
        """The tail of each partition that has one; `ends` gives its first offset and its next one."""
        found: dict[tuple[str, int], Tail] = {}
        for back in LOOK_BACK:
            starts = {
                place: max(low, high - back) for place, (low, high) in ends.items() if high > low and place not in found
            }
            if not starts:
                break
            found.update(self._search(consumer, starts, ends))
            ends = {place: ends[place] for place in starts if starts[place] > ends[place][0]}
        return found

    def _search(
        self,
        consumer: Consumer,
        starts: dict[tuple[str, int], int],
        ends: dict[tuple[str, int], tuple[int, int]],
    ) -> dict[tuple[str, int], Tail]:
        """The tails among the records from `starts` on."""
        consumer.assign([TopicPartition(topic, number, start) for (topic, number), start in starts.items()])
        found: dict[tuple[str, int], Tail] = {}
        waiting = set(starts)
        while waiting:
            message = consumer.poll(SECONDS)
            if message is None:
                raise KafkaException(KafkaError(KafkaError._TIMED_OUT))
            error = message.error()
            if error is not None and error.code() != KafkaError._PARTITION_EOF:
                raise KafkaException(error)
            place = (message.topic() or "", message.partition() or 0)
            if error is not None:
                waiting.discard(place)
                continue
            position = position_of(message)
            if position is not None:
                found[place] = Tail(position, message.value() or b"")
            if (message.offset() or 0) >= ends[place][1] - 1:
                waiting.discard(place)
        return found
