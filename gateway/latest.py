"""Redis, for reading: the latest order, position, P&L and book, where the hub has not read Kafka (yet)."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Final, TypeVar

import redis.asyncio
from redis import RedisError

from engine.messages import Order
from streams.lifecycle import Outage
from streams.sinks.redis_keys import order_decoder, readable

log = logging.getLogger(__name__)

TIMEOUT_S: Final = 0.5

T = TypeVar("T")


class Away(Exception):
    """Redis does not answer."""


class Latest:
    """Every method raises `Away` where Redis does not answer."""

    def __init__(self, url: str) -> None:
        self._outage = Outage(log, "Redis")
        self._client = redis.asyncio.Redis.from_url(
            url, socket_timeout=TIMEOUT_S, socket_connect_timeout=TIMEOUT_S, retry=None
        )

    async def close(self) -> None:
        await self._client.aclose()

    @property
    def away(self) -> bool:
        return self._outage.away

    async def ping(self) -> None:
        await self._asked(self._client.ping)

    async def cursor(self, topics: Iterable[str]) -> dict[tuple[str, int], int]:
        """How far the sink has written: the next offset of each partition."""
        found: dict[tuple[str, int], int] = {}
        for topic in topics:
            offsets = await self._asked(self._client.hgetall, f"cursor:{topic}")
            found |= {(topic, int(number)): int(offset) for number, offset in offsets.items()}
        return found

    async def orders(self, order_ids: Iterable[str]) -> dict[str, Order]:
        """Those that Redis holds; what somebody else put in the place of one is no order."""
        values = await self._values([f"order:{order_id}" for order_id in order_ids])
        orders = (readable(order_decoder, value) for value in values)
        return {order.order_id: order for order in orders if order is not None}

    async def working(self, accounts: Iterable[str]) -> list[Order]:
        found: list[Order] = []
        for account in accounts:
            ids = await self._asked(self._client.smembers, f"orders:working:{account}")
            found.extend((await self.orders(number.decode() for number in ids)).values())
        return found

    async def positions(self, accounts: Iterable[str]) -> list[bytes]:
        keys: list[str] = []
        for account in accounts:
            symbols = await self._asked(self._client.smembers, f"positions:{account}")
            keys.extend(f"position:{account}|{symbol.decode()}" for symbol in symbols)
        return await self._values(keys)

    async def pnl(self, accounts: Iterable[str]) -> list[bytes]:
        return await self._values([f"pnl:{account}" for account in accounts])

    async def book(self, symbol: str) -> bytes | None:
        values = await self._values([f"book:{symbol}"])
        return values[0] if values else None

    async def _values(self, keys: list[str]) -> list[bytes]:
        if not keys:
            return []
        values = await self._asked(self._client.mget, keys)
        return [value for value in values if value is not None]

    async def _asked(self, command: Callable[..., Awaitable[Any]], *arguments: Any) -> Any:
        try:
            answer = await command(*arguments)
        except (RedisError, OSError) as error:
            self._outage.lost(error)
            raise Away(str(error)) from None
        self._outage.back()
        return answer
