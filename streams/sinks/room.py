"""Room for the history: what it needs of the disk, and what goes so that it stays within its part of the quota.

Besides the histories the quota counts `orders`, of which closed ones go, and `candles`, of which those of an hour stay.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

import psycopg
from psycopg.sql import SQL, Composed, Identifier, Literal

from engine.words import WORKING_WORDS
from streams.sinks.editions import HISTORIES, Edition

FULL: Final = 0.8
"""Of its part, from which on something goes. The rest is for what comes until then, and for rows of plain tables that
are gone and whose places are not used again yet."""
LEFT: Final = 0.7
"""Of its part, when it has gone: rarely and much is cheaper than often and little."""
YOUNGEST: Final = timedelta(minutes=2)
"""Rows younger than this stay: the audit looks at them."""
NUMBERED: Final = ("order_events", "executions", "trades", "pnl", "order_flow", "alerts")
"""Histories whose rows have numbers that rise with their time."""
ROW_HEAD: Final = 28
"""Bytes of a row in its page beside its columns (PostgreSQL, Database Page Layout)."""
SAMPLE: Final = 1_000
PIECE: Final = 100_000
"""Rows of one DELETE. Each reads the table from its beginning, where the rows of the pieces before it still lie; the
sink, which writes beside it, waits for none of them."""

OLD: Final = SQL("timestamp < %s")
OLD_IN: Final[Mapping[str, Composed]] = {
    "orders": SQL("updated_at < %s AND status <> ALL ({})").format(Literal(sorted(WORKING_WORDS))),
    "candles": SQL("timestamp < %s AND interval_s < {}").format(Literal(3_600)),
}
"""Which rows may go of the tables that are no histories."""

CHUNKS: Final = 20
"""That the part of hypertables is cut into, about."""
CHUNK_FIRST: Final = timedelta(hours=1)
"""While it is not known yet how much comes."""
CHUNK_LEAST: Final = timedelta(minutes=1)
CHUNK_MOST: Final = timedelta(days=1)


def sizes(connection: psycopg.Connection, edition: Edition) -> dict[str, int]:
    """Table → bytes with its indexes. Of plain tables what their rows need, not what their files have, which never
    shrink; by the database's own statistics, which are seconds old."""
    hyper = () if edition is Edition.PLAIN else HISTORIES
    found = {table: _hypertable_bytes(connection, table) for table in hyper}
    for table in (*HISTORIES, *OLD_IN):
        if table in hyper:
            continue
        rows = _rows(connection, table)
        found[table] = int(rows * _row_bytes(connection, table)) if rows else 0
    return found


def _rows(connection: psycopg.Connection, table: str) -> int:
    """About how many: what is counted as it changes, or what the last VACUUM or ANALYZE found, since a server that was
    killed forgets the former."""
    statement = SQL("SELECT greatest(pg_stat_get_live_tuples(oid), reltuples) FROM pg_class WHERE oid = {}::regclass")
    return max(0, int(_row(connection, statement.format(Literal(table)))[0]))


def _hypertable_bytes(connection: psycopg.Connection, table: str) -> int:
    return int(_row(connection, SQL("SELECT hypertable_size({}::regclass)").format(Literal(table)))[0] or 0)


def _row_bytes(connection: psycopg.Connection, table: str) -> float:
    """Of a row with its part of the indexes."""
    whole, heap = _row(
        connection,
        SQL("SELECT pg_total_relation_size({0}::regclass), greatest(pg_relation_size({0}::regclass), 1)").format(
            Literal(table)
        ),
    )
    (columns,) = _row(
        connection,
        SQL("SELECT avg(pg_column_size(one)) FROM (SELECT * FROM {} LIMIT {}) AS one").format(
            Identifier(table), Literal(SAMPLE)
        ),
    )
    return (ROW_HEAD + float(columns or 0)) * float(whole) / float(heap)


def _row(connection: psycopg.Connection, statement: Composed | SQL) -> tuple[Any, ...]:
    found = connection.execute(statement).fetchone()
    assert found is not None
    return found


def surplus(found: Mapping[str, int], most: int) -> float:
    """Which part of all rows has to go so that `most` bytes hold the history; 0 where they do."""
    total = sum(found.values())
    return 0.0 if total <= most * FULL else 1 - most * LEFT / total


def make_room(
    connection: psycopg.Connection, edition: Edition, most: int, stop: threading.Event
) -> tuple[datetime | None, dict[str, int]]:
    """Once they need FULL of `most` bytes, lets the oldest rows go, in all tables those before the same moment: this
    moment, None where nothing has to go or may; and table → rows (chunks of a hypertable) that went. The connection is
    in autocommit."""
    found = sizes(connection, edition)
    gone: dict[str, int] = {}
    if not (part := surplus(found, most)):
        return None, gone
    if edition is Edition.PLAIN:
        before = _plain_cut(connection, found, part)
        if before is not None:
            gone = delete(connection, HISTORIES, before, stop)
    else:
        before = _drop_oldest_chunks(connection, found, most, gone)
    if before is None:
        return None, gone
    return before, gone | delete(connection, OLD_IN, before, stop)


