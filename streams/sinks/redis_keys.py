"""The keys that the Redis sink writes, and what becomes of one that somebody else put something else into.

A record that cannot be read is written over by the next one. A set or a cursor of another type cannot be written to: it
is made anew from the records that Redis holds, or from the topic."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final, TypeVar

import msgspec

from engine import messages, topics, words

CURSORS: Final = "cursor:*"
WORKING: Final = "orders:working:*"
HELD: Final = "positions:*"
SYMBOLS: Final = "symbols"
CONTAINERS: Final[Mapping[str, bytes]] = {WORKING: b"set", HELD: b"set", SYMBOLS: b"set", CURSORS: b"hash"}
"""Pattern → Redis' name of the type."""
OURS: Final = ("order:*", "position:*", "pnl:*", "book:*", *CONTAINERS)
"""Every key that this sink writes."""

COUNT: Final = 1000
"""Keys that Redis is asked for at once."""

order_decoder: Final = msgspec.json.Decoder(messages.Order)
position_decoder: Final = msgspec.json.Decoder(messages.Position)

T = TypeVar("T")


def cursor_key(topic: str) -> str:
    return f"cursor:{topic}"


def readable(decoder: msgspec.json.Decoder[T], raw: bytes | None) -> T | None:
    """None where there is none, or what is there is no record of ours."""
    if raw is None:
        return None
    try:
        return decoder.decode(raw)
    except msgspec.MsgspecError:
        return None


def mend(client: Any) -> list[str]:
    """Makes anew what should be a set or a cursor of ours and is not; the names of these keys.

    A cursor begins again at the start of its topic. Raises `redis.RedisError`."""
    wrong = [
        key.decode()
        for pattern, kind in CONTAINERS.items()
        for key in client.scan_iter(pattern, count=COUNT)
        if client.type(key) != kind or (kind == b"hash" and not _is_cursor(client.hgetall(key)))
    ]
    if not wrong:
        return wrong
    client.unlink(*wrong)
    if SYMBOLS in wrong:
        client.unlink(cursor_key(topics.INSTRUMENTS.name))
    for order in _records(client, "order:*", order_decoder):
        members = f"orders:working:{order.account}"
        if members in wrong and order.status in words.WORKING_WORDS:
            client.sadd(members, order.order_id)
    for position in _records(client, "position:*", position_decoder):
        members = f"positions:{position.account}"
        if members in wrong:
            client.sadd(members, position.symbol)
    return wrong


def _is_cursor(fields: Mapping[bytes, bytes]) -> bool:
    return all(number.isdigit() and offset.isdigit() for number, offset in fields.items())


def _records(client: Any, pattern: str, decoder: msgspec.json.Decoder[T]) -> Iterator[T]:
    keys = list(client.scan_iter(pattern, count=COUNT))
    for first in range(0, len(keys), COUNT):
        for raw in client.mget(keys[first : first + COUNT]):
            if (record := readable(decoder, raw)) is not None:
                yield record
