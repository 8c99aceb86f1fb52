"""The job that lets old history go: by days, where the database has no policies of its own (plain Postgres and
TimescaleDB's Apache edition), and by a quota's bytes on all of them."""

from __future__ import annotations

import logging
import threading
import time
from datetime import UTC
from typing import Final

import psycopg

from streams.sinks import room
from streams.sinks.editions import HISTORIES, Edition, detect

log = logging.getLogger(__name__)

DAYS_EVERY_S: Final = 3_600.0
ROOM_EVERY_S: Final = 60.0


def expire(connection: psycopg.Connection, days: int, stop: threading.Event) -> dict[str, int]:
    """Lets go of rows whose time is more than `days` days before now, by whole chunks where the tables are hypertables;
    table → rows (chunks of a hypertable) that went. The connection is in autocommit.

    With the Community edition it does nothing, since the policies of infra/schema/timescaledb do."""
    edition = detect(connection).edition
    if edition is Edition.COMMUNITY:
        return {}
    row = connection.execute("SELECT now() - make_interval(days => %s)", (days,)).fetchone()
    assert row is not None
    if edition is Edition.APACHE:
        return room.drop_chunks(connection, row[0])
    return room.delete(connection, HISTORIES, row[0], stop)


class Retention(threading.Thread):
    """Expires at its start and every hour, makes room every minute, until `stop` is set. A database that is away is
    tried again at the next turn: the sink says that it is."""

    def __init__(self, dsn: str, days: int, stop: threading.Event, most_bytes: int = 0) -> None:
        """`days`: after which history goes; `most_bytes`: that it may need; 0 for none of the two."""
        super().__init__(name="retention", daemon=True)
        self._dsn = dsn
        self._days = days
        self._most_bytes = most_bytes
        self._stopping = stop

    def run(self) -> None:
        days_due = 0.0
        while not self._stopping.is_set():
            try:
                with psycopg.connect(
                    self._dsn, autocommit=True, connect_timeout=5, application_name="sink-postgres-retention"
                ) as connection:
                    if self._days and time.monotonic() >= days_due:
                        self._tell(f"more than {self._days} days", expire(connection, self._days, self._stopping))
                        days_due = time.monotonic() + DAYS_EVERY_S
                    if self._most_bytes:
                        self._make_room(connection)
            except psycopg.Error as error:
                log.warning("no history was let go: %s", (str(error).strip() or "no answer").splitlines()[0])
            self._stopping.wait(ROOM_EVERY_S if self._most_bytes else DAYS_EVERY_S)

    def _make_room(self, connection: psycopg.Connection) -> None:
        edition = detect(connection).edition
        room.fit_chunks(connection, edition, self._most_bytes)
        before, gone = room.make_room(connection, edition, self._most_bytes, self._stopping)
        if before is not None:
            self._tell(f"before {before.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC", gone)
            return
        needed = sum(room.sizes(connection, edition).values())
        if needed > self._most_bytes:
            log.warning(
                "the history needs %.1f GB, the quota gives it %.1f, and all of it is too young to go",
                *(needed / 1e9, self._most_bytes / 1e9),
            )

    def _tell(self, which: str, gone: dict[str, int]) -> None:
        if any(gone.values()):
            told = ", ".join(f"{count} of {table}" for table, count in gone.items() if count)
            log.info("history of %s let go: %s", which, told)
