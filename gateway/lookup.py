"""One order, wherever it is known: in memory, in Redis, in Postgres; never older than the last reply about it."""

from __future__ import annotations

from collections.abc import Iterable

from engine.messages import Fill, Order, Trade
from engine.words import Reason
from gateway import browser
from gateway.channels import FILLS, Channel
from gateway.history import Chosen, History
from gateway.hub import Hub
from gateway.latest import Away, Latest
from gateway.problems import Problem, not_found, unavailable
from gateway.state import RECENT, Place
from gateway.writes import Writes


def no_such_order(order_id: str) -> Problem:
    return not_found(f"no order of yours has the id {order_id[:24]}", "order_id", Reason.UNKNOWN_ORDER.wire)


class Lookup:
    def __init__(self, hub: Hub, writes: Writes, latest: Latest, history: History) -> None:
        self._hub = hub
        self._writes = writes
        self._latest = latest
        self._history = history

    def in_memory(self, order_id: str) -> Order | None:
        """None also while Kafka is still read from earlier on: what is in memory is older than the stores then."""
        known = self._hub.state.orders.get(order_id) if self._hub.loaded.is_set() else None
        return self._writes.newest(order_id, known)

    def all_in_memory(self, accounts: frozenset[str] | None) -> list[Order]:
        """Every order in memory of these accounts (None: of all), also those that only a reply has told of so far."""
        orders: dict[str, Order] = {}
        if self._hub.loaded.is_set():
            orders = {order.order_id: order for order in self._hub.state.orders_of(accounts)}
        for order_id in self._writes.unread(accounts):
            order = self._writes.newest(order_id, orders.get(order_id))
            if order is not None:
                orders[order_id] = order
        return list(orders.values())

    async def order(self, order_id: str) -> Order | None:
        """Raises `Problem` 503 where neither Redis nor memory has it and Postgres is away."""
        order = self.in_memory(order_id)
        if order is None:
            found = await self._redis([order_id]) or await self._history.orders_by_id([order_id])
            order = self._writes.newest(order_id, found.get(order_id))
        return order

    async def orders(self, order_ids: Iterable[str]) -> dict[str, Order]:
        """All of these orders. Raises `Problem` 503 where one is not to be found."""
        known: dict[str, Order] = {}
        for order_id in order_ids:
            order = self._hub.state.orders.get(order_id)
            if order is not None:
                known[order_id] = order
        missing = [order_id for order_id in order_ids if order_id not in known]
        if missing:
            known |= await self._redis(missing)
            missing = [order_id for order_id in missing if order_id not in known]
        if missing:
            known |= await self._history.orders_by_id(missing)
            if any(order_id not in known for order_id in missing):
                raise unavailable("stream", "an order that changed meanwhile has not reached the database yet")
        return known

    async def older(self, channel: Channel, accounts: frozenset[str] | None) -> dict[Place, bytes]:
        """The latest fills or trades as Postgres has them, where memory has too few because it does not reach back far
        enough; none where Postgres is away."""
        state = self._hub.state
        if state.whole[channel.feed.name] or len(state.recent(channel, accounts)) >= RECENT:
            return {}
        try:
            found: list[Fill] | list[Trade]
            if channel.feed is FILLS:
                found = await self._history.executions(Chosen(accounts=accounts), None, RECENT)
            else:
                found = await self._history.trades(channel.symbol or "", RECENT)
        except Problem:
            return {}
        return {(record.seq, record.index): browser.encoded(record) for record in found}

    async def _redis(self, order_ids: list[str]) -> dict[str, Order]:
        try:
            return await self._latest.orders(order_ids)
        except Away:
            return {}
