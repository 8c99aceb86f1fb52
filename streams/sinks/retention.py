"""The job that lets old history go, where the database has no policies of its own: plain Postgres and TimescaleDB's
Apache edition."""

from __future__ import annotations

import logging
import threading
from typing import Final

import psycopg
from psycopg.sql import SQL, Identifier

from streams.sinks.editions import HISTORIES, Edition, detect

log = logging.getLogger(__name__)

INTERVAL_S: Final = 3_600.0
PIECE: Final = 20_000
"""Rows of one DELETE: the sink, which writes beside it, waits for none of them."""


def expire(connection: psycopg.Connection, days: int, stop: threading.Event) -> dict[str, int]:
    """Lets go of rows whose time is more than `days` days before now, by whole chunks of a day where the tables are
    hypertables; table → rows (chunks of a hypertable) that went. The connection is in autocommit.

    With the Community edition it does nothing: the policies of infra/schema/timescaledb do."""
    edition = detect(connection).edition
    gone: dict[str, int] = {}
    if edition is Edition.COMMUNITY:
        return gone
    for table in HISTORIES:
        gone[table] = 0
        if edition is Edition.APACHE:
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

    def __init__(self, dsn: str, days: int, stop: threading.Event) -> None:
        super().__init__(name="retention", daemon=True)
        self._dsn = dsn
        self._days = days
        self._stopping = stop

    def run(self) -> None:
        while not self._stopping.is_set():
            try:
                with psycopg.connect(
                    self._dsn, autocommit=True, connect_timeout=5, application_name="sink-postgres-retention"
                ) as connection:
                    gone = expire(connection, self._days, self._stopping)
                if any(gone.values()):
                    told = ", ".join(f"{count} of {table}" for table, count in gone.items() if count)
                    log.info("history of more than %d days let go: %s", self._days, told)
            except psycopg.Error as error:
                log.warning("no history was let go: %s", (str(error).strip() or "no answer").splitlines()[0])
            self._stopping.wait(INTERVAL_S)
