"""Where an order is looked for, and which of its states wins."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

from engine.messages import Order
from gateway.lookup import Lookup
from gateway.state import State
from gateway.writes import Writes
from tests.gateway.records import order


class Store:
    """Postgres or Redis, in which the orders have long been filled."""

    async def orders(self, order_ids: list[str]) -> dict[str, Order]:
        return {}

    async def orders_by_id(self, order_ids: list[str]) -> dict[str, Order]:
        return {number: order(int(number), status="filled", last_seq=90) for number in order_ids}


def test_while_kafka_is_still_read_from_earlier_on_the_stores_know_better() -> None:
    async def run() -> None:
        state, loaded = State(), asyncio.Event()
        state.put_order(order(7, status="new"))
        hub: Any = SimpleNamespace(state=state, loaded=loaded)
        store: Any = Store()
        lookup = Lookup(hub, Writes(), store, store)
        assert lookup.all_in_memory(None) == []
        found = await lookup.order("7")
        assert found is not None
        assert found.status == "filled"
        state.put_order(order(7, status="filled", last_seq=90, strategy="as folded"))
        loaded.set()
        assert [known.strategy for known in lookup.all_in_memory(None)] == ["as folded"]
        found = await lookup.order("7")
        assert found is not None
        assert found.strategy == "as folded"

    asyncio.run(run())
