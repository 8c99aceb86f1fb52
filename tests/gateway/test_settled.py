"""Whoever has the reply of a kill switch or a cancel-all reads no order of it as working, however slow Kafka is."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any

import pytest

from engine.messages import NewOrder, Reply
from engine.words import Source
from gateway import orders
from gateway.hub import Hub
from gateway.lookup import Lookup
from gateway.orders import Orders
from gateway.writes import Write, Writes
from tests.gateway.records import order

ANY: Any = None
DEMO = frozenset({"demo"})


class Live(Hub):
    live = True


@pytest.fixture
def hub() -> Hub:
    made = Live("nowhere:1", "redis://nowhere:1", ANY)
    made.loaded.set()
    return made


@pytest.fixture
def writes() -> Writes:
    """With one order that the engine has taken, and Kafka has not told of."""
    told = Writes()
    command = NewOrder(account="demo", symbol="AAPL", side="buy", quantity=Decimal(10), client_order_id="c7")
    reply = Reply(outcome="accepted", seq=7, order_id="7", order_status="new", quantity="10", leaves_quantity="10")
    told.remember(Write(reply, "demo", 5000, command, None, Source.REST))
    return told


@pytest.fixture
def of_the_gateway(hub: Hub, writes: Writes) -> Orders:
    return Orders(ANY, ANY, hub, writes, Lookup(hub, writes, ANY, ANY), ANY)


def tell(hub: Hub, **changes: Any) -> None:
    hub.state.put_order(order(7, **changes))
    changed, hub._changed = hub._changed, asyncio.Event()
    changed.set()


def test_an_order_that_only_a_reply_has_told_of_is_waited_for(of_the_gateway: Orders, hub: Hub) -> None:
    async def canceled() -> bool:
        settling = asyncio.ensure_future(of_the_gateway.settled(DEMO, 9))
        for seq, status in ((7, "new"), (9, "canceled")):
            await asyncio.sleep(0)
            assert not settling.done()
            tell(hub, last_seq=seq, status=status)
        return await settling

    assert asyncio.run(canceled())


def test_where_kafka_tells_nothing_the_reply_says_so(of_the_gateway: Orders, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(orders, "SETTLE_S", 0.02)
    assert not asyncio.run(of_the_gateway.settled(None, 9))


@pytest.mark.parametrize(
    ("accounts", "seq", "symbol", "side"),
    [(frozenset({"other"}), 9, None, None), (DEMO, 7, None, None), (DEMO, 9, "MSFT", None), (DEMO, 9, None, "sell")],
    ids=["another account", "placed after it", "another symbol", "the other side"],
)
def test_other_orders_are_not_waited_for(
    of_the_gateway: Orders, accounts: frozenset[str], seq: int, symbol: str | None, side: str | None
) -> None:
    assert asyncio.run(of_the_gateway.settled(accounts, seq, symbol, side))
