"""The gateway's queries on whatever Postgres there is: what the sink wrote comes back in the words of the wire."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from decimal import Decimal
from typing import Any, TypeVar

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from engine.messages import OrderEvent
from gateway.database import Database
from gateway.history import Chosen, History
from infra import migrations
from streams.orders import fold
from streams.sinks.copy import lines
from streams.sinks.history import TABLES
from streams.sinks.tables import Placed
from tests.streams import flow
from tests.streams.test_audit import keep_books

pytestmark = pytest.mark.integration

T = TypeVar("T")
Day = dict[str, list[Any]]


@pytest.fixture(scope="module")
def day() -> Day:
    market = flow.Market(seed=11)
    written = [*market.setup(), *market.commands(300), *flow.order_events(60)]
    books = keep_books(written)
    found: Day = {topic: [record for name, _, record in written if name == topic] for topic in TABLES}
    return found | {"positions": books["positions"], "pnl": books["pnl"]}


@pytest.fixture(scope="module")
def dsn(postgres_dsn: str, day: Day) -> str:
    with psycopg.connect(postgres_dsn, autocommit=True) as server:
        server.execute("DROP DATABASE IF EXISTS gateway_history WITH (FORCE)")
        server.execute("CREATE DATABASE gateway_history")
    own = make_conninfo(postgres_dsn, dbname="gateway_history")
    migrations.migrate(own)
    with psycopg.connect(own) as connection:
        for topic, tables in TABLES.items():
            placed = [Placed(0, offset, record) for offset, record in enumerate(day[topic])]
            for table in tables:
                connection.execute(table.create)  # type: ignore[call-overload]
                with connection.cursor().copy(table.copy) as copy:  # type: ignore[call-overload]
                    copy.write(lines(table.rows(placed)))
                for statement in table.merge:
                    connection.execute(statement)  # type: ignore[call-overload]
    return own


def ask(dsn: str, question: Callable[[History], Coroutine[Any, Any, T]]) -> T:
    async def answer() -> T:
        database = Database(dsn)
        await database.open()
        try:
            return await question(History(database))
        finally:
            await database.close()

    return asyncio.run(answer())


def test_executions_newest_first(dsn: str, day: Day) -> None:
    name = flow.account_names(8)[3]
    wanted = sorted((f for f in day["fills"] if f.account == name), key=lambda f: (f.seq, f.index), reverse=True)
    found = ask(dsn, lambda history: history.executions(Chosen(frozenset({name})), None, 1000))
    assert [(f.fill_id, Decimal(f.price), f.side) for f in found] == [
        (f.fill_id, Decimal(f.price), f.side) for f in wanted
    ]
    of_symbol = ask(dsn, lambda history: history.executions(Chosen(symbol="BTCUSD"), (wanted[0].seq, 0), 5))
    older = [f for f in day["fills"] if f.symbol == "BTCUSD" and (f.seq, f.index) < (wanted[0].seq, 0)]
    older.sort(key=lambda f: (f.seq, f.index), reverse=True)
    assert [f.fill_id for f in of_symbol] == [f.fill_id for f in older[:5]]


def test_trades_and_their_candles(dsn: str, day: Day) -> None:
    tape = sorted((t for t in day["trades"] if t.symbol == "AAPL"), key=lambda t: (t.seq, t.index, t.trade_id))
    found = ask(dsn, lambda history: history.trades("AAPL", 10))
    assert [t.trade_id for t in found] == [t.trade_id for t in tape[::-1][:10]]
    candles = ask(dsn, lambda history: history.candles("AAPL", 1, 1000))
    assert sum(Decimal(c.volume) for c in candles) == sum(Decimal(t.quantity) for t in tape)
    assert Decimal(candles[0].open) == Decimal(tape[0].price)
    assert max(Decimal(c.high) for c in candles) == max(Decimal(t.price) for t in tape)


def test_orders_and_positions(dsn: str, day: Day) -> None:
    states: dict[str, Any] = {}
    event: OrderEvent
    for event in day["order-events"]:
        states[event.order_id] = fold(states.get(event.order_id), event)
    found = ask(dsn, lambda history: history.orders(Chosen(), frozenset({"filled"}), None, 1000))
    assert {order.order_id for order in found} == {k for k, order in states.items() if order.status == "filled"}
    latest = {(p.account, p.symbol): p for p in day["positions"]}
    positions = ask(dsn, lambda history: history.positions(None))
    assert {(p.account, p.symbol): Decimal(p.quantity) for p in positions} == {
        key: Decimal(p.quantity) for key, p in latest.items()
    }
