"""The database schema: numbered SQL files, each applied once, and which of three kinds of Postgres it lives in."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final, NamedTuple

import psycopg
from psycopg.sql import SQL

from infra.errors import OperatorError

FOLDER: Final = Path(__file__).with_name("schema")
ADVISORY_LOCK: Final = 0x686674
"""So that two starting programs apply one after the other."""
CONNECT_S: Final = 10
HISTORY: Final = """
CREATE TABLE IF NOT EXISTS schema_migrations (
    version integer PRIMARY KEY,
    name text NOT NULL,
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


def migrate(dsn: str, folder: Path = FOLDER) -> Schema:
    """Brings the database to the newest schema that this program knows.

    Raises `OperatorError` where it is newer already, cannot be reached, or a statement fails (then nothing of that
    file stays)."""
    migrations = read(folder)
    try:
        with psycopg.connect(dsn, autocommit=True, connect_timeout=CONNECT_S) as connection:
            connection.execute("SELECT pg_advisory_lock(%s)", (ADVISORY_LOCK,))
            kind = describe(connection)
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
            return Schema(len(migrations), len(migrations) - present, kind)
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


def describe(connection: psycopg.Connection) -> str:
    """Turns TimescaleDB on where the server has it; one line that names which Postgres this is."""
    server = connection.info.parameter_status("server_version") or "of unknown version"
    version = server.split()[0]
    row = connection.execute("SELECT 1 FROM pg_available_extensions WHERE name = 'timescaledb'").fetchone()
    if row is None:
        return kind(version, None, None)
    try:
        connection.execute("CREATE EXTENSION IF NOT EXISTS timescaledb")
    except psycopg.errors.InsufficientPrivilege:
        return kind(version, None, None) + " (TimescaleDB is installed, but this role may not create the extension)"
    row = connection.execute(
        "SELECT extversion, current_setting('timescaledb.license', true)"
        " FROM pg_extension WHERE extname = 'timescaledb'"
    ).fetchone()
    assert row is not None
    return kind(version, row[0], row[1])


def kind(server: str, timescaledb: str | None, licence: str | None) -> str:
    """One line for the versions of the server and of TimescaleDB, and for `timescaledb.license`."""
    if timescaledb is None:
        return f"PostgreSQL {server}, plain: tables and views in place of hypertables and continuous aggregates"
    if licence == "timescale":
        return f"PostgreSQL {server} with TimescaleDB {timescaledb}, Community: every feature"
    return (
        f"PostgreSQL {server} with TimescaleDB {timescaledb}, Apache edition: hypertables, no compression, no policies"
    )


def _first_line(error: psycopg.Error) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
