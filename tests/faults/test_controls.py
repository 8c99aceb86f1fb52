"""The fault tests can fail: with one guard switched off, the invariant that it keeps is seen to be broken."""

from __future__ import annotations

import random
import time
from pathlib import Path

import pytest

from tests.faults.invariants import told
from tests.faults.load import loading
from tests.faults.pair import NAMES, running_pair
from tests.faults.run import Run, figures
from tests.faults.settings import SEED
from tests.faults.torn import Torn
from tests.streams.servers import fresh_topics

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
