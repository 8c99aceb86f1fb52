"""The Postgres sink on a real Kafka and Postgres: every record once, through kills, and refused records set aside."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from itertools import chain
from pathlib import Path

import msgspec
import psycopg
import pytest
from confluent_kafka import Producer
from psycopg.conninfo import make_conninfo
from psycopg.rows import dict_row
from psycopg.sql import SQL, Identifier

from engine import messages
from engine import topics as wire
from infra import migrations
from infra.letters import letters as found_letters
from infra.letters import shown
from streams.sinks.empty import empty_postgres
from streams.sinks.history import TABLES
from streams.sinks.postgres import PostgresSink
from tests.streams import flow, servers
from tests.streams.servers import OurProcess, wait_for
from tests.streams.test_audit import keep_books

pytestmark = pytest.mark.integration

NUMBER = iter(range(1_000))


@pytest.fixture
def dsn(postgres_dsn: str) -> str:
    """A database of the test's own, with the schema."""
    name = f"sink_{next(NUMBER)}"
    with psycopg.connect(postgres_dsn, autocommit=True) as connection:
        connection.execute(SQL("CREATE DATABASE {}").format(Identifier(name)))
    own = make_conninfo(postgres_dsn, dbname=name)
    migrations.migrate(own)
    return own


@contextmanager
def running(bootstrap: str, dsn: str) -> Iterator[PostgresSink]:
    stop = threading.Event()
    sink = PostgresSink(bootstrap, dsn, stop)
    thread = threading.Thread(target=sink.run, args=(lambda: None,))
    thread.start()
    try:
        yield sink
    finally:
        stop.set()
        thread.join(30)
        assert not thread.is_alive()


def query(dsn: str, text: str) -> list[tuple[object, ...]]:
    with psycopg.connect(dsn) as connection:
        return connection.execute(text).fetchall()  # type: ignore[call-overload]


def is_caught_up(bootstrap: str, dsn: str) -> bool:
    stored = dict(query(dsn, "SELECT topic, sum(next_offset) FROM sink_cursors GROUP BY topic"))
    written = {topic: count for topic, count in servers.counts(bootstrap, *TABLES).items() if count}
    return stored == written


def whole_day(seed: int, commands: int) -> list[flow.Record]:
    market = flow.Market(seed=seed)
    day = [*market.setup(), *market.commands(commands), *flow.order_events(commands)]
    books = keep_books(day)
    day += [("positions", f"{record.account}|{record.symbol}", record) for record in books["positions"]]
    day += [("pnl", record.account, record) for record in books["pnl"]]
    return day + list(flow.candles(record for topic, _, record in day if topic == "trades"))


def sorted_fields(marks: dict[str, dict[str, object]]) -> list[object]:
    return [(symbol, sorted(mark.items())) for symbol, mark in sorted(marks.items())]


def check_rows(dsn: str, day: list[flow.Record]) -> None:
    """Every record of the day is a row, once, with its numbers."""
    by_topic = {topic: [record for name, _, record in day if name == topic] for topic in TABLES}
    assert query(dsn, "SELECT fill_id, fill_price, fill_qty, fee, ts_ns FROM executions ORDER BY id") == [
        (fill.fill_id, Decimal(fill.price), Decimal(fill.quantity), Decimal(fill.fee), fill.ts_ns)
        for fill in sorted(by_topic["fills"], key=lambda fill: (fill.seq, fill.index))
    ]
    assert query(dsn, "SELECT trade_id, price FROM trades ORDER BY seq, index") == [
        (trade.trade_id, Decimal(trade.price))
        for trade in sorted(by_topic["trades"], key=lambda trade: (trade.seq, trade.index))
    ]
    history = "SELECT account, symbol, last_seq, last_index, quantity, cost FROM position_history ORDER BY 3, 4"
    assert query(dsn, history) == [
        (p.account, p.symbol, p.last_seq, p.last_index, Decimal(p.quantity), Decimal(p.cost))
        for p in sorted(by_topic["positions"], key=lambda p: (p.last_seq, p.last_index))
    ]
    latest = {(p.account, p.symbol): Decimal(p.realized_pnl) for p in by_topic["positions"]}
    assert {(a, s): p for a, s, p in query(dsn, "SELECT account, symbol, realized_pnl FROM positions")} == latest
    assert len(query(dsn, "SELECT id FROM pnl")) == len(by_topic["pnl"])
    equity = {p.account: Decimal(p.equity) for p in by_topic["pnl"]}
    newest = "SELECT DISTINCT ON (account) account, equity FROM pnl ORDER BY account, id DESC"
    assert dict(query(dsn, newest)) == equity
    own = [json.dumps(msgspec.to_builtins(p.strategies), sort_keys=True) for p in by_topic["positions"]]
    kept = query(dsn, "SELECT strategies FROM position_history")
    assert sorted(json.dumps(row[0], sort_keys=True) for row in kept) == sorted(own)
    events = sorted(by_topic["order-events"], key=lambda event: (event.seq, event.index))
    columns = "exec_id, exec_type, status, order_id, filled_qty, last_price, ts_ns"
    assert query(dsn, f"SELECT {columns} FROM order_events ORDER BY seq, index") == [
        (
            event.exec_id,
            event.exec_type,
            event.order_status,
            int(event.order_id),
            Decimal(event.filled_quantity),
            None if event.last_price is None else Decimal(event.last_price),
            event.ts_ns,
        )
        for event in events
    ]
    bars = {(bar.symbol, bar.interval_s, bar.start_ns): bar for bar in by_topic["candles"]}
    numbers = "open, high, low, close, volume, turnover, vwap"
    columns = f"symbol, interval_s, start_ns, trades, closed, last_seq, {numbers}"
    assert {row[:3]: row[3:] for row in query(dsn, f"SELECT {columns} FROM candles")} == {
        place: (bar.trades, bar.closed, bar.last_seq, *(Decimal(getattr(bar, name)) for name in numbers.split(", ")))
        for place, bar in bars.items()
    }
    marks = [msgspec.to_builtins(p.marks) for p in by_topic["pnl"]]
    stored = [row[0] for row in query(dsn, "SELECT marks FROM pnl")]
    assert sorted(map(str, map(sorted_fields, stored))) == sorted(map(str, map(sorted_fields, marks)))


