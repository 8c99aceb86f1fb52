"""Migrations on the real embedded Postgres, each test in a database of its own."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from infra import migrations
from infra.errors import OperatorError
from infra.migrations import migrate, read
from streams.sinks.editions import Edition, Server


@pytest.fixture
def database(postgres_dsn: str) -> Iterator[str]:
    with psycopg.connect(postgres_dsn, autocommit=True) as connection:
        connection.execute("CREATE DATABASE migrations")
    yield postgres_dsn.rsplit("/", 1)[0] + "/migrations"
    with psycopg.connect(postgres_dsn, autocommit=True) as connection:
        connection.execute("DROP DATABASE migrations WITH (FORCE)")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "0001_first.sql").write_text("CREATE TABLE a (x integer);\nINSERT INTO a VALUES (1);")
    (tmp_path / "0002_second.sql").write_text("INSERT INTO a VALUES (2);")
    return tmp_path


def rows(dsn: str) -> list[int]:
    with psycopg.connect(dsn) as connection:
        return [row[0] for row in connection.execute("SELECT x FROM a ORDER BY x")]


def test_each_is_applied_once(database: str, folder: Path) -> None:
    first, again = migrate(database, folder), migrate(database, folder)
    assert (first.version, first.applied) == (2, 2)
    assert (again.version, again.applied) == (2, 0)
    assert rows(database) == [1, 2]
    assert first.kind.startswith("PostgreSQL ")


def test_two_programs_at_once(database: str, folder: Path) -> None:
    applied: list[int] = []
    threads = [
        threading.Thread(target=lambda: applied.append(migrate(database, folder).applied), daemon=True)
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(applied) == [0, 0, 0, 2]
    assert rows(database) == [1, 2]


def test_a_newer_schema_is_refused_in_one_line(database: str, folder: Path) -> None:
    migrate(database, folder)
    (folder / "0002_second.sql").unlink()
    with pytest.raises(OperatorError) as failure:
        migrate(database, folder)
    assert str(failure.value).startswith("the database has schema 2, this program knows 1: use a newer hft")
    assert "\n" not in str(failure.value)


def test_a_failing_file_leaves_nothing_of_itself(database: str, folder: Path) -> None:
    (folder / "0003_third.sql").write_text("INSERT INTO a VALUES (3);\nSELECT nonsense;")
    with pytest.raises(OperatorError, match=r"^migration 0003_third\.sql failed: column \"nonsense\" does not exist$"):
        migrate(database, folder)
    assert rows(database) == [1, 2]
    (folder / "0003_third.sql").write_text("INSERT INTO a VALUES (3);")
    assert migrate(database, folder).applied == 1


def test_a_gap_in_the_numbers(folder: Path) -> None:
    (folder / "0001_first.sql").unlink()
    with pytest.raises(ValueError, match="not numbered"):
        read(folder)


def test_nobody_there() -> None:
    with pytest.raises(OperatorError, match=r"^Postgres cannot be reached \(.*\): set HFT_POSTGRES_DSN$"):
        migrate("postgresql://hft@127.0.0.1:9/hft")


def test_the_systems_own_schema(database: str) -> None:
    assert migrate(database).version == len(read(migrations.FOLDER)) > 0


@pytest.mark.parametrize(
    ("server", "edition", "named"),
    [
        (Server("18.4", None, None), Edition.PLAIN, "PostgreSQL 18.4, plain"),
        (Server("17.6", "2.19.3", "apache"), Edition.APACHE, "PostgreSQL 17.6 with TimescaleDB 2.19.3, Apache"),
        (
            Server("17.6", "2.19.3", "timescale"),
            Edition.COMMUNITY,
            "PostgreSQL 17.6 with TimescaleDB 2.19.3, Community",
        ),
    ],
)
def test_the_three_kinds_are_told_apart(server: Server, edition: Edition, named: str) -> None:
    assert server.edition is edition
    assert server.line.startswith(named)
    assert "\n" not in server.line
