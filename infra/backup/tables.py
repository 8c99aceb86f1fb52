"""The tables' part of a backup, by COPY in one transaction: the same files for every version and kind of Postgres."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import psycopg
from psycopg.sql import SQL, Identifier

from infra import migrations
from infra.backup.manifest import TablePart
from infra.backup.parts import Parts, chunks, reading
from infra.errors import OperatorError

FOLDER: Final = "tables"
CONNECT_S: Final = 10

_CREATED: Final = re.compile(r"^CREATE TABLE (?:IF NOT EXISTS )?([a-z_]+)", re.MULTILINE)
_DROPPED: Final = re.compile(r"^DROP TABLE (?:IF EXISTS )?([a-z_]+)", re.MULTILINE)


def names(version: int) -> list[str]:
    """The tables of the schema at `version`."""
    found: dict[str, None] = {}
    for migration in migrations.read()[:version]:
        text = migration.path.read_text()
        found |= dict.fromkeys(_CREATED.findall(text))
        for name in _DROPPED.findall(text):
            found.pop(name, None)
    return list(found)


def connect(dsn: str) -> psycopg.Connection:
    """Raises `OperatorError`."""
    try:
        return psycopg.connect(dsn, connect_timeout=CONNECT_S, application_name="backup")
    except psycopg.OperationalError as error:
        cause = (str(error).strip() or "no answer").splitlines()[0]
        raise OperatorError(f"Postgres: {cause}: hft up starts it, HFT_POSTGRES_DSN names yours") from None


def schema_version(connection: psycopg.Connection) -> int:
    """0 where there is no schema."""
    row = connection.execute("SELECT to_regclass('schema_migrations') IS NOT NULL").fetchone()
    if row is None or not row[0]:
        return 0
    row = connection.execute("SELECT coalesce(max(version), 0) FROM schema_migrations").fetchone()
    return 0 if row is None else int(row[0])


def _columns(connection: psycopg.Connection, table: str) -> list[str]:
    rows = connection.execute(
        """
        SELECT attname FROM pg_attribute
        WHERE attrelid = to_regclass(%s) AND attnum > 0 AND NOT attisdropped AND attgenerated = ''
        ORDER BY attnum
        """,
        (table,),
    )
    return [name for (name,) in rows]


def copy(dsn: str, parts: Parts) -> tuple[int, dict[str, TablePart]]:
    """All tables as they stood at one moment; the schema's version. Raises `OperatorError`."""
    found: dict[str, TablePart] = {}
    with connect(dsn) as connection:
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        version = schema_version(connection)
        for table in names(version):
            columns = _columns(connection, table)
            # A hypertable gives its rows to a query only.
            statement = SQL("COPY (SELECT {} FROM {}) TO STDOUT").format(
                SQL(", ").join(map(Identifier, columns)), Identifier(table)
            )
            with parts.writing(f"{FOLDER}/{table}.copy") as file, connection.cursor() as cursor:
                with cursor.copy(statement) as rows:
                    for data in rows:
                        file.write(data)
                found[table] = TablePart(columns, cursor.rowcount)
    return version, found


def require_empty(dsn: str) -> None:
    """Raises `OperatorError` where a table of ours has rows."""
    with connect(dsn) as connection:
        for table in names(schema_version(connection)):
            row = connection.execute(SQL("SELECT EXISTS (SELECT FROM {})").format(Identifier(table))).fetchone()
            if row is not None and row[0]:
                raise OperatorError(
                    f"the table {table} has rows: hft restore fills an empty database (set HFT_POSTGRES_DSN)"
                )


def restore(dsn: str, folder: Path, version: int, tables: dict[str, TablePart], history_days: int) -> None:
    """Makes the schema of the backup, fills it, and brings it to this program's. Raises `OperatorError`."""
    migrations.migrate(dsn, until=version)
    with connect(dsn) as connection:
        for table, part in tables.items():
            columns = SQL(", ").join(map(Identifier, part.columns))
            statement = SQL("COPY {} ({}) FROM STDIN").format(Identifier(table), columns)
            with reading(folder, f"{FOLDER}/{table}.copy") as content, connection.cursor() as cursor:
                with cursor.copy(statement) as rows:
                    for data in chunks(content):
                        rows.write(data)
                if cursor.rowcount != part.rows:
                    raise OperatorError(f"the table {table} has {cursor.rowcount} rows, the backup {part.rows}")
            _go_on_counting(connection, table)
    migrations.migrate(dsn, history_days=history_days)


def _go_on_counting(connection: psycopg.Connection, table: str) -> None:
    """Identity columns go on behind the rows that came with their numbers."""
    rows = connection.execute(
        "SELECT attname FROM pg_attribute WHERE attrelid = to_regclass(%s) AND attidentity <> ''", (table,)
    ).fetchall()
    for (column,) in rows:
        connection.execute(
            SQL("SELECT setval(pg_get_serial_sequence(%s, %s), coalesce(max({}), 0) + 1, false) FROM {}").format(
                Identifier(column), Identifier(table)
            ),
            (table, column),
        )
