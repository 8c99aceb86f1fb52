"""The three kinds of Postgres that the history may lie in, told apart by what the server says of itself."""

from __future__ import annotations

from enum import Enum
from typing import Final, NamedTuple

import psycopg

HISTORIES: Final = ("executions", "trades", "order_events", "position_history", "pnl", "order_flow", "alerts")
"""Tables that only grow: hypertables where there are any, and what HFT_HISTORY_DAYS is about."""


class Edition(Enum):
    PLAIN = "plain"
    APACHE = "Apache edition"
    COMMUNITY = "Community"


class Server(NamedTuple):
    postgres: str
    timescaledb: str | None
    licence: str | None
    """`timescaledb.license`."""
    installable: bool = False
    """TimescaleDB is there, but this role may not turn it on."""

    @property
    def edition(self) -> Edition:
        if self.timescaledb is None:
            return Edition.PLAIN
        return Edition.COMMUNITY if self.licence == "timescale" else Edition.APACHE

    @property
    def line(self) -> str:
        """What is in use, for people."""
        if self.edition is Edition.PLAIN:
            more = " (TimescaleDB is installed, but this role may not create the extension)" if self.installable else ""
            return f"PostgreSQL {self.postgres}, plain: tables, BRIN indexes and views, retention by our own job{more}"
        name = f"PostgreSQL {self.postgres} with TimescaleDB {self.timescaledb}, {self.edition.value}"
        if self.edition is Edition.APACHE:
            return f"{name}: hypertables and views, retention by our own job, no compression"
        return f"{name}: hypertables, compression after a week, continuous aggregates, retention policies"


def detect(connection: psycopg.Connection) -> Server:
    """What the connection's database is, as it stands."""
    said = connection.info.parameter_status("server_version") or "of unknown version"
    row = connection.execute(
        "SELECT extversion, current_setting('timescaledb.license', true)"
        " FROM pg_extension WHERE extname = 'timescaledb'"
    ).fetchone()
    return Server(said.split()[0], *(row or (None, None)))
