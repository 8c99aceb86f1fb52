"""The database schema: numbered SQL files, each applied once, and what fits it to the Postgres it lives in."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final, NamedTuple

import psycopg
from psycopg.sql import SQL

from infra.errors import OperatorError
from streams.sinks.editions import Edition, Server, detect

FOLDER: Final = Path(__file__).with_name("schema")
ADVISORY_LOCK: Final = 0x686674
"""So that two starting programs apply one after the other."""
TIMESCALEDB: Final = FOLDER / "timescaledb"
CONNECT_S: Final = 10
AGGREGATES: Final = ("candles_1m", "candles_1h", "pnl_1m")
"""Views, or continuous aggregates with TimescaleDB Community."""
HISTORY: Final = """
CREATE TABLE IF NOT EXISTS schema_migrations (
    version integer PRIMARY KEY,
    name text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE IF NOT EXISTS schema_editions (
    edition text PRIMARY KEY,
    applied_at timestamptz NOT NULL DEFAULT now()
)
"""


class Migration(NamedTuple):
    version: int
    name: str
    path: Path


class Schema(NamedTuple):
    version: int
    applied: int
    """How many migrations this call applied."""
    kind: str
    """One line: which Postgres it is."""


def read(folder: Path = FOLDER) -> list[Migration]:
    """The migrations in order. Raises `ValueError` where a number is missing or given twice."""
    migrations = []
    for path in sorted(folder.glob("*.sql")):
        match = re.fullmatch(r"(\d{4})_([a-z0-9_]+)\.sql", path.name)
        if match is None:
            raise ValueError(f"{path.name} is not named NNNN_name.sql")
        migrations.append(Migration(int(match[1]), match[2], path))
    if [migration.version for migration in migrations] != list(range(1, len(migrations) + 1)):
        raise ValueError(f"the migrations in {folder} are not numbered 1, 2, 3, …")
    return migrations


def migrate(dsn: str, folder: Path = FOLDER, *, history_days: int = 0, until: int | None = None) -> Schema:
    """Brings the database to the newest schema that this program knows, and fits it to its edition. `history_days` is
    what the Community edition's own policies keep (0: everything); elsewhere the sink's job does that. `until`: an
    older schema, as plain Postgres has it, for rows of that time.

    Raises `OperatorError` where it is newer already, cannot be reached, or a statement fails (then nothing of that
    file stays)."""
    migrations = read(folder)[:until]
    try:
        with psycopg.connect(dsn, autocommit=True, connect_timeout=CONNECT_S) as connection:
            connection.execute("SELECT pg_advisory_lock(%s)", (ADVISORY_LOCK,))
            server = turn_on(connection)
            connection.execute(HISTORY)
            row = connection.execute("SELECT coalesce(max(version), 0) FROM schema_migrations").fetchone()
            assert row is not None
            present = int(row[0])
            if present > len(migrations):
                raise OperatorError(
                    f"the database has schema {present}, this program knows {len(migrations)}: "
                    "use a newer hft, or another database (HFT_POSTGRES_DSN, HFT_VAR)"
                )
            for migration in migrations[present:]:
                _apply(connection, migration)
            if folder == FOLDER and until is None:
                _fit(connection, server.edition, history_days)
            return Schema(len(migrations), len(migrations) - present, server.line)
    except psycopg.OperationalError as error:
        raise OperatorError(f"Postgres cannot be reached ({_first_line(error)}): set HFT_POSTGRES_DSN") from None


def _apply(connection: psycopg.Connection, migration: Migration) -> None:
    try:
        with connection.transaction():
            connection.execute(SQL(migration.path.read_text()))
            connection.execute(
                "INSERT INTO schema_migrations (version, name) VALUES (%s, %s)", (migration.version, migration.name)
            )
    except psycopg.Error as error:
        raise OperatorError(f"migration {migration.path.name} failed: {_first_line(error)}") from None


def turn_on(connection: psycopg.Connection) -> Server:
    """Turns TimescaleDB on where the server has it; which Postgres this is."""
    row = connection.execute("SELECT 1 FROM pg_available_extensions WHERE name = 'timescaledb'").fetchone()
    if row is None:
        return detect(connection)
    try:
        connection.execute("CREATE EXTENSION IF NOT EXISTS timescaledb")
    except psycopg.errors.InsufficientPrivilege:
        return detect(connection)._replace(installable=True)
    return detect(connection)


def statements(name: str) -> list[str]:
    """Of one of the files of `timescaledb/`: what ends with a semicolon at the end of a line."""
    lines = [line for line in (TIMESCALEDB / name).read_text().splitlines() if not line.startswith("--")]
    return [text.strip() for text in re.split(r";$", "\n".join(lines), flags=re.MULTILINE) if text.strip()]


def _fit(connection: psycopg.Connection, edition: Edition, history_days: int) -> None:
    """Hypertables, and what else the edition has. Raises `OperatorError`; nothing of the step that failed stays."""
    if edition is Edition.PLAIN:
        return
    try:
        with connection.transaction():
            for statement in statements("hypertables.sql"):
                connection.execute(SQL(statement))
        if edition is Edition.COMMUNITY:
            _fit_community(connection, history_days)
    except psycopg.Error as error:
        raise OperatorError(f"TimescaleDB {edition.value} refused a statement: {_first_line(error)}") from None


def _fit_community(connection: psycopg.Connection, history_days: int) -> None:
    known = connection.execute("SELECT 1 FROM schema_editions WHERE edition = %s", (Edition.COMMUNITY.value,))
    if known.fetchone() is None:
        with connection.transaction():
            for statement in statements("community.sql"):
                connection.execute(SQL(statement))
            connection.execute("INSERT INTO schema_editions (edition) VALUES (%s)", (Edition.COMMUNITY.value,))
        # What was there before; not possible within a transaction.
        for name in AGGREGATES:
            connection.execute("CALL refresh_continuous_aggregate(%s::regclass, NULL, NULL)", (name,))
    with connection.transaction():
        connection.execute("SELECT set_config('hft.history_days', %s, true)", (str(history_days),))
        for statement in statements("community_retention.sql"):
            connection.execute(SQL(statement))


def _first_line(error: psycopg.Error) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
