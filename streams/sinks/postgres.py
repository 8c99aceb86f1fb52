"""Kafka → Postgres: the history of orders, executions, trades, positions and P&L.

One transaction holds a batch's rows and the cursor behind them, so that nothing is missing and nothing twice, whatever
is killed when. After any failure everything is taken up again from the cursor that the database has.

While Postgres takes a batch over, the next one is read and made into text: two processors work on it.
"""

from __future__ import annotations

import gc
import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Final, NamedTuple

import psycopg

from streams import metrics
from streams.consumer import Cursor, LogReader, Stopped
from streams.lifecycle import Outage, stop_on_signals
from streams.outbox import Outbox
from streams.sinks.batch import Batch, Decoder
from streams.sinks.copy import lines
from streams.sinks.history import TABLES
from streams.sinks.lag import Lag
from streams.sinks.reach import Reach, start
from streams.sinks.retention import Retention
from streams.sinks.tables import Table

log = logging.getLogger(__name__)

SINK: Final = "postgres"
BATCH: Final = 20_000
WAIT_S: Final = 0.25
LINGER_S: Final = 0.02
AGAIN_S: Final = 0.5
CHECK_S: Final = 1.0
"""How often it looks, while nothing comes, whether the cursor is still there."""
GARBAGE_AFTER: Final = 200_000
"""A batch makes some ten objects a record, all of them there at once and none in a cycle: more than the other services
have (infra/garbage.py)."""
ADVISORY_LOCK: Final = 0x73696E6B
"""Held by the one sink that writes."""
SESSION: Final = (
    # A batch meets its tables by key. Without figures on the staging tables the planner may take reading all of a
    # large table for cheaper.
    "SET enable_hashjoin = off",
    "SET enable_mergejoin = off",
)

_AWAY = (psycopg.OperationalError, psycopg.InterfaceError)
_UNFIT = (psycopg.DataError, psycopg.IntegrityError, ValueError)


class Moved(Exception):
    """The cursor in the database is not where we left it."""


class Staged(NamedTuple):
    """The text of a batch's rows for one table."""

    table: Table
    text: bytes
    rows: int


def staged(batch: Batch) -> list[Staged]:
    """The batch's rows. Raises `ValueError` where a record does not fit its table."""
    found = []
    for topic, placed in batch.by_topic.items():
        for table in TABLES[topic]:
            rows = table.rows(placed)
            found.append(Staged(table, lines(rows), len(rows)))
    return found


