"""How far a store is behind while its sink waits for it, and how near it is to losing records: a topic that lets go by
bytes or by time asks nobody who has to read them. It may be for hours, so a thread beside the sink looks."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from typing import Final

from confluent_kafka import KafkaException

from streams import metrics
from streams.consumer import Cursor, LogReader, Partition, log_bounds

log = logging.getLogger(__name__)

EVERY_S: Final = 30.0
NEAR: Final = 0.5
"""Of what the topic holds, not read: from here on it is said."""


def unread(cursor: Cursor, bounds: Mapping[Partition, tuple[int, int]]) -> dict[str, float]:
    """Topic → the part of what a partition holds that is behind the cursor, of the partition where it is most. At 1 the
    next records that are let go are lost. 0 where nothing was ever let go, or nothing read yet."""
    found = {topic: 0.0 for topic, _ in bounds}
    for partition, (low, high) in bounds.items():
        if low > 0 and partition in cursor:
            part = (high - max(low, cursor[partition])) / max(1, high - low)
            found[partition[0]] = max(found[partition[0]], part)
    return found


def start(reader: LogReader, cursor: Cursor, name: str) -> None:
    """Begins where the store called `name` is, or where the log does, which is said: a store with a gap goes on, since
    nothing else could start beside one that refuses. Raises what `LogReader.start` does."""
    for (topic, number), count in reader.start(cursor, may_skip=True).items():
        metrics.LOST.labels(name, topic).inc(count)
        log.error("%d records of %s/%d were let go before %s had them", count, topic, number, name)


class Reach(threading.Thread):
    """Looks until `stop` is set; a Kafka that is away is looked at again at the next turn."""

    def __init__(
        self, bootstrap: str, reader: LogReader, name: str, cursor: Callable[[], Cursor], stop: threading.Event
    ) -> None:
        """`reader`: the sink's; `cursor`: how far the store called `name` is, as far as is known."""
        super().__init__(name="reach", daemon=True)
        self._kafka = bootstrap
        self._reader = reader
        self._store = name
        self._cursor = cursor
        self._stopping = stop
        self._said: set[str] = set()

    def run(self) -> None:
        while not self._stopping.wait(EVERY_S):
            try:
                self.look()
            except KafkaException:
                continue  # the sink says that it is away, and no record goes meanwhile

    def look(self) -> None:
        """Raises `KafkaException`."""
        cursor, bounds = self._cursor(), log_bounds(self._kafka, self._reader.topics)
        self._reader.tell_lag(cursor, bounds)
        for topic, part in unread(cursor, bounds).items():
            metrics.UNREAD.labels(self._store, topic).set(part)
            if part < NEAR:
                self._said.discard(topic)
            elif topic not in self._said:
                self._said.add(topic)
                log.warning("%s has not read %.2f of what %s holds, and the oldest is let go next",
                            self._store, part, topic)  # fmt: skip
