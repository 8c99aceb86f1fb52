"""The fault tests can fail: with one guard switched off, the invariant that it keeps is seen to be broken."""

from __future__ import annotations

import random
import time
from pathlib import Path

import pytest
from confluent_kafka import Producer

from engine.topics import FILLS, LEDGER_STATE, POSITIONS
from streams import audit, state
from streams.consumer import log_bounds
from tests.faults.book_invariants import violations
from tests.faults.books import of_topics
from tests.faults.invariants import told
from tests.faults.load import loading
from tests.faults.pair import NAMES, running_pair
from tests.faults.run import Run, figures
from tests.faults.settings import SEED
from tests.faults.torn import Torn
from tests.streams import flow
from tests.streams.servers import PARTITIONS, OurProcess, counts, fresh_topics, has, wait_for

pytestmark = pytest.mark.faults

PATIENCE_S = 4.0
"""With a guard off the publisher may never catch up."""


def drill(folder: Path, bootstrap: str, guard_off: str | None) -> tuple[set[str], str]:
    """Load, kill -9 of engine and publisher, a torn tail, a restart, load: the invariants that it broke, and how."""
    fresh_topics(bootstrap)
    chance = random.Random(f"{SEED}/drill")
    run = Run(f"without {guard_off}" if guard_off else "with every guard")
    with running_pair(folder, bootstrap, guard_off) as pair:
        with loading(pair.system, "drill", SEED, run.taken):
            time.sleep(chance.uniform(1.0, 2.0))
            pair.kill(*NAMES)
            run.engine_kills += 1
            run.publisher_kills += 1
            Torn(pair.system.folders.journal, chance)
            pair.start(*NAMES)
            time.sleep(chance.uniform(1.0, 2.0))
        assert run.taken.acknowledged
        assert run.taken.delivered
        found = run.look(pair.system) if guard_off is None else run.look(pair.system, PATIENCE_S)
    return {violation.invariant for violation in found}, told(found)


def test_every_guard_on_breaks_nothing(tmp_path: Path, kafka: str) -> None:
    broken, text = drill(tmp_path, kafka, None)
    assert not broken, f"HFT_SEED={SEED}\n{text}"


@pytest.mark.parametrize(
    ("guard", "invariant"),
    [
        ("journal_offsets", "no_kafka_record_doubled"),
        ("resume_position", "no_event_doubled"),
        ("journal_before_reply", "no_acknowledged_order_lost"),
        ("torn_tail_cut", "no_acknowledged_order_lost"),
    ],
)
def test_a_guard_switched_off_breaks_its_invariant(tmp_path: Path, kafka: str, guard: str, invariant: str) -> None:
    broken, text = drill(tmp_path, kafka, guard)
    figures.append(f"  broken: {', '.join(sorted(broken)) or 'nothing'}")
    assert invariant in broken, f"HFT_SEED={SEED}: without {guard}, {invariant} still holds\n{text}"


def books_drill(folder: Path, bootstrap: str, guard_off: str | None) -> tuple[set[str], str]:
    """A worker that is killed in the middle and then loses its place, but not its state: it reads all fills again. The
    invariants that its positions broke, and how."""
    fresh_topics(bootstrap)
    chance = random.Random(f"{SEED}/books drill")
    market = flow.Market(seed=chance.randrange(1 << 31))
    before = "" if guard_off is None else f"from tests.faults.guards import GUARDS; GUARDS[{guard_off!r}]()"
    log, data = folder / "worker.log", f"path({str(folder / 'data')!r})"
    fills = 0

    def trade(commands: int) -> None:
        nonlocal fills
        flow.produce(bootstrap, list(market.commands(commands)))
        fills = counts(bootstrap, FILLS.name)[FILLS.name]

    def worker() -> OurProcess:
        return OurProcess("streams.app", log, repr(bootstrap), data, repr("mid"), before=before)

    def saved() -> bool:
        """Whether the state is that of the last fill."""
        ends = {number: high for (_, number), (_, high) in log_bounds(bootstrap, [FILLS.name]).items()}
        found = state.load(bootstrap, PARTITIONS, "positions", ends, POSITIONS.name)
        return all((found[number].next_offset or 0) == end for number, end in ends.items())

    flow.produce(bootstrap, market.setup())
    trade(chance.randint(300, 900))
    running = worker()
    try:
        wait_for(lambda: has(bootstrap, POSITIONS.name, chance.randint(1, fills)), "the first positions")
        running.kill()
        running = worker()
        wait_for(lambda: has(bootstrap, POSITIONS.name, fills), "a position for each fill")
        wait_for(saved, "the state to be saved")
        running.kill()
        producer = Producer({"bootstrap.servers": bootstrap})
        for number in range(PARTITIONS):
            producer.produce(LEDGER_STATE.name, None, state.record_key("positions", number, ""), number)
        assert producer.flush(30) == 0
        running = worker()
        trade(chance.randint(100, 300))
        wait_for(lambda: has(bootstrap, POSITIONS.name, fills), "a position for each fill after the loss")
        books = of_topics(bootstrap, audit.from_topics(bootstrap, settle_s=60).differences)
    finally:
        running.kill()
    found = violations(books)
    figures.append(f"books {f'without {guard_off}' if guard_off else 'with every guard'}: fills {fills}")
    return {violation.invariant for violation in found}, told(found)


def test_a_worker_that_lost_its_place_counts_nothing_twice(tmp_path: Path, kafka: str) -> None:
    broken, text = books_drill(tmp_path, kafka, None)
    assert not broken, f"HFT_SEED={SEED}\n{text}"


def test_without_the_sequence_guard_positions_are_wrong(tmp_path: Path, kafka: str) -> None:
    broken, text = books_drill(tmp_path, kafka, "ledger_sequence")
    figures.append(f"  broken: {', '.join(sorted(broken)) or 'nothing'}")
    assert "positions_are_the_audits" in broken, f"HFT_SEED={SEED}: without ledger_sequence it still holds\n{text}"
