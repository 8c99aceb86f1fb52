"""A log in which somebody has changed a record."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import msgspec
from confluent_kafka import KafkaError, KafkaException

from streams.consumer import Partition
from streams.day import Entry, Log

Change = Callable[[bytes], bytes]


class Tampered:
    """The log, but that the record at (topic, partition, offset) reads as `change` makes it."""

    def __init__(self, log: Log, changes: Mapping[tuple[str, int, int], Change]) -> None:
        self._log = log
        self._changes = changes

    def bounds(self, names: Sequence[str]) -> dict[Partition, tuple[int, int]]:
        return self._log.bounds(names)

    def batches(self, starts: Mapping[Partition, int]) -> Iterator[list[tuple[Partition, Entry]]]:
        topics = {name for name, _, _ in self._changes}
        for batch in self._log.batches(starts):
            yield [self._changed(*one) if one[0][0] in topics else one for one in batch]

    def _changed(self, partition: Partition, entry: Entry) -> tuple[Partition, Entry]:
        change = self._changes.get((*partition, entry.offset))
        return partition, entry if change is None else entry._replace(value=change(entry.value))


class Broken:
    """The log, of which Kafka does not give one topic."""

    def __init__(self, log: Log, topic: str) -> None:
        self._log = log
        self._topic = topic

    def bounds(self, names: Sequence[str]) -> dict[Partition, tuple[int, int]]:
        return self._log.bounds(names)

    def batches(self, starts: Mapping[Partition, int]) -> Iterator[list[tuple[Partition, Entry]]]:
        if any(name == self._topic for name, _ in starts):
            raise KafkaException(KafkaError(KafkaError._TIMED_OUT, f"no answer for {self._topic}"))
        return self._log.batches(starts)


def with_field(name: str, change: Callable[[Any], Any]) -> Change:
    """The JSON record with one field changed; `name` may lead into an object, `command.side`."""

    def changed(value: bytes) -> bytes:
        record = msgspec.json.decode(value)
        inner = record
        *path, last = name.split(".")
        for part in path:
            inner = inner[part]
        inner[last] = change(inner[last])
        return msgspec.json.encode(record)

    return changed


def find(log: Log, topic: str, wanted: Callable[[dict[str, Any]], bool]) -> tuple[str, int, int]:
    """The place of a record in the middle of those that `wanted` takes."""
    starts = {partition: low for partition, (low, high) in log.bounds([topic]).items() if high > low}
    places = [
        (*partition, entry.offset)
        for batch in log.batches(starts)
        for partition, entry in batch
        if wanted(msgspec.json.decode(entry.value))
    ]
    assert places, f"there is no such record in {topic}"
    return places[len(places) // 2]
