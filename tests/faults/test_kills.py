"""kill -9 of the real processes at random moments, while orders arrive by both doors: nothing lost, nothing twice."""

from __future__ import annotations

import random
import time

import pytest

from tests.faults.load import loading
from tests.faults.processes import kill, launcher_held, wait_back
from tests.faults.run import Run
from tests.faults.settings import KILLS, SEED
from tests.faults.torn import Torn
from tests.integration.waiting import wait_for
from tests.system import System

pytestmark = pytest.mark.faults

LONGEST_LIFE_S = 3.0
"""Of an engine between two kills."""
READY = 0.75
"""Share of the kills for which the engine is taking orders again."""


def test_kills_of_engine_and_publisher(system: System) -> None:
    """Some kills meet an engine that is still starting: it dies while it replays its journal."""
    chance = random.Random(f"{SEED}/kills")
    run = Run("kills")
    with loading(system, "kills", SEED, run.taken):
        for number in range(1, KILLS + 1):
            time.sleep(chance.uniform(0.2, LONGEST_LIFE_S))
            engine = kill(system, "engine")
            run.engine_kills += 1
            if number % 3 == 0:
                time.sleep(chance.uniform(0, 1))
                publisher = kill(system, "publisher")
                run.publisher_kills += 1
                wait_back(system, "publisher", publisher)
            wait_back(system, "engine", engine, ready=number == KILLS or chance.random() < READY)
        time.sleep(chance.uniform(0.5, LONGEST_LIFE_S))
    run.prove(system)


def test_a_torn_journal_tail(system: System) -> None:
    chance = random.Random(f"{SEED}/torn")
    run = Run("torn tail")
    with loading(system, "torn", SEED, run.taken):
        time.sleep(chance.uniform(0.5, LONGEST_LIFE_S))
        with launcher_held(system):
            engine = kill(system, "engine")
            run.engine_kills += 1
            torn = wait_for("the journal to be free", lambda: tear(system, chance))
        wait_back(system, "engine", engine)
        time.sleep(chance.uniform(0.5, LONGEST_LIFE_S))
    assert torn is not None
    assert torn.is_cut
    run.prove(system)


def tear(system: System, chance: random.Random) -> Torn | None:
    """None while the engine that was killed still holds the journal."""
    try:
        return Torn(system.folders.journal, chance)
    except BlockingIOError:
        return None


def test_kafka_dies_under_load(system: System) -> None:
    chance = random.Random(f"{SEED}/kafka")
    run = Run("Kafka killed")
    with loading(system, "kafka", SEED, run.taken):
        time.sleep(chance.uniform(0.5, LONGEST_LIFE_S))
        with launcher_held(system):
            kafka = kill(system, "kafka")
            run.kafka_kills += 1
            before = len(run.taken.acknowledged)
            wait_for("orders to go on without Kafka", lambda: len(run.taken.acknowledged) > before + 100)
        wait_back(system, "kafka", kafka)
        time.sleep(chance.uniform(0.5, LONGEST_LIFE_S))
    run.prove(system)
