"""How long a record takes from its producer to a consumer, by the name that it carries."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

import numpy as np
from confluent_kafka import Consumer, Producer, TopicPartition
from numpy.typing import NDArray

from engine import kafka
from engine.quiet import LIBRDKAFKA
from infra.bench.published import PATIENCE_S
from infra.errors import OperatorError

TICK_S: Final = 0.001
"""Records go out in groups, one a millisecond."""
LIMIT_S: Final = 30.0
LEFT_OUT: Final = 0.1
"""Of the records, the first, while all connections are made."""


class Hop:
    """Reads one topic from its end."""

    def __init__(self, bootstrap: str, topic: str, name_of: Callable[[bytes], int | None]) -> None:
        """`name_of`: the number of the record's order, None where it is of no interest."""
        self._name_of = name_of
        self._consumer = Consumer(
            {**kafka.configuration(bootstrap), "group.id": "hft-bench-hop", "fetch.wait.max.ms": 5},
            logger=LIBRDKAFKA,
        )
        numbers = self._consumer.list_topics(topic, timeout=PATIENCE_S).topics[topic].partitions
        ends = {
            n: self._consumer.get_watermark_offsets(TopicPartition(topic, n), timeout=PATIENCE_S)[1] for n in numbers
        }
        self._consumer.assign([TopicPartition(topic, number, end) for number, end in ends.items()])
        self._consumer.consume(1, timeout=0.5)

    def measure(
        self, producer: Producer, topic: str, record: Callable[[int], tuple[str, str]], count: int, per_second: int
    ) -> NDArray[np.float64]:
        """Sends `count` records at that rate; milliseconds from when each was due
        until it was read here. Raises `OperatorError`."""
        sent = np.zeros(count)
        arrived = np.zeros(count)
        missing = count
        number = 0
        started = time.perf_counter()
        while missing:
            now = time.perf_counter()
            due = min(count, int((now - started) * per_second) + 1)
            while number < due:
                key, value = record(number)
                sent[number] = started + number / per_second  # when it was due: a late sender is no excuse
                producer.produce(topic, value, key)
                number += 1
            producer.poll(0)
            for message in self._consumer.consume(500, timeout=TICK_S):
                value_read = message.value()
                found = self._name_of(value_read) if value_read is not None else None
                if found is not None and arrived[found] == 0:
                    arrived[found] = time.perf_counter()
                    missing -= 1
            if now - started > count / per_second + LIMIT_S:
                raise OperatorError(f"{missing} of {count} records did not arrive in time")
        return ((arrived - sent) * 1000)[int(LEFT_OUT * count) :]

    def close(self) -> None:
        self._consumer.close()