def _plain_cut(connection: psycopg.Connection, found: Mapping[str, int], part: float) -> datetime | None:
    """The moment before which about that part of the largest history's rows lie, by their numbers; None where all are
    too young."""
    table = max(NUMBERED, key=lambda name: found[name])
    row = connection.execute(
        SQL(
            "SELECT least(timestamp, now() - {youngest}), now() - {youngest} >= "
            "(SELECT timestamp FROM {table} ORDER BY id LIMIT 1) FROM {table} ORDER BY id LIMIT 1 OFFSET {rows}"
        ).format(
            table=Identifier(table), rows=Literal(int(_rows(connection, table) * part)), youngest=Literal(YOUNGEST)
        )
    ).fetchone()
    return row[0] if row is not None and row[1] else None


def _drop_oldest_chunks(
    connection: psycopg.Connection, found: dict[str, int], most: int, gone: dict[str, int]
) -> datetime | None:
    """One after the other, until LEFT is reached or only those are left that are written to."""
    before = None
    while sum(found.values()) > most * LEFT:
        (oldest, young) = _row(
            connection,
            SQL("SELECT min(range_end), min(range_end) > now() - {} FROM timescaledb_information.chunks "
                "WHERE hypertable_name = ANY ({})").format(Literal(YOUNGEST), Literal(list(HISTORIES))),
        )  # fmt: skip
        if oldest is None or young:
            break
        before = oldest
        for table, count in drop_chunks(connection, oldest).items():
            gone[table] = gone.get(table, 0) + count
            found[table] = _hypertable_bytes(connection, table)
    return before


def drop_chunks(connection: psycopg.Connection, before: datetime) -> dict[str, int]:
    """Hypertable → chunks that ended before and are gone."""
    return {
        table: len(connection.execute("SELECT drop_chunks(%s::regclass, older_than => %s)", (table, before)).fetchall())
        for table in HISTORIES
    }


def delete(
    connection: psycopg.Connection, tables: Iterable[str], before: datetime, stop: threading.Event
) -> dict[str, int]:
    """Table → rows of before that are gone, a piece at a time until `stop` is set. Those with numbers go in their
    order: whoever looks between two pieces, or after a stop, finds all that is younger than the oldest row."""
    gone = {}
    for table in tables:
        statement = SQL(
            "DELETE FROM {table} WHERE ctid = ANY (ARRAY(SELECT ctid FROM {table} WHERE {old} {order} LIMIT {piece}))"
        ).format(
            table=Identifier(table),
            old=OLD_IN.get(table, OLD),
            order=SQL("ORDER BY id" if table in NUMBERED else ""),
            piece=Literal(PIECE),
        )
        gone[table] = 0
        while not stop.is_set():
            count = connection.execute(statement, (before,)).rowcount
            gone[table] += count
            if count < PIECE:
                break
        if gone[table]:
            # Their places are used again from now on. The file stays as long as it is, so that nobody is locked out.
            connection.execute(SQL("VACUUM (TRUNCATE false) {}").format(Identifier(table)))
    return gone


def fit_chunks(connection: psycopg.Connection, edition: Edition, most: int) -> None:
    """Has new chunks of hypertables hold about a twentieth of `most` bytes, as fast as these have come so far: only
    whole ones can go."""
    if edition is Edition.PLAIN:
        return
    total = sum(_hypertable_bytes(connection, table) for table in HISTORIES)
    (age, now) = _row(
        connection,
        SQL(
            "SELECT now() - min(range_start), max(time_interval) FROM timescaledb_information.dimensions "
            "LEFT JOIN timescaledb_information.chunks USING (hypertable_schema, hypertable_name) "
            "WHERE hypertable_name = ANY ({})"
        ).format(Literal(list(HISTORIES))),
    )
    wanted = chunk_interval(age, total, most)
    if wanted * 2 <= now or wanted >= now * 2:
        for table in HISTORIES:
            connection.execute("SELECT set_chunk_time_interval(%s::regclass, %s)", (table, wanted))


def chunk_interval(age: timedelta | None, total: int, most: int) -> timedelta:
    """`age`: of the oldest chunk, None where there is none."""
    if age is None or not total:
        return CHUNK_FIRST
    return min(max(age * (most / CHUNKS / total), CHUNK_LEAST), CHUNK_MOST)