def test_every_record_is_a_row(topics: str, dsn: str) -> None:
    day = whole_day(1, 300)
    flow.produce(topics, day)
    with running(topics, dsn):
        wait_for(lambda: is_caught_up(topics, dsn), "the sink")
    check_rows(dsn, day)
    statuses = query(
        dsn, "SELECT status, count(*), sum(filled_qty), sum(remaining_qty) FROM orders GROUP BY 1 ORDER BY 1"
    )
    assert statuses == [("canceled", 100, 0, 0), ("filled", 100, 1000, 0), ("new", 100, 0, 1000)]


def test_the_columns_say_what_the_messages_say(topics: str, dsn: str) -> None:
    events = [
        flow.report(7, 0, "new", "new", order_type="stop_limit", stop_price="189"),
        flow.report(
            9,
            1,
            "trade",
            "partially_filled",
            order_type="stop_limit",
            filled_quantity="4",
            leaves_quantity="6",
            average_price="189.5",
            list_id="6",
            expires_ns=99,
            display_quantity="2",
            stop_price="189.5",
            trail_amount="0.25",
            trail_percent="1.5",
            post_only=True,
            reduce_only=True,
        ),
        flow.report(10, 0, "rejected", "partially_filled", reason="invalid_quantity", source="kafka"),
    ]
    flow.produce(topics, [(wire.ORDER_EVENTS.name, "AAPL", event) for event in events])
    with running(topics, dsn):
        wait_for(lambda: is_caught_up(topics, dsn), "the sink")
    with psycopg.connect(dsn, row_factory=dict_row) as connection:
        row = connection.execute("SELECT * FROM orders").fetchone()
    assert row is not None
    assert (row["created_at"].timestamp(), row["updated_at"].timestamp()) == (
        (flow.START_NS + 7_000) / 1e9,
        (flow.START_NS + 9_000) / 1e9,
    )
    del row["id"], row["created_at"], row["updated_at"]
    assert row == {
        "order_id": 7,
        "client_order_id": "c-7",
        "account": "alice",
        "symbol": "AAPL",
        "side": "buy",
        "quantity": Decimal(10),
        "price": Decimal("190.00"),
        "order_type": "stop_limit",
        "time_in_force": "day",
        "status": "partially_filled",
        "filled_qty": Decimal(4),
        "remaining_qty": Decimal(6),
        "average_price": Decimal("189.5"),
        "reason": None,
        "field": None,
        "text": None,
        "strategy": "maker",
        "source": "rest",
        "created_ns": flow.START_NS + 7_000,
        "updated_ns": flow.START_NS + 9_000,
        "last_seq": 9,
        "last_index": 1,
        "list_id": 6,
        "expires_ns": 99,
        "display_qty": Decimal(2),
        "stop_price": Decimal("189.5"),
        "trail_amount": Decimal("0.25"),
        "trail_percent": Decimal("1.5"),
        "post_only": True,
        "reduce_only": True,
    }


def rejected(seq: int, client_order_id: str = "c-7") -> messages.OrderEvent:
    return flow.report(seq, 0, "rejected", "rejected", order_id=str(seq), client_order_id=client_order_id, reason="x")


ENTRY = flow.report(7, 0, "new", "new")


@pytest.mark.parametrize("together", [True, False], ids=["in one batch", "one by one"])
@pytest.mark.parametrize(
    ("events", "ids"),
    [
        ([ENTRY, rejected(8)], {7: "c-7", 8: None}),
        ([rejected(6), ENTRY], {6: None, 7: "c-7"}),
        ([rejected(5), rejected(6)], {5: None, 6: "c-7"}),
        ([rejected(5, ""), rejected(6, "")], {5: None, 6: None}),
    ],
)
def test_a_rejected_order_gives_its_client_order_id_up(
    topics: str, dsn: str, events: list[messages.OrderEvent], ids: dict[int, str | None], together: bool
) -> None:
    batches = [events] if together else [[event] for event in events]
    with running(topics, dsn):
        for batch in batches:
            flow.produce(topics, [(wire.ORDER_EVENTS.name, "AAPL", event) for event in batch])
            wait_for(lambda: is_caught_up(topics, dsn), "the sink")
    assert dict(query(dsn, "SELECT order_id, client_order_id FROM orders")) == ids


