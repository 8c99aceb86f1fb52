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
from gateway.history import Candle, Chosen, History
from infra import migrations
from streams.candles import INTERVALS_S
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


BARS = """
    INSERT INTO candles
    SELECT symbol, %(s)s, start_s * 1000000000, (array_agg(price ORDER BY seq, index))[1], max(price), min(price),
           (array_agg(price ORDER BY seq DESC, index DESC))[1], sum(quantity), 0, 0, count(*), true, 0, 0, 0,
           to_timestamp(start_s)
    FROM (SELECT *, event_ns / 1000000000 / %(s)s * %(s)s AS start_s FROM trades) AS placed
    WHERE symbol = 'BTCUSD' GROUP BY symbol, start_s"""
LATE = """
    UPDATE candles SET volume = 0.1, close = open, high = open, low = open
    WHERE symbol = 'BTCUSD' AND interval_s = %(s)s
          AND start_ns = (SELECT max(start_ns) FROM candles WHERE symbol = 'BTCUSD' AND interval_s = %(s)s)"""


def test_candles_reach_beyond_the_trades(dsn: str) -> None:
    """What is made of bars and the newest trades is what all trades would make."""
    lengths = (1, 5, 60, 90, 300, 3600, 86_400)

    def candles(**chosen: int) -> dict[int, list[Candle]]:
        def made(interval_s: int) -> list[Candle]:
            return ask(dsn, lambda history: history.candles("BTCUSD", interval_s, 5000, **chosen))

        return {interval_s: made(interval_s) for interval_s in lengths}

    with psycopg.connect(dsn) as connection:
        connection.execute(
            "UPDATE trades SET event_ns = 1750000000000000000 + seq * 370000000 WHERE symbol = 'BTCUSD'",
        )
    of_trades = candles()
    assert all(len(of_trades[length]) > 2 for length in (1, 5, 60))
    middle = of_trades[1][len(of_trades[1]) // 2].time_s
    later, earlier = candles(start_s=middle), candles(end_s=middle)
    assert [sum(Decimal(c.volume) for c in of_trades[length]) for length in lengths] == [
        sum(Decimal(c.volume) for c in of_trades[1])
    ] * len(lengths)
    assert {length: earlier[length] + later[length] for length in lengths} == of_trades
    with psycopg.connect(dsn) as connection:
        for interval_s in INTERVALS_S:
            connection.execute(BARS, {"s": interval_s})
            # The newest bar lags behind its trades, as it may; the trades before it have gone.
            connection.execute(LATE, {"s": interval_s})
        newest = min(of_trades[length][-1].time_s for length in INTERVALS_S)
        connection.execute("DELETE FROM trades WHERE symbol = 'BTCUSD' AND event_ns < %s", (newest * 10**9,))
    assert candles() == of_trades
    assert candles(start_s=middle) == later
    assert candles(end_s=middle) == earlier
    for limit in (1, 2):
        found = ask(dsn, lambda history, limit=limit: history.candles("BTCUSD", 5, limit))
        assert found == of_trades[5][-limit:]


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


def test_pages_of_orders_go_by_their_numbers(dsn: str) -> None:
    """Which of different length have another order as text."""
    with psycopg.connect(dsn) as connection:
        connection.execute("UPDATE orders SET order_id = order_id + 1000000 WHERE order_id % 2 = 0")
        numbers = sorted(number for (number,) in connection.execute("SELECT order_id FROM orders"))
    assert numbers != sorted(numbers, key=str)
    for newest_first in (True, False):
        wanted = numbers[::-1] if newest_first else numbers
        chosen, beyond, read = Chosen(oldest_first=not newest_first), None, list[int]()
        while page := ask(dsn, lambda history, beyond=beyond: history.orders(chosen, None, beyond, 150)):  # noqa: B023
            read += [int(order.order_id) for order in page]
            beyond = (read[-1], 0)
        assert read == wanted