class PostgresSink:
    """Writes until `stop` is set. `rows` counts what was staged, `lag` tells how far it is behind."""

    def __init__(self, bootstrap: str, dsn: str, stop: threading.Event) -> None:
        self.rows = 0
        self.lag = Lag()
        self._bootstrap = bootstrap
        self._dsn = dsn
        self._stop = stop
        self._outage = Outage(log, "Postgres")
        self._outbox = Outbox(bootstrap, "sink-postgres")
        self._decoder = Decoder(tuple(TABLES), self._outbox)
        self._reader = LogReader(bootstrap, tuple(TABLES), name="sink-postgres", stop=stop, log=log)
        self._stored: Cursor = {}
        self._check_at = 0.0

    def run(self, ready: Callable[[], None]) -> None:
        """`ready` is called once, when records are being read. Raises `LogMismatch` where the database's cursor is of
        another log."""
        said_ready = False
        Reach(self._bootstrap, self._reader, SINK, lambda: dict(self._stored), self._stop).start()
        try:
            while not self._stop.is_set():
                try:
                    with psycopg.connect(
                        self._dsn, autocommit=True, connect_timeout=5, application_name="sink-postgres"
                    ) as connection:
                        if not self._prepare(connection):
                            self._stop.wait(AGAIN_S)
                            continue
                        self._outage.back()
                        self._begin(connection)
                        if not said_ready:
                            said_ready = True
                            ready()
                        while not self._stop.is_set():
                            try:
                                self._copy_on(connection)
                            except Moved:
                                log.warning("Postgres lost what was written to it: reading it in again from its cursor")
                                self._begin(connection)
                except _AWAY as error:
                    self._outage.lost(error)
                    self._stop.wait(AGAIN_S)
        except Stopped:
            pass
        finally:
            self._reader.close()
            self._outbox.close()

    def _prepare(self, connection: psycopg.Connection) -> bool:
        """Whether this is the one sink that writes; its staging tables made."""
        row = connection.execute("SELECT pg_try_advisory_lock(%s)", (ADVISORY_LOCK,)).fetchone()
        if row is None or not row[0]:
            self._outage.lost("another sink writes to this database")
            return False
        for statement in SESSION:
            connection.execute(statement)
        for tables in TABLES.values():
            for table in tables:
                connection.execute(table.create)
        return True

    def _begin(self, connection: psycopg.Connection) -> None:
        """Reads on from where the database is."""
        self._stored = self._cursor(connection)
        start(self._reader, self._stored, SINK)

    def _cursor(self, connection: psycopg.Connection) -> Cursor:
        rows = connection.execute("SELECT topic, partition, next_offset FROM sink_cursors WHERE sink = %s", (SINK,))
        return {(topic, partition): next_offset for topic, partition, next_offset in rows}

    def _copy_on(self, connection: psycopg.Connection) -> None:
        """Reads and writes, a batch ahead of Postgres, until `stop` is set. Returns, or raises, with no write under
        way."""
        writing: tuple[Future[None], Batch] | None = None
        with ThreadPoolExecutor(1, "sink-postgres") as writer:
            try:
                while not self._stop.is_set():
                    messages = self._reader.read(BATCH, WAIT_S, LINGER_S)
                    batch = self._decoder.decode(messages) if messages else None
                    try:
                        rows = staged(batch) if batch else []
                    except ValueError:
                        rows = None  # found when it is written
                    if writing is not None:
                        future, written = writing
                        future.result()
                        writing = None
                        self._note_lag(written)
                    if batch is not None:
                        writing = (writer.submit(self._write, connection, batch, rows), batch)
                    elif time.monotonic() >= self._check_at:
                        self._check_at = time.monotonic() + CHECK_S
                        if self._cursor(connection) != self._stored:
                            raise Moved
            finally:
                if writing is not None:
                    wait((writing[0],))

    def _write(self, connection: psycopg.Connection, batch: Batch, rows: list[Staged] | None) -> None:
        """Commits the rows and the cursor behind them; `rows` is None where a record has made none."""
        begun_ns = time.perf_counter_ns()
        try:
            if rows is None:
                rows = staged(batch)
            with connection.transaction():
                for part in rows:
                    self._merge(connection, part)
                self._advance(connection, batch.ends)
                self._outbox.delivered()
            self._stored.update(batch.ends)
        except _UNFIT as error:
            self._write_apart(connection, batch, error)
        else:
            written = sum(part.rows for part in rows)
            self.rows += written
            metrics.SINK_ROWS.labels(SINK).inc(written)
            metrics.SINK_WRITES.series(SINK).note(time.perf_counter_ns() - begun_ns)

    def _write_apart(self, connection: psycopg.Connection, batch: Batch, error: Exception) -> None:
        """One of the records is refused: finds it, and sets it aside."""
        messages = batch.messages
        if len(messages) == 1:
            self._decoder.set_aside(messages[0], str(error).strip())
            self._write(connection, batch._replace(by_topic={}), [])
            return
        middle = len(messages) // 2
        for part in (messages[:middle], messages[middle:]):
            self._write(connection, self._decoder.decode(part, again=True), None)

    def _merge(self, connection: psycopg.Connection, part: Staged) -> None:
        if not part.rows:
            return
        with connection.cursor() as cursor:
            with cursor.copy(part.table.copy) as copy:
                copy.write(part.text)
            for statement in part.table.merge:
                cursor.execute(statement)

    def _advance(self, connection: psycopg.Connection, cursor: Cursor) -> None:
        """Raises `Moved` where it is not where the batch before has left it: the tables were emptied, or are those of
        an older backup."""
        known = {at: end for at, end in cursor.items() if at in self._stored}
        moved = 0
        if known:
            moved = connection.execute(
                """
                UPDATE sink_cursors SET next_offset = reached
                FROM unnest(%s::text[], %s::int[], %s::bigint[], %s::bigint[]) AS ours(name, number, reached, stored)
                WHERE (sink, topic, partition, next_offset) = (%s, name, number, stored)
                """,
                (*_columns(known), [self._stored[at] for at in known], SINK),
            ).rowcount
        if new := {at: end for at, end in cursor.items() if at not in self._stored}:
            moved += connection.execute(
                """
                INSERT INTO sink_cursors (sink, topic, partition, next_offset)
                SELECT %s, * FROM unnest(%s::text[], %s::int[], %s::bigint[]) ON CONFLICT DO NOTHING
                """,
                (SINK, *_columns(new)),
            ).rowcount
        if moved != len(cursor):
            raise Moved

    def _note_lag(self, batch: Batch) -> None:
        newest_ms = max(message.timestamp()[1] for message in (batch.messages[0], batch.messages[-1]))
        line = self.lag.note(self._reader.behind(batch.ends), newest_ms, time.time())
        metrics.SINK_LAG.labels(SINK).set(self.lag.seconds)
        if line is not None:
            log.warning("Postgres: %s", line)


def _columns(cursor: Cursor) -> tuple[list[str], list[int], list[int]]:
    """Topics, partitions and offsets."""
    return [topic for topic, _ in cursor], [number for _, number in cursor], list(cursor.values())


def run(bootstrap: str, dsn: str, history_days: int, ready: Callable[[], None], *, most_bytes: int = 0) -> None:
    """Writes until SIGTERM or SIGINT. `history_days`: older history is let go; `most_bytes`: so is what is more than
    that; 0: never."""
    gc.set_threshold(GARBAGE_AFTER)
    stop = stop_on_signals()
    if history_days or most_bytes:
        Retention(dsn, history_days, stop, most_bytes).start()
    PostgresSink(bootstrap, dsn, stop).run(ready)
