"""The schema, the sink's mapping and docs/sql.md name the same columns, and keys fit hypertables."""

from __future__ import annotations

import re
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from infra import migrations
from streams.sinks.editions import HISTORIES
from streams.sinks.history import TABLES
from streams.sinks.ledger_tables import POSITION_HISTORY, POSITIONS

ROOT = Path(__file__).parents[2]
HISTORY_TABLES = dict.fromkeys(HISTORIES, "timestamp")
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


@pytest.mark.parametrize(
    "name", ["orders", "order_events", "executions", "trades", "pnl", "candles", "order_flow", "alerts", "users"]
)
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
    assert set(POSITION_HISTORY.columns) - set(POSITIONS.columns) == {"strategies"}


def test_a_schema_with_rows_is_brought_forward(postgres_dsn: str, tmp_path: Path) -> None:
    """Expand only: what was written before stays, and the sink of before can still write."""
    with psycopg.connect(postgres_dsn, autocommit=True) as connection:
        connection.execute("CREATE DATABASE schema_before")
    own = make_conninfo(postgres_dsn, dbname="schema_before")
    (tmp_path / "0001_initial.sql").write_text((migrations.FOLDER / "0001_initial.sql").read_text())
    order = """
        INSERT INTO orders (order_id, account, symbol, quantity, status, filled_qty, remaining_qty, source, created_at,
                            updated_at, created_ns, updated_ns, last_seq, last_index)
        VALUES (%s, 'a', 'AAPL', 1, 'new', 0, 1, 'rest', now(), now(), 1, 1, 1, 0)
    """
    pnl = "INSERT INTO pnl VALUES (%s, 'a', 'USD', 1, 0, 0, 0, 1, 1, 0, 0, 0, 1, now(), 1)"
    for number, folder in enumerate((tmp_path, migrations.FOLDER)):
        migrations.migrate(own, folder)
        with psycopg.connect(own) as connection:
            connection.execute(order, (number,))
            connection.execute(pnl, (number,))
    with psycopg.connect(own) as connection:
        rows = connection.execute("SELECT post_only, reduce_only, stop_price FROM orders").fetchall()
        assert rows == [(False, False, None)] * 2
        assert connection.execute("SELECT marks FROM pnl").fetchall() == [({},)] * 2


def test_keys_of_histories_hold_the_time_column(dsn: str) -> None:
    text = """
        SELECT relation.relname, array_agg(attribute.attname::text)
        FROM pg_index JOIN pg_class relation ON relation.oid = indrelid
        JOIN pg_attribute attribute ON attribute.attrelid = indrelid AND attribute.attnum = ANY (indkey)
        WHERE indisunique GROUP BY relation.relname, indexrelid
    """
    with psycopg.connect(dsn) as connection:
        for table, key in connection.execute(text):
            if table in HISTORY_TABLES:
                assert HISTORY_TABLES[table] in key, f"{table}: {key}"
    with psycopg.connect(dsn) as connection:
        stamp = connection.execute("SELECT from_ns(1750000000123456789)").fetchone()
    assert stamp is not None
    assert stamp[0].isoformat() == "2025-06-15T15:06:40.123456+00:00"