@pytest.mark.parametrize("together", [True, False], ids=["in one batch", "one after the other"])
def test_positions_that_are_made_anew_replace_those_before(topics: str, dsn: str, together: bool) -> None:
    day = whole_day(4, 60)
    right = [one for one in day if one[0] == "positions"]
    wrong = [(topic, key, msgspec.structs.replace(record, cost="1.23")) for topic, key, record in right]
    with running(topics, dsn):
        for batch in ([*wrong, *day],) if together else (wrong, day):
            flow.produce(topics, batch)
            wait_for(lambda: is_caught_up(topics, dsn), "the sink")
    check_rows(dsn, day)


def test_nothing_is_missing_or_twice_through_kills(topics: str, dsn: str, tmp_path: Path) -> None:
    day = whole_day(2, 1_500)
    flow.produce(topics, day)
    count = "SELECT count(*) FROM position_history"
    for _ in range(3):
        before = query(dsn, count)
        with OurProcess("streams.sinks.postgres", tmp_path / "sink.log", repr(topics), repr(dsn), "0") as process:
            process.wait_ready()
            # One topic may be in the tables to its end while others are not.
            wait_for(lambda before=before: query(dsn, count) > before or is_caught_up(topics, dsn), "rows")
            process.kill()
    with running(topics, dsn):
        wait_for(lambda: is_caught_up(topics, dsn), "the sink")
    check_rows(dsn, day)


def test_a_lost_connection_and_emptied_tables(topics: str, dsn: str, caplog: pytest.LogCaptureFixture) -> None:
    query(dsn, "INSERT INTO users (username, password_hash, role) VALUES ('ann', 'x', 'trader') RETURNING 1")
    first, second = whole_day(3, 100), []
    end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'sink-postgres'"
    with running(topics, dsn):
        flow.produce(topics, first)
        wait_for(lambda: is_caught_up(topics, dsn), "the sink")
        query(dsn, end)
        second = list(flow.order_events(30, first=50_000))
        flow.produce(topics, second)
        wait_for(lambda: is_caught_up(topics, dsn), "the sink")
        check_rows(dsn, [*first, *second])
        assert set(empty_postgres(dsn)) >= {"orders", "executions", "position_history", "candles"}
        wait_for(lambda: is_caught_up(topics, dsn), "the sink to notice, and to fill them again")
    check_rows(dsn, [*first, *second])
    assert query(dsn, "SELECT count(*) FROM orders WHERE order_id >= 50000") == [(30,)]
    assert query(dsn, "SELECT username FROM users") == [("ann",)], "users are not made from the topics"
    said = [record.message.split(" (")[0] for record in caplog.records if "Postgres" in record.message]
    lost = "Postgres lost what was written to it: reading it in again from its cursor"
    assert said == ["Postgres is away", "Postgres is back", lost]


def test_a_refused_record_is_set_aside_and_its_neighbours_are_kept(topics: str, dsn: str) -> None:
    fills = [record for record in flow.Market(seed=4).commands(60) if record[0] == "fills"]
    bad = [
        b"no json",
        flow.changed(fills[0][2], fill_id="none of ours"),
        flow.changed(fills[0][2], price="cheap"),
        flow.changed(fills[0][2], ts_ns=2**70),
        flow.changed(fills[0][2], account="nul\0"),
    ]
    producer = Producer({"bootstrap.servers": topics})
    flow.produce(topics, fills[:30])
    for value in bad:
        producer.produce("fills", value, b"AAPL")
    producer.flush()
    flow.produce(topics, fills[30:])
    with running(topics, dsn):
        wait_for(lambda: is_caught_up(topics, dsn), "the sink")
    assert query(dsn, "SELECT count(*) FROM executions") == [(len(fills),)]
    letters = list(servers.records(topics, wire.DEAD_LETTERS))
    assert len(letters) == len(bad)
    assert all(letter.text.startswith("sink-postgres: ") for letter in letters)
    printed = [shown(*one) for one in found_letters(topics, 0)]
    assert [text.splitlines()[1].strip() for text in printed if "no json" in text] == ["no json"]
    assert all(re.match(r"20\d\d-.* fills/\d offset \d+: \w+.*: sink-postgres: ", text) for text in printed)
    assert len(printed) == len(bad)
    assert list(found_letters(topics, 1 << 62)) == []


def test_a_second_sink_waits(topics: str, dsn: str, caplog: pytest.LogCaptureFixture) -> None:
    with running(topics, dsn) as first:
        flow.produce(topics, list(chain(flow.order_events(3))))
        wait_for(lambda: is_caught_up(topics, dsn), "the first sink")
        with running(topics, dsn) as second:
            wait_for(lambda: "another sink writes to this database" in caplog.text, "the second sink to say so")
            assert second.rows == 0
        wait_for(lambda: first.rows == 3 + 7, "its orders and their reports to be counted")
