"""The schema, the sink's mapping and docs/sql.md name the same columns, and keys fit hypertables."""

from __future__ import annotations

import re
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from infra import migrations
from streams.sinks.tables import POSITION_HISTORY, POSITIONS, TABLES

ROOT = Path(__file__).parents[2]
HISTORIES = {"executions": "timestamp", "trades": "timestamp", "position_history": "timestamp", "pnl": "timestamp"}
ADDED_BY_THE_DATABASE = {"id", "created_at", "updated_at", "timestamp"}

pytestmark = pytest.mark.integration

Schema = dict[str, set[str]]


@pytest.fixture(scope="module")
def dsn(postgres_dsn: str) -> str:
    with psycopg.connect(postgres_dsn, autocommit=True) as connection:
        connection.execute("CREATE DATABASE schema_test")
    own = make_conninfo(postgres_dsn, dbname="schema_test")
    migrations.migrate(own)
    return own


@pytest.fixture(scope="module")
def columns(dsn: str) -> Schema:
    found: Schema = {}
    with psycopg.connect(dsn) as connection:
        rows = connection.execute(
            "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'public'"
        )
        for table, column in rows:
            found.setdefault(table, set()).add(column)
    return found


def documented() -> Schema:
    """Table → the columns that docs/sql.md lists."""
    found: Schema = {}
    for section in (ROOT / "docs" / "sql.md").read_text().split("\n## ")[1:]:
        head, _, body = section.partition("\n")
        names = [name.strip() for name in head.partition("←")[0].split(",")]
        listed = re.findall(r"^\| ([a-z_, ]+) \|", body, re.MULTILINE)
        for name in names:
            found[name] = {column.strip() for cell in listed for column in cell.split(",")} - {"column", "key"}
    return found


@pytest.mark.parametrize("name", ["orders", "executions", "trades", "pnl", "users"])
def test_every_column_is_documented(columns: Schema, name: str) -> None:
    assert documented()[name] == columns[name]


def test_positions_and_their_history_are_documented_together(columns: Schema) -> None:
    assert documented()["positions"] == columns["positions"] | columns["position_history"]


def test_the_sink_fills_every_column(columns: Schema) -> None:
    for tables in TABLES.values():
        for table in tables:
            assert columns[table.name] - set(table.columns) <= ADDED_BY_THE_DATABASE
            assert set(table.columns) <= columns[table.name]


def test_the_history_leaves_out_only_the_totals() -> None:
    assert set(POSITIONS.columns) - set(POSITION_HISTORY.columns) == {"bought_quantity", "sold_quantity"}


def test_keys_of_histories_hold_the_time_column(dsn: str) -> None:
    text = """
        SELECT relation.relname, array_agg(attribute.attname::text)
        FROM pg_index JOIN pg_class relation ON relation.oid = indrelid
        JOIN pg_attribute attribute ON attribute.attrelid = indrelid AND attribute.attnum = ANY (indkey)
        WHERE indisunique GROUP BY relation.relname, indexrelid
    """
    with psycopg.connect(dsn) as connection:
        for table, key in connection.execute(text):
            if table in HISTORIES:
                assert HISTORIES[table] in key, f"{table}: {key}"
    with psycopg.connect(dsn) as connection:
        stamp = connection.execute("SELECT from_ns(1750000000123456789)").fetchone()
    assert stamp is not None
    assert stamp[0].isoformat() == "2025-06-15T15:06:40.123456+00:00"
