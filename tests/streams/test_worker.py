"""The Faust worker as a real process: exact through kill -9, and never stopped by a record."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import pytest
from confluent_kafka import Producer

from engine import topics as wire
from streams import audit
from tests.streams import flow, servers
from tests.streams.servers import OurProcess, wait_for

pytestmark = pytest.mark.integration


class Workers:
    """Starts the one worker again and again."""

    def __init__(self, bootstrap: str, folder: Path) -> None:
        self._arguments = (repr(bootstrap), f"path({str(folder / 'data')!r})")
        self.log = folder / "worker.log"
        self.processes: list[OurProcess] = []

    def start(self, *, wait: bool = True, before: str = "") -> OurProcess:
        process = OurProcess("streams.app", self.log, *self._arguments, before=before)
        self.processes.append(process)
        if wait:
            process.wait_ready()
        return process


@pytest.fixture
def workers(topics: str, tmp_path: Path) -> Iterator[Workers]:
    made = Workers(topics, tmp_path)
    yield made
    for process in made.processes:
        process.kill()


def settled(bootstrap: str) -> audit.AuditResult:
    """The audit once the worker has nothing left to do."""
    fills = servers.counts(bootstrap, "fills")["fills"]
    letters = sum(letter.topic == "fills" for letter in servers.records(bootstrap, wire.DEAD_LETTERS))
    wait_for(lambda: servers.has(bootstrap, "positions", fills - letters), "a position for each fill")
    return audit.from_topics(bootstrap, settle_s=30)


def test_every_fill_is_counted_once_through_kills(topics: str, workers: Workers) -> None:
    market = flow.Market(seed=11, accounts=12)
    flow.produce(topics, market.setup())
    flow.produce(topics, market.commands(4_000))
    published = 0
    for wanted in (1, 2_000):  # killed at its first records, and in the middle
        worker = workers.start()
        wait_for(lambda least=published + wanted: servers.has(topics, "positions", least), "positions")
        worker.kill()
        published = servers.counts(topics, "positions")["positions"]
        flow.produce(topics, market.commands(1_500))
    worker = workers.start()
    result = settled(topics)
    assert result.ok, result.report()
    assert result.positions == result.fills == servers.counts(topics, "fills")["fills"]
    assert result.accounts == 12
    assert result.marks_checked > 12
    assert worker.stop() == 0
    assert "ERROR" not in workers.log.read_text()


def test_lost_state_is_made_again_without_repeating_a_record(topics: str, workers: Workers) -> None:
    market = flow.Market(seed=12)
    flow.produce(topics, market.setup())
    flow.produce(topics, market.commands(1_000))
    worker = workers.start()
    assert settled(topics).ok
    worker.kill()
    servers.delete_topic(topics, "ledger-state")
    workers.start()
    flow.produce(topics, market.commands(500))
    result = settled(topics)
    assert result.ok, result.report()
    assert result.positions == result.fills


def test_a_record_that_cannot_be_used_is_a_dead_letter_and_no_obstacle(topics: str, workers: Workers) -> None:
    market = flow.Market(seed=13)
    flow.produce(topics, market.setup())
    workers.start()
    sound = [record for record in market.commands(50) if record[0] == "fills"]
    flow.produce(topics, sound[:40])
    _, _, fill = sound[40]
    bad = {
        b"no json": ("malformed", None),
        b"": ("malformed", None),
        b'{"seq": 1}': ("malformed", None),
        flow.changed(fill, symbol="NOPE"): ("unknown_symbol", "symbol"),
        flow.changed(fill, quantity="0"): ("invalid_quantity", "quantity"),
        flow.changed(fill, price="-1"): ("invalid_price", "price"),
        flow.changed(fill, side="hold"): ("invalid_field", "side"),
    }
    producer = Producer({"bootstrap.servers": topics})
    for value in bad:
        producer.produce("fills", value, b"AAPL")
    producer.flush()
    flow.produce(topics, sound[40:])
    wait_for(lambda: servers.has(topics, "dead-letters", len(bad)), "dead letters")
    letters = {
        base64.b64decode(letter.value): (letter.reason, letter.field)
        for letter in servers.records(topics, wire.DEAD_LETTERS)
    }
    assert letters == bad
    wait_for(lambda: servers.has(topics, "positions", len(sound)), "a position for each sound fill")
    assert {record.last_seq for record in servers.records(topics, wire.POSITIONS)} == {r.seq for _, _, r in sound}


FAIL_ONCE = """
from streams.agents.positions import PositionKeeper
sound, calls = PositionKeeper.fold, []
async def fold(self, shelf, value):
    calls.append(value)
    if len(calls) == 700:
        raise RuntimeError("a failure that nobody foresaw")
    await sound(self, shelf, value)
PositionKeeper.fold = fold
"""


def test_a_worker_that_fails_starts_over_from_its_state(topics: str, workers: Workers) -> None:
    market = flow.Market(seed=16)
    flow.produce(topics, chain(market.setup(), market.commands(600)))
    worker = workers.start(before=FAIL_ONCE)
    result = settled(topics)
    assert result.ok, result.report()
    assert result.positions == result.fills
    assert worker.stop() == 0
    assert "a failure that nobody foresaw" in worker.said()


def test_pnl_follows_marks_and_deposits(topics: str, workers: Workers) -> None:
    market = flow.Market(seed=14, accounts=2)
    flow.produce(topics, market.setup())
    workers.start()
    wait_for(lambda: servers.has(topics, "pnl", 2), "P&L of accounts that have not traded")
    flow.produce(topics, [record for record in market.commands(20) if record[0] != "books"])
    result = settled(topics)
    assert result.ok, result.report()
    before = servers.counts(topics, "pnl")["pnl"]

    deposit = flow.changed_account("trader-0", "1500000.00")
    flow.produce(topics, [deposit])
    wait_for(lambda: servers.has(topics, "pnl", before + 1), "P&L after a deposit")
    book = market.book("AAPL", market.seq + 1, flow.START_NS)
    while not (book.bids and book.asks):
        book = market.book("AAPL", market.seq + 1, flow.START_NS)
    flow.produce(topics, [("books", "AAPL", book)])
    wait_for(lambda: servers.has(topics, "pnl", before + 2), "P&L after another mark")
    result = audit.from_topics(topics, settle_s=30)
    assert result.ok, result.report()
    last = {record.account: record for record in servers.records(topics, wire.PNL)}
    assert last["trader-0"].deposits == "1500000.00"
    assert {mark.source for record in last.values() for s, mark in record.marks.items() if s == "AAPL"} == {"mid"}


def test_a_second_worker_in_the_same_folder_is_refused(workers: Workers) -> None:
    workers.start()
    second = workers.start(wait=False)
    assert second.wait_end() != 0
    assert "AlreadyRunning" in second.said()


def test_a_state_of_another_log_is_refused(topics: str, workers: Workers) -> None:
    market = flow.Market(seed=15)
    flow.produce(topics, chain(market.setup(), market.commands(50)))
    worker = workers.start()
    settled(topics)
    worker.kill()
    servers.delete_topic(topics, "fills")
    worker = workers.start(wait=False)
    assert worker.wait_end() != 0
    assert "was made on another log" in worker.said()
