"""How far Kafka's topics are: what the publisher has written."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Final

from confluent_kafka import Consumer, TopicPartition

from engine import kafka
from engine.quiet import LIBRDKAFKA
from engine.topics import COMMANDS, FILLS, ORDER_EVENTS, TRADES
from infra.errors import OperatorError

EVENTS: Final = (ORDER_EVENTS.name, FILLS.name, TRADES.name)
POLL_S: Final = 0.02
PATIENCE_S: Final = 5.0


class Published:
    """Counts the records of topics."""

    def __init__(self, bootstrap: str) -> None:
        self._consumer = Consumer({**kafka.configuration(bootstrap), "group.id": "hft-bench"}, logger=LIBRDKAFKA)
        self._partitions: dict[str, list[int]] = {}

    def count(self, topics: Sequence[str]) -> int:
        """Records in the topics."""
        return sum(
            self._consumer.get_watermark_offsets(TopicPartition(topic, number), timeout=PATIENCE_S)[1]
            for topic in topics
            for number in self._numbers(topic)
        )

    def _numbers(self, topic: str) -> list[int]:
        if topic not in self._partitions:
            self._partitions[topic] = list(
                self._consumer.list_topics(topic, timeout=PATIENCE_S).topics[topic].partitions
            )
        return self._partitions[topic]

    @property
    def commands(self) -> int:
        """Commands whose records are there: as many as the last one's number."""
        return self.count([COMMANDS.name])

    @property
    def events(self) -> int:
        return self.count(EVENTS)

    def close(self) -> None:
        self._consumer.close()


def wait_until(reached: Callable[[], bool], what: str, limit_s: float) -> None:
    """Raises `OperatorError` where it takes longer than the limit."""
    limit = time.monotonic() + limit_s
    while not reached():
        if time.monotonic() > limit:
            raise OperatorError(f"{what} took more than {limit_s:.0f} s")
        time.sleep(POLL_S)
