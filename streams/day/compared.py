"""One partition: what must stand in it, what does, and the hashes that were published of it."""

from __future__ import annotations

from collections.abc import Sequence

from streams.chain import START, chained, chained_all
from streams.consumer import Partition
from streams.day.log import Entry, Feed
from streams.day.result import DayResult, shown


class Chain:
    """The rolling hash of what must stand in a partition, against the published ones: (offset, hash), rising."""

    def __init__(self, partition: Partition, published: Sequence[tuple[int, str]], result: DayResult) -> None:
        self.name = f"{partition[0]}/{partition[1]}"
        self.offset = 0
        self._hash = START
        self._other: bytes | None = None
        """What the hash is if a published one that was not ours was right after all."""
        self._published = iter(published)
        self._result = result
        self._sound = 0
        """The offset of the last hash that was right."""
        self._due = (-1, "")
        self._next()

    def _next(self) -> None:
        self._due = next(self._published, (-1, ""))
        while self._due[0] == 0:
            self._due = next(self._published, (-1, ""))

    def add(self, key: bytes, value: bytes) -> None:
        """The next record."""
        self._hash = chained(self._hash, key, value)
        if self._other is not None:
            self._other = chained(self._other, key, value)
        self.offset += 1
        if self.offset == self._due[0]:
            self._compare()

    def add_all(self, keys: Sequence[bytes], values: Sequence[bytes]) -> None:
        """The next records."""
        start, count = 0, len(values)
        while start < count:
            due = self._due[0]
            end = min(count, start + due - self.offset) if due > self.offset else count
            self._hash = chained_all(self._hash, keys[start:end], values[start:end])
            if self._other is not None:
                self._other = chained_all(self._other, keys[start:end], values[start:end])
            self.offset += end - start
            start = end
            if self.offset == due:
                self._compare()

    def _compare(self) -> None:
        offset, published = self._due
        right = bytes.fromhex(published)
        if right in (self._hash, self._other):
            # What follows a difference is judged by itself: on from the published hash, or from our own.
            self._hash, self._other = right, None
            self._result.record_hashes += 1
            self._sound = offset
        else:
            text = (
                f"the hash is {self._hash.hex()}, published was {published}: of the records from offset "
                f"{self._sound} on, one was another"
            )
            self._result.differs(f"{self.name} at {offset}", text)
            self._other = right
        self._next()

    @property
    def unhashed(self) -> int:
        """Records behind the last hash."""
        return self.offset - self._sound


class Compared:
    """A partition whose records have one order: each that must come next is held against the one that does."""

    def __init__(self, feed: Feed, partition: Partition, chain: Chain, result: DayResult) -> None:
        self._feed = feed
        self._partition = partition
        self._result = result
        self.chain = chain
        self.missing = 0
        """Records that must be there and are not, at the end."""

    def add_all(self, keys: Sequence[bytes], values: Sequence[bytes]) -> None:
        """The next records as they must be."""
        entries = self._feed.take_some(self._partition, len(values))
        self.missing += len(values) - len(entries)
        keys, values = keys[: len(entries)], values[: len(entries)]
        if [entry.value for entry in entries] != values or [entry.key for entry in entries] != keys:
            for entry, key, value in zip(entries, keys, values, strict=True):
                if entry.value != value or entry.key != key:
                    differs(self._result, self.chain.name, entry, key, value)
        self.chain.add_all(keys, values)


def differs(result: DayResult, name: str, entry: Entry, key: bytes, value: bytes | None) -> None:
    """A record that is not what it must be."""
    if entry.key != key:
        text = f"the key is {shown(entry.key)}, must be {shown(key)}"
    else:
        text = f"published {shown(entry.value)} recomputed {shown(value)}"
    result.differs(f"{name} at {entry.offset}", text)
