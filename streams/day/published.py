"""What was published of a day besides the records that follow from each other: hashes, books, and the commands."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from hashlib import blake2b
from typing import Final, NamedTuple

import msgspec
from msgspec import Struct

from engine import messages, topics
from streams import versions
from streams.consumer import Partition
from streams.day.log import Entry, Feed

DIGEST: Final = 16
_state_hash: Final = msgspec.json.Decoder(messages.StateHash)


class Hashes(NamedTuple):
    """The topic `state-hashes`."""

    engine: dict[int, str]
    """seq → the hash of the state after it."""
    records: dict[Partition, list[tuple[int, str]]]
    """(offset, hash), rising."""
    max_orders: int
    """Of the engine; 0 where no hash of it was published."""


def read_hashes(feed: Feed) -> Hashes:
    """Raises `msgspec.DecodeError`."""
    engine: dict[int, str] = {}
    of_records: defaultdict[Partition, dict[int, str]] = defaultdict(dict)
    max_orders = 0
    for _, entry in feed.entries():
        record = _state_hash.decode(entry.value)
        if record.kind == "engine" and record.seq is not None:
            engine[record.seq] = record.hashes[0]
            max_orders = record.max_orders or max_orders
        elif record.kind == "records":
            for number, (offset, hashed) in enumerate(zip(record.offsets, record.hashes, strict=True)):
                of_records[record.topic, number][offset] = hashed
    rising = {partition: sorted(found.items()) for partition, found in of_records.items()}
    return Hashes(engine, rising, max_orders)


class PublishedBook(NamedTuple):
    """A record of `books`: where it is and what it says, as a hash."""

    symbol: str
    partition: Partition
    offset: int
    digest: bytes


class _BookPlace(Struct):
    symbol: str
    seq: int


_book_place: Final = msgspec.json.Decoder(_BookPlace)


def digest(value: bytes) -> bytes:
    return blake2b(value, digest_size=DIGEST).digest()


def read_books(feed: Feed) -> dict[int, list[PublishedBook]]:
    """seq → the books that were published of it and that compaction has left. Raises `msgspec.DecodeError`."""
    found: defaultdict[int, list[PublishedBook]] = defaultdict(list)
    for partition, entry in feed.entries():
        place = _book_place.decode(entry.value)
        found[place.seq].append(PublishedBook(place.symbol, partition, entry.offset, digest(entry.value)))
    return found


class _Marks(Struct):
    marks: dict[str, messages.Mark]
    currencies: dict[str, messages.CurrencyPnl] = {}


_marks: Final = msgspec.json.Decoder(_Marks)


def read_named_books(feed: Feed) -> dict[int, set[str]]:
    """seq → symbols of the books that records of `pnl` name as their mark; compaction may have removed them since."""
    found: defaultdict[int, set[str]] = defaultdict(set)
    for _, entry in feed.entries():
        try:
            named = _marks.decode(entry.value)
        except msgspec.DecodeError:
            continue  # told where the record is compared
        for symbol, mark in named.marks.items():
            if mark.source == "mid":
                found[mark.seq].add(symbol)
        for rate in named.currencies.values():
            if rate.source == "mid" and rate.symbol is not None and rate.seq is not None:
                found[rate.seq].add(rate.symbol)
    return found


_version: Final = msgspec.json.Decoder(messages.TopicVersion)


def read_version(feed: Feed) -> messages.TopicVersion:
    """The version of the positions: the last one told. Raises `msgspec.DecodeError`."""
    found = versions.FIRST
    for _, entry in feed.entries():
        found = _version.decode(entry.value)
    return found


class Stamp(Struct):
    """When a command was sequenced."""

    seq: int
    ts_ns: int


_stamp: Final = msgspec.json.Decoder(Stamp)


def stamped(feed: Feed) -> Iterator[tuple[Stamp, Entry]]:
    """The records of `commands` in order. Raises `msgspec.DecodeError`."""
    while (entry := feed.take((topics.COMMANDS.name, 0))) is not None:
        yield _stamp.decode(entry.value), entry
