"""Where the hub begins: the latest state that the Redis sink keeps, with the cursor up to which it stands.

What lies behind the cursor need not be read from Kafka again. A value may be newer than its topic's cursor, never
older, and the fold passes over what a value already holds."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final, NamedTuple

import msgspec
import redis

from engine import topics
from engine.messages import Account, Order
from gateway.channels import BOOK, ORDERS, PNL, POSITIONS
from streams.consumer import Cursor, read_to_end

CHUNK: Final = 1_000
TIMEOUT_S: Final = 2.0

_order: Final = msgspec.json.Decoder(Order)
_account: Final = msgspec.json.Decoder(Account)


class Unusable(Exception):
    """There is no snapshot to begin from; the text says why."""


class Snapshot(NamedTuple):
    cursor: Cursor
    """The next record to read of each partition; one that is absent is read from its beginning."""
    orders: list[Order]
    latest: dict[str, dict[str, bytes]]
    """Feed name → key → JSON."""


def empty() -> Snapshot:
    return Snapshot({}, [], {})


def load(redis_url: str, bootstrap: str) -> Snapshot:
    """Raises `Unusable` where Redis is away or holds something else."""
    client: Any = redis.Redis.from_url(redis_url, socket_timeout=TIMEOUT_S, socket_connect_timeout=TIMEOUT_S)
    try:
        cursor = _cursor(client)
        if not cursor:
            raise Unusable("Redis holds no cursor yet")
        accounts = _accounts(bootstrap)
        positions = [
            f"position:{account}|{symbol.decode()}"
            for account, symbols in _members(client, "positions", accounts)
            for symbol in symbols
        ]
        books = [f"book:{symbol.decode()}" for symbol in client.smembers("symbols")]
        orders = [
            f"order:{number.decode()}" for _, ids in _members(client, "orders:working", accounts) for number in ids
        ]
        return Snapshot(
            cursor,
            [_order.decode(value) for value in _values(client, orders).values()],
            {
                POSITIONS.name: _values(client, positions),
                PNL.name: _values(client, [f"pnl:{account}" for account in accounts]),
                BOOK.name: _values(client, books),
            },
        )
    except redis.RedisError as error:
        raise Unusable(f"Redis is away ({error})") from None
    except (msgspec.MsgspecError, ValueError) as error:
        raise Unusable(f"Redis holds what cannot be read ({error})") from None
    finally:
        client.close()


def _cursor(client: Any) -> Cursor:
    cursor: Cursor = {}
    for feed in (ORDERS, POSITIONS, PNL, BOOK):
        topic = feed.topic.name
        for partition, offset in client.hgetall(f"cursor:{topic}").items():
            cursor[topic, int(partition)] = int(offset)
    return cursor


def _accounts(bootstrap: str) -> list[str]:
    names = {
        _account.decode(message.value() or b"").account
        for batch in read_to_end(bootstrap, {(topics.ACCOUNTS.name, 0): None}, name="gateway-accounts")
        for message in batch
    }
    return sorted(names)


def _members(client: Any, prefix: str, accounts: Sequence[str]) -> Iterable[tuple[str, set[bytes]]]:
    for start in range(0, len(accounts), CHUNK):
        chunk = accounts[start : start + CHUNK]
        pipeline = client.pipeline(transaction=False)
        for account in chunk:
            pipeline.smembers(f"{prefix}:{account}")
        yield from zip(chunk, pipeline.execute(), strict=True)


def _values(client: Any, keys: Sequence[str]) -> dict[str, bytes]:
    """Key without its prefix → value, of those that are there."""
    found: dict[str, bytes] = {}
    for start in range(0, len(keys), CHUNK):
        chunk = keys[start : start + CHUNK]
        for key, value in zip(chunk, client.mget(chunk), strict=True):
            if value is not None:
                found[key.partition(":")[2]] = value
    return found
