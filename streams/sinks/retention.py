"""The job that lets old history go, where the database has no policies of its own: plain Postgres and TimescaleDB's
Apache edition."""

from __future__ import annotations

import logging
import threading
from typing import Any, Final, NamedTuple

import psycopg
from psycopg.sql import SQL, Composed, Identifier, Literal

from streams.sinks.editions import HISTORIES, Edition, detect

log = logging.getLogger(__name__)

INTERVAL_S: Final = 3_600.0
DAY: Final = 86_400
SAMPLE: Final = 1_000
ROW_HEAD: Final = 28
"""Bytes of a row in its page beside its columns (PostgreSQL, Database Page Layout)."""
ROOM: Final = 0.8
"""Of the bytes that a plain table may have: the rest is for rows that are gone and whose places are not used again."""
AGGREGATED_DAYS: Final = 8
"""Continuous aggregates look back seven: rows must not go before they are counted for good."""
PIECE: Final = 20_000
"""Rows of one DELETE: the sink, which writes beside it, waits for none of them."""


class Size(NamedTuple):
    """Of the history."""

    bytes: int
    """With indexes; of plain tables what their rows need, not what their files have: these never shrink."""
    days: int
    """From the oldest row on."""


def size(connection: psycopg.Connection, edition: Edition) -> Size:
    """By the database's own statistics, which are minutes old at most."""
    total = days = 0
    for table in HISTORIES:
        name = Identifier(table)
        (age_s,) = _row(connection, SQL("SELECT extract(epoch FROM now() - min(timestamp)) FROM {}").format(name))
        if age_s is None:
            continue
        days = max(days, int(age_s) // DAY + 1)
        if edition is not Edition.PLAIN:
            total += _row(connection, SQL("SELECT hypertable_size({}::regclass)").format(Literal(table)))[0] or 0
            continue
        rows, whole, heap = _row(
            connection,
            SQL(
                "SELECT n_live_tup, pg_total_relation_size(relid), greatest(pg_relation_size(relid), 1) "
                "FROM pg_stat_user_tables WHERE relid = {}::regclass"
            ).format(Literal(table)),
        )
        (row_bytes,) = _row(
            connection,
            SQL("SELECT avg(pg_column_size(one)) FROM (SELECT * FROM {} LIMIT {}) AS one").format(
                name, Literal(SAMPLE)
            ),
        )
        total += int(rows * (ROW_HEAD + float(row_bytes or 0)) * whole / heap)
    return Size(total, days)


def _row(connection: psycopg.Connection, statement: Composed) -> tuple[Any, ...]:
    found = connection.execute(statement).fetchone()
    assert found is not None
    return found


def days_within(found: Size, most: int, edition: Edition) -> int | None:
    """After how many days rows must go so that `most` bytes hold the history; None where it does."""
    most = int(most * ROOM) if edition is Edition.PLAIN else most
    if found.bytes <= most:
        return None
    least = AGGREGATED_DAYS if edition is Edition.COMMUNITY else 1
    return max(least, found.days * most // found.bytes)


def expire(
    connection: psycopg.Connection, days: int, stop: threading.Event, *, for_room: bool = False
) -> dict[str, int]:
    """Lets go of rows whose time is more than `days` days before now, by whole chunks of a day where the tables are
    hypertables; table → rows (chunks of a hypertable) that went. The connection is in autocommit.

    With the Community edition it does nothing, since the policies of infra/schema/timescaledb do, unless `for_room`:
    they know no bytes."""
    edition = detect(connection).edition
    gone: dict[str, int] = {}
    if edition is Edition.COMMUNITY and not for_room:
        return gone
    for table in HISTORIES:
        gone[table] = 0
        if edition is not Edition.PLAIN:
            chunks = connection.execute(
                "SELECT drop_chunks(%s::regclass, older_than => make_interval(days => %s))", (table, days)
            ).fetchall()
            gone[table] = len(chunks)
            continue
        statement = SQL(
            """
            DELETE FROM {table} WHERE ctid = ANY (ARRAY(
                SELECT ctid FROM {table} WHERE timestamp < now() - make_interval(days => %s) LIMIT %s
            ))
            """
        ).format(table=Identifier(table))
        while not stop.is_set():
            count = connection.execute(statement, (days, PIECE)).rowcount
            gone[table] += count
            if count < PIECE:
                break
    return gone


class Retention(threading.Thread):
    """Expires at its start and every hour until `stop` is set. A database that is away is tried again at the next turn:
    the sink says that it is."""

    def __init__(self, dsn: str, days: int, stop: threading.Event, most_bytes: int = 0) -> None:
        """`days`: after which history goes; `most_bytes`: that it may need; 0 for none of the two."""
        super().__init__(name="retention", daemon=True)
        self._dsn = dsn
        self._days = days
        self._most_bytes = most_bytes
        self._stopping = stop

    def run(self) -> None:
        while not self._stopping.is_set():
            try:
                with psycopg.connect(
                    self._dsn, autocommit=True, connect_timeout=5, application_name="sink-postgres-retention"
                ) as connection:
                    if self._days:
                        self._tell(self._days, expire(connection, self._days, self._stopping))
                    if self._most_bytes:
                        self._make_room(connection)
            except psycopg.Error as error:
                log.warning("no history was let go: %s", (str(error).strip() or "no answer").splitlines()[0])
            self._stopping.wait(INTERVAL_S)

    def _make_room(self, connection: psycopg.Connection) -> None:
        edition = detect(connection).edition
        found = size(connection, edition)
        days = days_within(found, self._most_bytes, edition)
        if days is None:
            return
        if days >= found.days:
            log.warning(
                "%d days of history need %.1f GB, the quota gives them %.1f: no day of it can go",
                *(found.days, found.bytes / 1e9, self._most_bytes / 1e9),
            )
            return
        self._tell(days, expire(connection, days, self._stopping, for_room=True))

    def _tell(self, days: int, gone: dict[str, int]) -> None:
        if any(gone.values()):
            told = ", ".join(f"{count} of {table}" for table, count in gone.items() if count)
            log.info("history of more than %d days let go: %s", days, told)
