"""What the gateway reads of Redis while it has not read Kafka."""

from __future__ import annotations

import asyncio

import msgspec
import pytest
import redis

from engine.messages import Order
from gateway.latest import Latest
from streams.orders import fold
from tests.streams import flow

pytestmark = pytest.mark.integration


def test_what_is_no_order_is_left_to_the_history(redis_url: str) -> None:
    order = fold(None, next(flow.order_events(1))[2])
    assert order is not None

    async def read() -> dict[str, Order]:
        latest = Latest(redis_url)
        try:
            return await latest.orders([order.order_id, "rubbish", "list", "none"])
        finally:
            await latest.close()

    with redis.Redis.from_url(redis_url) as client:
        try:
            client.set(f"order:{order.order_id}", msgspec.json.encode(order))
            client.set("order:rubbish", b'{"order_id":')
            client.rpush("order:list", "x")
            assert asyncio.run(read()) == {order.order_id: order}
        finally:
            client.unlink(f"order:{order.order_id}", "order:rubbish", "order:list")
