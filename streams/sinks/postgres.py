"""Kafka → Postgres: the history of orders, executions, trades, positions and P&L.

One transaction holds a batch's rows and the cursor behind them, so that nothing is missing and nothing twice, whatever
is killed when. After any failure everything is taken up again from the cursor that the database has.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from typing import Final

import psycopg

from streams.consumer import Cursor, LogReader, Stopped
from streams.lifecycle import Outage, stop_on_signals
from streams.outbox import Outbox
from streams.sinks.batch import Decoder, Entry, by_topic, ends
from streams.sinks.tables import TABLES, Placed, Table

log = logging.getLogger(__name__)

SINK: Final = "postgres"
BATCH: Final = 20_000
WAIT_S: Final = 0.25
LINGER_S: Final = 0.02
AGAIN_S: Final = 0.5
ADVISORY_LOCK: Final = 0x73696E6B
"""Held by the one sink that writes."""

_AWAY = (psycopg.OperationalError, psycopg.InterfaceError)
_UNFIT = (psycopg.DataError, psycopg.IntegrityError, ValueError)


class PostgresSink:
    """Writes until `stop` is set. `rows` counts what was staged."""

    def __init__(self, bootstrap: str, dsn: str, stop: threading.Event) -> None:
        self.rows = 0
        self._dsn = dsn
        self._stop = stop
        self._outage = Outage(log, "Postgres")
        self._outbox = Outbox(bootstrap, "sink-postgres")
        self._decoder = Decoder(tuple(TABLES), self._outbox)
        self._reader = LogReader(bootstrap, tuple(TABLES), name="sink-postgres", stop=stop, log=log)

    def run(self, ready: Callable[[], None]) -> None:
        """`ready` is called once, when records are being read."""
        said_ready = False
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
                        self._reader.start(self._cursor(connection))
                        if not said_ready:
                            said_ready = True
                            ready()
                        while not self._stop.is_set():
                            if batch := self._reader.read(BATCH, WAIT_S, LINGER_S):
                                self._write(connection, self._decoder.decode(batch))
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
        for tables in TABLES.values():
            for table in tables:
                connection.execute(table.create)
        return True

    def _cursor(self, connection: psycopg.Connection) -> Cursor:
        rows = connection.execute("SELECT topic, partition, next_offset FROM sink_cursors WHERE sink = %s", (SINK,))
        return {(topic, partition): next_offset for topic, partition, next_offset in rows}

    def _write(self, connection: psycopg.Connection, entries: Sequence[Entry]) -> None:
        """Commits the records and the cursor behind them."""
        try:
            with connection.transaction():
                for topic, placed in by_topic(entries).items():
                    for table in TABLES[topic]:
                        self._merge(connection, table, placed)
                self._advance(connection, ends(entries))
                self._outbox.delivered()
        except _UNFIT as error:
            if len(entries) == 1:
                message, _ = entries[0]
                self._decoder.set_aside(message, str(error).strip())
                self._write(connection, [(message, None)])
            else:  # one of them is refused: find it
                middle = len(entries) // 2
                self._write(connection, entries[:middle])
                self._write(connection, entries[middle:])

    def _merge(self, connection: psycopg.Connection, table: Table, placed: list[Placed]) -> None:
        with connection.cursor() as cursor:
            with cursor.copy(table.copy) as copy:
                for row in table.rows(placed):
                    copy.write_row(row)
                    self.rows += 1
            for statement in table.merge:
                cursor.execute(statement)

    def _advance(self, connection: psycopg.Connection, cursor: Cursor) -> None:
        connection.execute(
            """
            INSERT INTO sink_cursors (sink, topic, partition, next_offset)
            SELECT %s, * FROM unnest(%s::text[], %s::int[], %s::bigint[])
            ON CONFLICT (sink, topic, partition) DO UPDATE SET next_offset = excluded.next_offset
            """,
            (SINK, [topic for topic, _ in cursor], [partition for _, partition in cursor], list(cursor.values())),
        )


def run(bootstrap: str, dsn: str, ready: Callable[[], None]) -> None:
    """Writes until SIGTERM or SIGINT."""
    PostgresSink(bootstrap, dsn, stop_on_signals()).run(ready)
