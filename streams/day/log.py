"""Where the records of a day come from: each topic's partitions, one record after another."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple, Protocol

from streams.consumer import Partition, log_bounds, place, read_to_end


class Entry(NamedTuple):
    """A record as it stands in its partition."""

    offset: int
    key: bytes
    value: bytes


class Log(Protocol):
    """The topics. Its methods raise `KafkaException` where Kafka fails."""

    def bounds(self, names: Sequence[str]) -> dict[Partition, tuple[int, int]]:
        """The first offset and the end of each partition of the topics."""

    def batches(self, starts: Mapping[Partition, int]) -> Iterator[list[tuple[Partition, Entry]]]:
        """The records from the starts on, in order within each partition."""


class KafkaLog:
    """The topics of a Kafka."""

    def __init__(self, bootstrap: str) -> None:
        self._bootstrap = bootstrap

    def bounds(self, names: Sequence[str]) -> dict[Partition, tuple[int, int]]:
        return log_bounds(self._bootstrap, names)

    def batches(self, starts: Mapping[Partition, int]) -> Iterator[list[tuple[Partition, Entry]]]:
        for batch in read_to_end(self._bootstrap, dict(starts), name="day"):
            taken = []
            for message in batch:
                name, number, offset = place(message)
                taken.append(((name, number), Entry(offset, message.key() or b"", message.value() or b"")))
            yield taken


class Feed:
    """The partitions of one topic up to their ends, each read as fast as it is asked for."""

    def __init__(self, log: Log, bounds: Mapping[Partition, tuple[int, int]]) -> None:
        self._ends = {partition: end for partition, (low, end) in bounds.items() if end > low}
        self._batches = log.batches({partition: bounds[partition][0] for partition in self._ends})
        self._waiting: dict[Partition, deque[Entry]] = {partition: deque() for partition in bounds}
        self._complete = not self._ends

    def head(self, partition: Partition) -> Entry | None:
        """The next record, which stays; None behind the last one."""
        waiting = self._waiting[partition]
        while not waiting:
            if self._complete:
                return None
            self._fetch()
        return waiting[0]

    def take(self, partition: Partition) -> Entry | None:
        """The next record; None behind the last one."""
        waiting = self._waiting[partition]
        if not waiting and self.head(partition) is None:
            return None
        return waiting.popleft()

    def take_some(self, partition: Partition, count: int) -> list[Entry]:
        """The next so many records, fewer where there are no more."""
        waiting = self._waiting[partition]
        while len(waiting) < count and not self._complete:
            self._fetch()
        return [waiting.popleft() for _ in range(min(count, len(waiting)))]

    def entries(self) -> Iterator[tuple[Partition, Entry]]:
        """All that is left, partition by partition."""
        for partition in self._waiting:
            while (entry := self.take(partition)) is not None:
                yield partition, entry

    def _fetch(self) -> None:
        batch = next(self._batches, None)
        if batch is None:
            self._complete = True
            return
        for partition, entry in batch:
            if entry.offset < self._ends[partition]:
                self._waiting[partition].append(entry)
