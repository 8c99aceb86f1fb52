"""A live account as a result: its round trips are the ledger's money, its curve knows of payments."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import psycopg
import pytest

from streams.backtest.bar_data import DataError
from streams.reports.live import Change, by_strategy, read, round_trips
from streams.reports.tear_sheet import page
from tests.streams import servers

SECOND = 10**9
START = 1_780_000_000 * SECOND


def change(ts_ns: int, quantity: int, realized: int, fees: int, *, average: int | None = 10, cost: int = 0) -> Change:
    price = None if average is None else Decimal(average)
    return Change("s", "A", ts_ns, Decimal(quantity), price, Decimal(cost), Decimal(realized), Decimal(fees))


def test_round_trips_are_the_ledgers_money() -> None:
    changes = [
        change(1, 5, 0, 1),
        change(2, 10, 0, 2, average=12),
        change(3, 0, 30, 3, average=None),  # closes the first
        change(4, -4, 30, 4, average=20, cost=-80),
        change(5, 6, 50, 6, average=15, cost=90),  # closes the second, opens the third
    ]
    trips = round_trips("me", changes, {"A": Decimal(16)}, 9)
    shown = [(row[3], row[4], row[5], row[6], row[7], row[8], row[9], row[10], row[11]) for row in trips]
    assert shown == [
        ("long", 10.0, 1, 12.0, 3, 15.0, 27.0, 3.0, False),
        ("short", 4.0, 4, 20.0, 5, 15.0, 17.0, 3.0, False),
        ("long", 6.0, 5, 15.0, 9, 16.0, 6.0, 0.0, True),
    ]
    assert sum(row[9] for row in trips) == 50 + (6 * 16 - 90) - 6, "realized + unrealized - fees"


def test_what_carries_no_tag_is_the_rest() -> None:
    def own(quantity: str, cost: str, realized: str, fees: str) -> dict[str, Any]:
        return {
            **{"strategy": "s", "quantity": quantity, "average_price": "10", "cost": cost, "realized_pnl": realized},
            **{"fees": fees, "bought_quantity": "0", "sold_quantity": "0"},
        }

    d = Decimal
    rows = [
        ("A", 1, d(3), d(10), d(30), d(0), d(1), [own("3", "30", "0", "1")]),
        ("A", 2, d(5), d(10), d(50), d(0), d(2), []),
        ("A", 3, d(0), None, d(0), d(7), d(4), [own("0", "0", "5", "3")]),
    ]
    found = [(one.strategy, one.ts_ns, one.quantity, one.realized_pnl, one.fees) for one in by_strategy(rows)]
    assert found == [
        ("s", 1, 3, 0, 1),
        ("", 2, 2, 0, 1),
        ("s", 3, 0, 5, 3),
        ("", 3, 0, 2, 1),
    ]


@pytest.fixture
def dsn(postgres_dsn: str) -> Iterator[str]:
    with servers.fresh_database(postgres_dsn, "report_test") as own:
        yield own


def insert(connection: psycopg.Connection, table: str, **values: Any) -> None:
    names, places = ", ".join(values), ", ".join(f"%({name})s" for name in values)
    connection.execute(f"INSERT INTO {table} ({names}) VALUES ({places})", values)  # type: ignore[arg-type]


def stamped(second: int) -> dict[str, Any]:
    at = START + second * SECOND
    return {"ts_ns": at, "timestamp": datetime.fromtimestamp(at / SECOND, UTC)}


@pytest.mark.integration
def test_an_account_is_read_from_postgres(dsn: str) -> None:
    """Earns 10 % of 1,000, is paid 1,000, and loses 10 % of 2,100."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        marks = '{"A": {"price": "99", "source": "last", "seq": 9, "position_seq": 1, "position_index": 0,'
        marks += ' "quantity": "10", "unrealized_pnl": "-10"}}'
        course = [(1000, 1000, 0), (1100, 1000, 990), (2100, 2000, 990), (1890, 2000, 990)]
        for k, (equity, deposits, gross) in enumerate(course):
            insert(
                connection, "pnl", id=k, account="me", currency="USD", deposits=deposits, realized_pnl=0,
                unrealized_pnl=0, fees=0, equity=equity, peak_equity=0, drawdown=0, gross_exposure=gross,
                net_exposure=gross, last_seq=k, marks=marks, **stamped(k * 60),
            )  # fmt: skip
        own = {"account": "me", "symbol": "A", "side": "buy", "strategy": "s"}
        insert(
            connection, "orders", order_id=7, client_order_id="c", **own, quantity=10, order_type="market",
            time_in_force="ioc", status="filled", filled_qty=10, remaining_qty=0, source="rest",
            created_at=stamped(59)["timestamp"], updated_at=stamped(60)["timestamp"], created_ns=START + 59 * SECOND,
            updated_ns=START + 60 * SECOND, last_seq=5, last_index=1,
        )  # fmt: skip
        for seq in (5, 6):
            insert(
                connection, "order_events", id=seq, exec_id=f"0.1.{seq}", exec_type="trade", status="filled",
                order_id=7, client_order_id="c", **own, quantity=10, filled_qty=10, remaining_qty=0, source="rest",
                seq=seq, index=0, transact_ns=0, **stamped(60),
            )  # fmt: skip
        for seq, price in ((3, 98), (4, 99), (5, 100), (8, 101), (11, 103)):
            insert(
                connection, "trades", id=seq, trade_id=f"{seq}", symbol="A", price=price, quantity=1, hidden=False,
                seq=seq, index=0, transact_ns=0, event_ns=START + seq * 12 * SECOND, **stamped(seq * 12),
            )  # fmt: skip
        insert(
            connection, "executions", id=1, order_id=7, client_order_id="c", **own, fill_price=100, fill_qty=10, fee=2,
            liquidity="taker", trade_id="5", fill_id="5b", seq=5, index=0, transact_ns=0, **stamped(60),
        )  # fmt: skip
        insert(
            connection, "position_history", account="me", symbol="A", quantity=10, average_price=100, cost=1000,
            realized_pnl=0, fees=2, last_price=100, last_seq=5, last_index=0, **stamped(60),
        )  # fmt: skip
    result = read(dsn, "me", 0, 1 << 62)
    figures = result.figures
    assert figures.total_return == pytest.approx(1.1 * 0.9 - 1)
    assert (figures.net_profit, figures.deposits) == (-110, 1000)
    assert figures.max_drawdown == pytest.approx(0.1)
    assert figures.slippage == -10, "bought at 100, when the last trade before was at 99"
    assert (figures.open_round_trips, figures.by_symbol[0].net_pnl) == (1, 10 * 99 - 1000 - 2)
    assert [one.basis_points for one in figures.markouts if one.horizon_s == 60] == [pytest.approx(100)]
    assert "Account" in page(result, "Account me")
    assert read(dsn, "me", START + 120 * SECOND, 1 << 62).figures.total_return == pytest.approx(-0.1)
    with pytest.raises(DataError, match="no P&L of that account"):
        read(dsn, "nobody", 0, 1 << 62)
    with pytest.raises(DataError, match="Postgres"):
        read("postgresql://127.0.0.1:1/x", "me", 0, 1)
