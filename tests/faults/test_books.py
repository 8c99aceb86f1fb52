"""kill -9 of everything behind the engine at random moments, while orders arrive by both doors: the books of account,
Postgres and Redis are exact every time."""

from __future__ import annotations

import random
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.topics import LEDGER_STATE
from streams import state
from tests.faults.book_invariants import violations
from tests.faults.books import collect
from tests.faults.invariants import told
from tests.faults.load import LONG_PAUSE_S, Taken, loading
from tests.faults.processes import kill, launcher_held, wait_back
from tests.faults.run import PATIENCE_S, figures
from tests.faults.settings import KILL_LIMIT_S, KILLS, SEED
from tests.integration.waiting import wait_for
from tests.streams.servers import OurProcess, delete_topic, has
from tests.system import System

pytestmark = pytest.mark.faults

VICTIMS = ("streams", "sink-postgres", "sink-redis", "kafka", "postgres", "redis")
LONGEST_S = 1.5
"""Between two kills, whether or not the one killed before is back."""


class Guests:
    """Workers beside the system's own, which join and leave the group as they like."""

    def __init__(self, bootstrap: str, folder: Path, chance: random.Random) -> None:
        self.joined = self.left = self.killed = 0
        self._bootstrap = bootstrap
        self._folder = folder
        self._chance = chance
        self._here: list[OurProcess] = []
        self._leaving: list[OurProcess] = []

    def change(self) -> None:
        """One joins, or leaves, or is killed."""
        if not self._here or (len(self._here) < 2 and self._chance.random() < 0.5):
            self.joined += 1
            data = self._folder / f"guest-{self.joined}"
            log = self._folder / f"guest-{self.joined}.log"
            self._here.append(
                OurProcess("streams.app", log, repr(self._bootstrap), f"path({str(data)!r})", repr("mid"))
            )
            return
        guest = self._here.pop(self._chance.randrange(len(self._here)))
        if self._chance.random() < 0.5:
            self.left += 1
            guest.ask_to_stop()
            self._leaving.append(guest)
        else:
            self.killed += 1
            guest.kill()

    def close(self) -> None:
        for guest in (*self._here, *self._leaving):
            guest.kill()


@pytest.fixture
def guests(system: System, tmp_path: Path) -> Iterator[Guests]:
    made = Guests(system.settings.bootstrap, tmp_path, random.Random(f"{SEED}/guests"))
    yield made
    made.close()


def prove(system: System, name: str, did: str) -> None:
    """Fails, with the names of the invariants, where one does not hold."""
    books = collect(system, patience_s=2 * PATIENCE_S)
    found = violations(books)
    figures.append(
        f"{name}: {did}; fills {sum(books.fills.values())}, positions {sum(books.positions.values())}, "
        f"rows in Postgres {sum(sum(rows.values()) for rows in books.stored.values())} "
        f"and {len(books.stored_orders)} orders; violations {len(found)}"
    )
    assert books.fills, "nothing traded: the run proves nothing"
    assert not found, f"HFT_SEED={SEED}\n{told(found)}"


def test_kills_of_everything_behind_the_engine(system: System, guests: Guests) -> None:
    """One run for all of them: the kills of one meet the others while they start."""
    chance = random.Random(f"{SEED}/books")
    victims = list(VICTIMS * KILLS)
    chance.shuffle(victims)
    taken = Taken()
    wiped = 0
    last: dict[str, int] = {}
    with loading(system, "books", SEED, taken, pause_s=LONG_PAUSE_S):
        for number, victim in enumerate(victims, 1):
            time.sleep(chance.uniform(0.1, LONGEST_S))
            last[victim] = kill(system, victim)
            if victim == "streams" and chance.random() < 0.5:
                shutil.rmtree(system.folders.streams, ignore_errors=True)
                wiped += 1
            if number % 4 == 0:
                guests.change()
        guests.close()
        for victim, pid in last.items():
            wait_back(system, victim, pid)
        time.sleep(chance.uniform(0.5, LONGEST_S))
    did = f"kills {KILLS} each of {', '.join(VICTIMS)}; workers that joined {guests.joined}, left {guests.left}, "
    did += f"were killed {guests.killed}; folders wiped {wiped}; orders {taken.sent}"
    assert taken.acknowledged
    prove(system, "behind the engine", did)


def test_the_agents_state_is_lost_under_load(system: System) -> None:
    """The topic that the workers keep their state and place in is deleted: all is made again from `fills`."""
    chance = random.Random(f"{SEED}/state")
    taken = Taken()
    bootstrap = system.settings.bootstrap
    with loading(system, "state", SEED, taken, pause_s=LONG_PAUSE_S):
        wait_for("state to be lost", lambda: has(bootstrap, state.TOPIC, 1), KILL_LIMIT_S)
        time.sleep(chance.uniform(0.5, LONGEST_S))
        with launcher_held(system):
            streams = kill(system, "streams")
            delete_topic(bootstrap, LEDGER_STATE.name)
        wait_back(system, "streams", streams)
        time.sleep(chance.uniform(0.5, LONGEST_S))
    prove(system, "ledger-state deleted", f"orders {taken.sent}")
