"""`hft bench sinks`: how fast the history is written, beside a bare COPY of the same rows in the same run."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Final

import msgspec
import psycopg
from psycopg.sql import SQL, Identifier

from engine.topics import BY_NAME
from infra.bench import history_records
from infra.bench.figures import Figure, Result
from infra.bench.history_records import ROUND
from infra.bench.published import wait_until
from infra.bench.sandbox import Sandbox, sandbox
from infra.migrations import migrate
from infra.process import Process
from streams.sinks.copy import lines
from streams.sinks.history import TABLES
from streams.sinks.tables import Placed

LIMIT_S: Final = 600.0
MIX: Final = "the mix of a day"
PIECE: Final = 20_000
"""Rows of one piece of the bare COPY: as the sink's batches."""


def run(count: int, say: Callable[[str], None]) -> Result:
    """`count` records of each topic by itself, then as many of all together."""
    with sandbox(kafka=True, postgres=True) as place:
        migrate(place.settings.dsn)
        with psycopg.connect(place.settings.dsn, autocommit=True) as connection:
            figures, first = [], 0
            for name, topics in (*((topic, frozenset({topic})) for topic in ROUND), (MIX, frozenset(ROUND))):
                rounds = count // sum(ROUND[topic] for topic in topics)
                say(f"{name}: filling Kafka, then from Kafka to Postgres")
                figures += _measure(place, connection, name, first, rounds, topics)
                first += rounds
            say("bare COPY")
            figures += _bare(connection, min(count, 200_000))
    sizes = {"records of each run": count, "partitions": place.settings.partitions, "Postgres": "embedded, plain"}
    return Result("Kafka to Postgres (both embedded, on the same machine)", sizes, figures)


def _measure(
    place: Sandbox, connection: psycopg.Connection, name: str, first: int, rounds: int, topics: frozenset[str]
) -> list[Figure]:
    """The sink is started on filled topics; timed from its first commit at the latest to its last."""
    before = _rows(connection)
    reached = _stored(connection)
    written = history_records.write(place.settings.bootstrap, first, rounds, topics)
    sink = Process(place.sink("sink-postgres"))
    place.stack.callback(sink.stop)
    started = time.perf_counter()

    def caught_up() -> bool:
        nonlocal started
        now, stored = time.perf_counter(), _stored(connection)
        if stored == reached:
            started = now  # the look before its first commit
        return stored >= reached + written

    wait_until(caught_up, f"writing {name}", LIMIT_S)
    seconds = time.perf_counter() - started
    sink.stop()
    rows = {table: count - before[table] for table, count in _rows(connection).items()}
    expected = _expected(rounds, topics)
    found = {table: rows[table] for table in expected}
    return [
        Figure(f"{name}: every record once", found == expected),
        Figure(f"{name}: records", written / seconds, "/s"),
        Figure(f"{name}: rows", sum(rows.values()) / seconds, "/s"),
    ]


def _expected(rounds: int, topics: frozenset[str]) -> dict[str, int]:
    """New rows of each history, and of `orders`."""
    tables = {"order-events": "order_events", "fills": "executions", "trades": "trades", "pnl": "pnl"}
    tables["positions"] = "position_history"
    found = {tables[topic]: ROUND[topic] * rounds for topic in topics}
    if "order-events" in topics:
        found["orders"] = 3 * rounds
    return found


def _rows(connection: psycopg.Connection) -> dict[str, int]:
    names = [table.name for tables in TABLES.values() for table in tables]
    counts: dict[str, int] = {}
    for name in names:
        row = connection.execute(SQL("SELECT count(*) FROM {}").format(Identifier(name))).fetchone()
        assert row is not None
        counts[name] = row[0]
    return counts


def _stored(connection: psycopg.Connection) -> int:
    row = connection.execute("SELECT coalesce(sum(next_offset), 0)::bigint FROM sink_cursors").fetchone()
    assert row is not None
    return int(row[0])


def _bare(connection: psycopg.Connection, rows: int) -> list[Figure]:
    """COPY of ready text of executions into a table like it, without any index."""
    [table] = TABLES["fills"]
    decoder: msgspec.json.Decoder[Any] = msgspec.json.Decoder(BY_NAME["fills"].record)
    placed = [
        Placed(0, number, decoder.decode(value))
        for number, (topic, _, value) in enumerate(history_records.rounds(0, rows // ROUND["fills"]))
        if topic == "fills"
    ]
    made = table.rows(placed)
    texts = [lines(made[start : start + PIECE]) for start in range(0, len(made), PIECE)]
    columns = ", ".join(table.columns)
    connection.execute(f"CREATE TABLE bare AS SELECT {columns} FROM executions WHERE false")
    started = time.perf_counter()
    with connection.cursor().copy(table.copy.replace(f"COPY {table.staged}", "COPY bare")) as copy:
        for text in texts:
            copy.write(text)
    seconds = time.perf_counter() - started
    return [Figure("bare COPY of executions, no index", len(made) / seconds, "rows/s")]
