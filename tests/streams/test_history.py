"""What the history offers on every kind of Postgres: the same views, and old rows let go by the right means."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from infra import migrations
from streams.backtest import database
from streams.sinks import room
from streams.sinks.editions import HISTORIES, Edition, detect
from streams.sinks.retention import expire
from streams.stores import read_postgres

pytestmark = pytest.mark.integration

START = datetime(2026, 3, 2, 14, 30, tzinfo=UTC)


@pytest.fixture
def connection(postgres_dsn: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(postgres_dsn, autocommit=True) as server:
        server.execute("DROP DATABASE IF EXISTS history_test WITH (FORCE)")
        server.execute("CREATE DATABASE history_test")
    own = make_conninfo(postgres_dsn, dbname="history_test")
    migrations.migrate(own)
    with psycopg.connect(own, autocommit=True) as connection:
        yield connection


def trade(connection: psycopg.Connection, number: int, at: datetime, price: str, quantity: int = 1) -> None:
    ns = int(at.timestamp()) * 1_000_000_000
    connection.execute(
        "INSERT INTO trades (id, trade_id, symbol, price, quantity, hidden, seq, index, timestamp, ts_ns, transact_ns,"
        " event_ns) VALUES (%s, %s, 'AAPL', %s, %s, false, %s, 0, %s, %s, 0, %s)",
        (number, f"0.1.{number}.m1", price, quantity, number, at, ns, ns),
    )


def profit(connection: psycopg.Connection, number: int, at: datetime, equity: int, drawdown: int) -> None:
    connection.execute(
        "INSERT INTO pnl (id, account, currency, deposits, realized_pnl, unrealized_pnl, fees, equity, peak_equity,"
        " drawdown, gross_exposure, net_exposure, last_seq, timestamp, ts_ns)"
        " VALUES (%s, 'alice', 'USD', 0, 0, 0, 0, %s, 0, %s, 0, 0, %s, %s, 0)",
        (number, equity, drawdown, number, at),
    )


def test_candles_by_the_minute_and_the_hour(connection: psycopg.Connection) -> None:
    """Two trades of the same instant: the order within a candle is that of their numbers, not of the table."""
    for number, seconds, price in ((4, 59, "11"), (1, 0, "10"), (3, 59, "8"), (2, 30, "12"), (5, 60, "9")):
        trade(connection, number, START + timedelta(seconds=seconds), price, quantity=number)
    trade(connection, 6, START + timedelta(hours=1), "7")
    minutes = connection.execute(
        "SELECT bucket, open, high, low, close, volume, trades FROM candles_1m WHERE symbol = 'AAPL' ORDER BY bucket"
    ).fetchall()
    assert minutes == [
        (START, *map(Decimal, (10, 12, 8, 11, 10)), 4),
        (START + timedelta(minutes=1), *map(Decimal, (9, 9, 9, 9, 5)), 1),
        (START + timedelta(hours=1), *map(Decimal, (7, 7, 7, 7, 1)), 1),
    ]
    hours = connection.execute("SELECT bucket, open, close, volume FROM candles_1h ORDER BY bucket").fetchall()
    assert hours == [
        (START.replace(minute=0), Decimal(10), Decimal(9), Decimal(15)),
        (START.replace(hour=15, minute=0), Decimal(7), Decimal(7), Decimal(1)),
    ]


def test_a_backtest_reads_the_trades(connection: psycopg.Connection) -> None:
    """In the order of their numbers, up to and without the end."""
    for number, seconds, price in ((2, 30, "10.50"), (1, 30, "10.25"), (3, 60, "11")):
        trade(connection, number, START + timedelta(seconds=seconds), price, quantity=number)
    start_ns = int(START.timestamp()) * 10**9
    dsn = make_conninfo(connection.info.dsn, password=connection.info.password)
    tape = database.trades(dsn, ["AAPL", "MSFT"], start_ns, start_ns + 60 * 10**9)
    assert tape.select("symbol", "price", "quantity").rows() == [("AAPL", 10.25, 1.0), ("AAPL", 10.5, 2.0)]
    assert database.trades(dsn, ["MSFT"], start_ns, start_ns + 60 * 10**9).is_empty()


def test_pnl_by_the_minute(connection: psycopg.Connection) -> None:
    for number, seconds, equity, drawdown in ((1, 0, 100, 0), (2, 20, 70, 30), (3, 50, 90, 10)):
        profit(connection, number, START + timedelta(seconds=seconds), equity, drawdown)
    rows = connection.execute("SELECT account, bucket, equity, worst_drawdown FROM pnl_1m").fetchall()
    assert rows == [("alice", START, Decimal(90), Decimal(30))]


def test_old_history_is_let_go(connection: psycopg.Connection) -> None:
    now = datetime.now(UTC)
    for number, days in enumerate((400, 40, 12, 3, 0), 1):
        trade(connection, number, now - timedelta(days=days), "1")
        profit(connection, number, now - timedelta(days=days), 1, 0)
    gone = expire(connection, 10, threading.Event())
    if detect(connection).edition is Edition.COMMUNITY:
        assert gone == {}
        return
    assert {table for table, count in gone.items() if count} == {"trades", "pnl"}
    for table in ("trades", "pnl"):
        assert connection.execute(f"SELECT id FROM {table} ORDER BY id").fetchall() == [(4,), (5,)]
    assert not any(expire(connection, 10, threading.Event()).values())


def order(connection: psycopg.Connection, number: int, at: datetime, status: str) -> None:
    connection.execute(
        "INSERT INTO orders (order_id, account, symbol, quantity, status, filled_qty, remaining_qty, source,"
        " created_at, updated_at, created_ns, updated_ns, last_seq, last_index)"
        " VALUES (%s, 'alice', 'AAPL', 1, %s, 0, 1, 'rest', %s, %s, 0, 0, 1, 0)",
        (number, status, at, at),
    )


def bar(connection: psycopg.Connection, at: datetime, interval_s: int) -> None:
    connection.execute(
        "INSERT INTO candles VALUES ('AAPL', %s, 0, 1, 1, 1, 1, 1, 1, 1, 1, true, 1, 0, 0, %s)", (interval_s, at)
    )


def test_history_is_let_go_for_room(connection: psycopg.Connection) -> None:
    """By the same moment in all tables, finer than days; what still works, what is young, and hourly bars stay."""
    edition = detect(connection).edition
    now = datetime.now(UTC)
    minutes = 400
    room.fit_chunks(connection, edition, 10**9)
    for number in range(minutes):
        trade(connection, number + 1, now - timedelta(minutes=minutes - number), "1")
        order(
            connection, number + 1, now - timedelta(minutes=minutes - number), "new" if number % 10 == 0 else "filled"
        )
    for interval_s in (1, 3_600):
        bar(connection, now - timedelta(minutes=minutes), interval_s)
    connection.execute("ANALYZE")
    found = room.sizes(connection, edition)
    needed = sum(found.values())
    assert found["trades"] > minutes * 80, "a row with its indexes"
    assert found["orders"] > minutes * 80
    stop = threading.Event()
    assert room.make_room(connection, edition, 2 * needed, stop) == (None, {})
    before, gone = room.make_room(connection, edition, needed, stop)
    assert before is not None
    assert gone["trades"] > 0
    connection.execute("ANALYZE")
    assert sum(room.sizes(connection, edition).values()) < needed * 0.8
    left = {
        table: {number for (number,) in connection.execute(statement)}
        for table, statement in {
            "trades": "SELECT id FROM trades",
            "filled": "SELECT order_id FROM orders WHERE status = 'filled'",
            "new": "SELECT order_id FROM orders WHERE status = 'new'",
            "candles": "SELECT interval_s FROM candles",
        }.items()
    }
    kept = {number + 1 for number in range(minutes) if now - timedelta(minutes=minutes - number) >= before}
    assert left == {
        "trades": kept,
        "filled": {number for number in kept if number % 10 != 1},
        "new": set(range(1, minutes + 1, 10)),
        "candles": {3_600},
    }
    # A quota that could hold nothing: the youngest stay, and the next turn has nothing that may go.
    room.make_room(connection, edition, 1, stop)
    (young,) = connection.execute(
        "SELECT count(*) FROM trades WHERE timestamp > now() - interval '2 minutes'"
    ).fetchall()
    assert young == (1,)
    assert room.make_room(connection, edition, 1, stop)[0] is None


def test_room_that_a_part_leaves() -> None:
    assert room.surplus({"trades": 700, "pnl": 100}, 1_000) == 0
    assert room.surplus({"trades": 800, "pnl": 200}, 1_000) == pytest.approx(0.3)
    assert room.surplus({"trades": 0}, 1) == 0


def test_chunks_hold_a_twentieth_of_the_part() -> None:
    hour = timedelta(hours=1)
    assert room.chunk_interval(None, 0, 20_000) == hour
    assert room.chunk_interval(10 * hour, 10_000, 20_000) == hour
    assert room.chunk_interval(10 * hour, 1, 20_000) == timedelta(days=1)
    assert room.chunk_interval(hour, 10**9, 20) == timedelta(minutes=1)


def test_the_histories_are_hypertables_where_there_are_any(connection: psycopg.Connection) -> None:
    if detect(connection).edition is Edition.PLAIN:
        text = "SELECT relname FROM pg_class JOIN pg_index ON indrelid = pg_class.oid JOIN pg_class index_class ON"
        text += " index_class.oid = indexrelid JOIN pg_am ON index_class.relam = pg_am.oid WHERE amname = 'brin'"
        text = text.replace("SELECT relname", "SELECT pg_class.relname")
    else:
        text = "SELECT hypertable_name FROM timescaledb_information.hypertables"
    assert {name for (name,) in connection.execute(text)} >= set(HISTORIES)


def test_rows_of_before_are_moved_into_hypertables(connection: psycopg.Connection) -> None:
    """The program may start again on a database that has rows: nothing of them changes."""
    trade(connection, 1, START, "10")
    migrations.migrate(connection.info.dsn)
    assert connection.execute("SELECT id, price FROM trades").fetchall() == [(1, Decimal(10))]


def test_what_only_community_has_is_refused_for_its_licence_alone(connection: psycopg.Connection) -> None:
    """The Apache edition knows the names and options of every statement and says no to it."""
    if detect(connection).edition is not Edition.APACHE:
        pytest.skip("needs TimescaleDB's Apache edition: make test-timescale")
    connection.execute("SELECT set_config('hft.history_days', '30', false)")
    statements = migrations.statements("community.sql") + migrations.statements("community_retention.sql")
    refused = [statement for statement in statements if not statement.startswith("DROP VIEW")]
    assert len(refused) > len(HISTORIES)
    for statement in refused:
        with pytest.raises(psycopg.errors.FeatureNotSupported, match="license"):
            connection.execute(statement)  # type: ignore[call-overload]


class AfterOne(threading.Event):
    """Stops whoever asks a second time."""

    def is_set(self) -> bool:
        already = super().is_set()
        self.set()
        return already


def test_what_goes_in_pieces_goes_in_order(connection: psycopg.Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    """However the rows lie in their file: whoever looks meanwhile finds all that is younger than the oldest."""
    if detect(connection).edition is not Edition.PLAIN:
        pytest.skip("whole chunks go")
    monkeypatch.setattr(room, "PIECE", 7)
    for number in (5, 17, 1, 13, 9, 2, 20, 3, 15, 8, 11, 4, 19, 6, 7, 12, 10, 14, 18, 16):
        trade(connection, number, START + timedelta(seconds=number), "1")
    gone = room.delete(connection, ["trades"], START + timedelta(seconds=19), AfterOne())
    assert gone == {"trades": 7}
    assert [number for (number,) in connection.execute("SELECT id FROM trades ORDER BY id")] == list(range(8, 21))


def test_an_audit_leaves_out_the_command_that_may_be_half_gone(connection: psycopg.Connection) -> None:
    for number, seq in enumerate((5, 6, 6), 1):
        connection.execute(
            "INSERT INTO executions (id, order_id, client_order_id, account, symbol, side, fill_price, fill_qty, fee,"
            " liquidity, trade_id, fill_id, seq, index, timestamp, ts_ns, transact_ns)"
            " VALUES (%s, 1, '', 'alice', 'AAPL', 'buy', 10, %s, 0, 'maker', '', '', %s, %s, %s, 0, 0)",
            (number, number, seq, number, START),
        )
    dsn = make_conninfo(connection.info.dsn, password=connection.info.password)
    whole, rest = read_postgres(dsn), read_postgres(dsn, lets_go=True)
    assert (whole.since_seq, rest.since_seq) == (0, 6)
    assert whole.kept["executions"] == {"alice AAPL": (3, 6, 60, 0)}
    assert rest.kept["executions"] == {"alice AAPL": (2, 5, 50, 0)}
    connection.execute("DELETE FROM executions")
    assert read_postgres(dsn, lets_go=True).kept["executions"] == {}
