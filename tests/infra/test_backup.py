"""The parts of a backup: what is damaged or newer is refused by name, and topics and tables come back as they were."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import psycopg
import pytest
from confluent_kafka import Producer, TopicPartition
from confluent_kafka.cimpl import NewTopic
from psycopg.conninfo import make_conninfo
from psycopg.sql import SQL, Identifier

from engine import topics
from engine.journal import Writer
from engine.layout import COMMAND
from engine.segments import segments
from infra import kafka as kafka_server
from infra import migrations
from infra.backup import journal, log, manifest, tables
from infra.backup.manifest import FORMAT, Manifest, PartitionPart
from infra.backup.parts import Parts, reading
from infra.backup.restore import checked
from infra.backup.take import ORDER, one_version
from infra.errors import OperatorError
from streams import versions
from streams.consumer import log_bounds, read_to_end


def written(folder: Path, **changes: Any) -> Manifest:
    """A small backup."""
    parts = Parts(folder)
    parts.put("journal/1.journal", b"commands")
    parts.put("secrets/jwt", b"secret")
    found = Manifest(
        **{
            "program": "1",
            "created_ns": 1,
            "identity": 5,
            "shard": 0,
            "epoch": 1,
            "max_orders": 1000,
            "seq": 7,
            "ts_ns": 1,
            "schema": 1,
            "topics": {},
            "tables": {},
            "files": parts.files,
            **changes,
        }
    )
    manifest.write(folder, found)
    return found


def test_what_was_written_is_read_again(tmp_path: Path) -> None:
    found = written(tmp_path)
    assert checked(tmp_path) == found
    with reading(tmp_path, "secrets/jwt") as content:
        assert content.read() == b"secret"
    assert (tmp_path / "secrets" / "jwt.zst").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("name", ["journal/1.journal.zst", "secrets/jwt.zst", "manifest.json"])
def test_each_changed_byte_is_found_and_the_file_named(tmp_path: Path, name: str) -> None:
    written(tmp_path)
    path = tmp_path / name
    content = path.read_bytes()
    for place in range(0, len(content), max(1, len(content) // 20)):
        path.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
        with pytest.raises(OperatorError, match=f"{name} is damaged"):
            checked(tmp_path)
    path.unlink()
    with pytest.raises(OperatorError, match=f"{name} cannot be read"):
        checked(tmp_path)


def test_a_newer_backup_is_refused(tmp_path: Path) -> None:
    written(tmp_path, format=FORMAT + 1)
    with pytest.raises(OperatorError, match=f"a backup of format {FORMAT + 1}, this program reads up to {FORMAT}"):
        checked(tmp_path)


def test_newer_tables_are_refused(tmp_path: Path) -> None:
    written(tmp_path, schema=len(migrations.read()) + 1)
    with pytest.raises(OperatorError, match="restore it with a newer hft"):
        checked(tmp_path)


def test_every_topic_is_in_it_once() -> None:
    named = [topic for stage in ORDER for topic in stage]
    assert sorted(topic.name for topic in [*named, topics.AUDIT, topics.ORDERS]) == sorted(topics.BY_NAME)


def test_two_versions_of_positions_do_not_come_into_one_backup() -> None:
    stopping = msgspec.structs.replace(versions.FIRST, stopping=True)
    second = msgspec.structs.replace(versions.FIRST, version=2, begins=[5])
    with one_version(lambda: second):
        pass
    with pytest.raises(OperatorError, match=r"^hft rebuild positions is under way"), one_version(lambda: stopping):
        pytest.fail("it goes on")
    for later in (stopping, second):
        told = iter([versions.FIRST, later])
        with pytest.raises(OperatorError, match=r"began while the backup"), one_version(lambda: next(told)):  # noqa: B023
            pass


def test_a_journal_is_copied_up_to_its_last_whole_frame(tmp_path: Path) -> None:
    source, target = tmp_path / "journal", tmp_path / "backup"
    writer = Writer(source, max_orders=1000)
    for seq in range(1, 4):
        records = np.zeros(1, COMMAND)
        records["seq"], records["ts_ns"] = seq, 1000 + seq
        writer.append_records(records)
    writer.close()
    (path,) = segments(source)
    whole = path.read_bytes()
    for cut in (0, 1, 40):
        path.write_bytes(whole[: len(whole) - cut])
        point = journal.copy(source, Parts(target / str(cut)))
        assert point.seq == (2 if cut else 3)
        assert point.ts_ns == 1000 + point.seq
        with reading(target / str(cut), f"journal/{path.name}") as content:
            copied = content.read()
        assert whole.startswith(copied)


# ------------------------------------------------------------------------------------------------------- Kafka


def _records(bootstrap: str, name: str) -> list[Any]:
    return [
        (message.offset(), message.timestamp()[1], message.key(), message.value(), message.headers())
        for batch in read_to_end(bootstrap, {(name, 0): None})
        for message in batch
    ]


def test_a_topic_comes_back_offset_by_offset(kafka: str, tmp_path: Path) -> None:
    """Deleted records at its beginning, transactions with their marks, taken back ones, tombstones, empty values."""
    name, again = f"backup-{uuid.uuid4().hex[:8]}", f"backup-{uuid.uuid4().hex[:8]}"
    admin = kafka_server.admin_client(kafka)
    for each in (name, again):
        _create(admin, each)
    plain = Producer({"bootstrap.servers": kafka})
    for number in range(20):
        headers: Any = [("at", b"%d.0" % number), ("none", None)] if number % 2 else None
        plain.produce(name, b"v%d" % number, b"k%d" % number, timestamp=1_000_000 + number, headers=headers)
    plain.flush(30)
    transactions = Producer({"bootstrap.servers": kafka, "transactional.id": name})
    transactions.init_transactions(30)
    for number in range(6):
        transactions.begin_transaction()
        for _ in range(number):
            transactions.produce(name, b"t%d" % number, timestamp=2_000_000)
        transactions.flush(30)
        (transactions.abort_transaction if number % 2 else transactions.commit_transaction)(30)
    plain.produce(name, None, b"tombstone", timestamp=3_000_000)
    plain.produce(name, b"", b"empty", timestamp=3_000_000)
    plain.flush(30)
    admin.delete_records([TopicPartition(name, 0, 7)])[TopicPartition(name, 0, 7)].result(30)
    low, high = log_bounds(kafka, [name])[name, 0]
    wanted = _records(kafka, name)
    assert len(wanted) < high - low, "no transaction has left a mark"

    parts = Parts(tmp_path)
    (part,) = log.copy(kafka, name, {0: (low, high)}, parts)
    plain.produce(name, b"later")
    plain.flush(30)
    assert part == PartitionPart(low, high, len(wanted))
    log.Writer(kafka).exact(again, 0, part, log.read(tmp_path, name, 0))
    assert _records(kafka, again) == wanted
    assert log_bounds(kafka, [again])[again, 0] == (low, high)
    with pytest.raises(OperatorError, match="gave offset"):
        log.Writer(kafka).exact(again, 0, part, log.read(tmp_path, name, 0))


def _create(admin: Any, name: str) -> None:
    admin.create_topics([NewTopic(name, 1, 1)])[name].result(30)
    kafka_server.wait_for_leaders(admin, {name}, 30)


# ---------------------------------------------------------------------------------------------------- Postgres


@contextmanager
def _database(postgres_dsn: str) -> Iterator[str]:
    """An empty one."""
    name = f"backup_{uuid.uuid4().hex[:8]}"
    with psycopg.connect(postgres_dsn, autocommit=True) as server:
        server.execute(SQL("CREATE DATABASE {}").format(Identifier(name)))
        yield make_conninfo(postgres_dsn, dbname=name)
        server.execute(SQL("DROP DATABASE {} WITH (FORCE)").format(Identifier(name)))


def test_tables_of_an_older_schema_come_back_in_todays(postgres_dsn: str, tmp_path: Path) -> None:
    with _database(postgres_dsn) as old, _database(postgres_dsn) as new:
        migrations.migrate(old, until=4)
        with psycopg.connect(old) as connection:
            for number in range(3):
                connection.execute(
                    "INSERT INTO orders (order_id, account, symbol, quantity, status, filled_qty, remaining_qty, "
                    "source, created_at, updated_at, created_ns, updated_ns, last_seq, last_index, text) "
                    "VALUES (%s, 'a', 'AAPL', 1, 'new', 0, 1, 'rest', now(), now(), 1, 1, 1, 0, %s)",
                    (number, "tab\tline\nback\\slash"),
                )
            connection.execute("INSERT INTO layouts VALUES ('demo', 'main', %s)", (json.dumps({"a": [1]}),))
        parts = Parts(tmp_path)
        version, found = tables.copy(old, parts)
        assert version == 4
        assert found["orders"].rows == 3
        tables.require_empty(new)
        tables.restore(new, tmp_path, version, found, 0)
        with psycopg.connect(new) as connection:
            orders = "SELECT id, order_id, text, created_at FROM orders ORDER BY id"
            with psycopg.connect(old) as before:
                assert connection.execute(orders).fetchall() == before.execute(orders).fetchall()
            assert connection.execute("SELECT layout FROM layouts").fetchall() == [({"a": [1]},)]
            row = connection.execute("SELECT nextval(pg_get_serial_sequence('orders', 'id'))").fetchone()
            assert row == (4,)
            assert tables.schema_version(connection) == len(migrations.read())
        with pytest.raises(OperatorError, match="the table orders has rows"):
            tables.require_empty(new)
