"""When replies go out: at once, after a flush to the disk, or once Kafka has acknowledged; and what time brings."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from engine.batch import COMMIT_SECONDS, Batch
from engine.core import Core
from engine.layout import COMMAND
from engine.messages import DefineAccount, NewOrder
from engine.progress import Progress
from engine.sequencer import Sequencer
from engine.snapshot import FOLDER, snapshots
from engine.words import Durability, Reason, Source
from tests.engine.doors import AAPL, define, logged_in, new_server, open_engine, until

JOURNALED, SYNCED, COMMITTED = Durability


class Desk:
    """A batch, the clock that it reads, what it flushed, and what it answered."""

    def __init__(self, folder: Path) -> None:
        self.now = 0.0
        self.syncs = 0
        self.sequencer = Sequencer(Core(max_orders=100), folder)
        self.sequencer.administer(AAPL, Source.SYSTEM, "")
        self.sequencer.administer(DefineAccount(account="demo"), Source.SYSTEM, "")
        self.batch = Batch(self.sequencer, most_unpublished=1 << 30, clock=lambda: self.now)
        self.progress = Progress(folder, self.sequencer.journal.identity)
        self.answers: dict[str, list[int]] = {}
        sync = self.sequencer.sync

        def counted() -> None:
            self.syncs += 1
            sync()

        self.sequencer.sync = counted  # type: ignore[method-assign]

    def order(self, name: str, durability: Durability) -> None:
        record = np.zeros(1, COMMAND)
        record["type"], record["account"], record["order_id"] = 2, 1, 5
        record["source_offset"] = record["source_partition"] = -1

        def answer(replies: NDArray[Any]) -> None:
            self.answers[name] = replies["durability"].tolist()

        self.batch.add(record, answer, durability)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    desk = Desk(tmp_path)
    yield desk
    desk.batch.close()
    desk.progress.close()
    desk.sequencer.close()


def test_a_batch_is_flushed_once_for_all_who_asked(desk: Desk) -> None:
    for name, level in (("a", JOURNALED), ("b", SYNCED), ("c", JOURNALED), ("d", SYNCED)):
        desk.order(name, level)
    desk.batch.flush()
    assert desk.answers == {"a": [1], "b": [2], "c": [1], "d": [2]}
    assert desk.syncs == 1
    desk.order("e", JOURNALED)
    desk.batch.flush()
    assert desk.syncs == 1


def test_a_committed_reply_waits_for_kafka(desk: Desk) -> None:
    desk.order("first", COMMITTED)
    desk.batch.flush()
    desk.order("second", COMMITTED)
    desk.order("quick", JOURNALED)
    desk.batch.flush()
    desk.batch.release()
    assert desk.answers == {"quick": [1]}
    desk.progress.committed = 3
    desk.batch.release()
    assert desk.answers == {"quick": [1], "first": [3]}
    desk.progress.committed = 5
    desk.batch.release()
    assert desk.answers["second"] == [3]


def test_a_reply_that_kafka_keeps_waiting_names_what_was_reached(desk: Desk) -> None:
    desk.order("a", COMMITTED)
    desk.batch.flush()
    desk.now += COMMIT_SECONDS - 0.01
    desk.batch.release()
    assert desk.answers == {}
    desk.now += 0.01
    desk.batch.release()
    assert desk.answers == {"a": [2]}
    assert desk.syncs == 1


def test_a_clean_end_answers_what_is_held(desk: Desk) -> None:
    desk.order("a", COMMITTED)
    desk.batch.close()
    assert desk.answers == {"a": [2]}


@pytest.mark.parametrize("level", [SYNCED, COMMITTED])
def test_a_command_may_ask_for_more_than_its_session(tmp_path: Path, level: Durability) -> None:
    with open_engine(tmp_path) as (server, address), logged_in(address) as client:
        define(client, "demo")
        with Progress(tmp_path, server._sequencer.journal.identity) as progress:
            progress.committed = 1 << 40
            order = NewOrder(
                account="demo",
                symbol="AAPL",
                side="buy",
                quantity=AAPL.lot_size,
                limit_price=AAPL.price_min,
                durability=level.wire,
            )
            [reply] = client.submit([order])
            assert reply.durability == level.wire


def test_time_is_a_command(tmp_path: Path) -> None:
    """An order that is good till a date ends without anybody asking, by a command in the journal."""
    later = 0

    def clock_ns() -> int:
        return time.time_ns() + later

    with open_engine(tmp_path, clock_ns=clock_ns) as (_, address), logged_in(address) as client:
        define(client, "demo")
        order = NewOrder(
            account="demo",
            symbol="AAPL",
            side="buy",
            quantity=AAPL.lot_size,
            limit_price=AAPL.price_min,
            time_in_force="gtd",
            expires_ns=time.time_ns() + 300 * 1_000_000_000,
            client_order_id="till-then",
        )
        [reply] = client.submit([order])
        assert reply.order_status == "new"
        time.sleep(0.05)
        assert client.ping() == reply.seq
        client.subscribe("demo")
        later = 301 * 1_000_000_000  # before the token ends
        until(lambda: client.ping() == reply.seq + 1)
        state = client.status("demo", client_order_id="till-then")
        assert state is not None
        assert state.order_status == "expired"
        reports = client.reports(10.0)
        assert reports is not None
        assert [Reason(reason) for reason in reports.records["reason"]] == [Reason.DAY_ENDED]
        time.sleep(0.05)
        assert client.ping() == reply.seq + 1


def test_snapshots_come_with_time_and_with_a_clean_end(tmp_path: Path) -> None:
    with open_engine(tmp_path, snapshot_seconds=0.2) as (server, address), logged_in(address) as client:
        define(client, "demo")
        until(lambda: len(snapshots(tmp_path / FOLDER)) > 0)
        hashed = server._core.state_hash()
        last_seq = client.ping()
    assert int(snapshots(tmp_path / FOLDER)[0].stem) == last_seq
    server = new_server(tmp_path, "inproc://again")
    assert server._core.state_hash() == hashed
    server.close()
