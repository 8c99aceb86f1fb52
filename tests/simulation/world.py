"""One run: a seed's commands and faults, from an empty folder to the end, and what must hold on the way."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import small_exchange

from engine import snapshot
from engine.core import Core
from engine.disk import Disk
from engine.journal import DiskFailed
from engine.messages import AdministrativeCommand
from engine.progress import NAME
from engine.segments import JournalError
from engine.snapshot import SnapshotError, snapshots
from engine.topics import COMMANDS, ORDERS, STATE_HASHES
from engine.words import Source
from tests.simulation import invariants
from tests.simulation.broker import Broker, Place, Record
from tests.simulation.clock import Clock
from tests.simulation.disk import FaultyDisk
from tests.simulation.faults import Crash, Faults, MachineCrash
from tests.simulation.history import History, Replay
from tests.simulation.invariants import Broken, Evidence
from tests.simulation.processes import EngineProcess, PublisherProcess, in_place
from tests.simulation.traffic import Traffic

MEMORY: Final = Path("/dev/shm")
"""Where files cost the least, where there is such a place."""
TWIN_EVERY: Final = 10
"""One seed of so many is also compared with the reference."""
MOST_ROUNDS: Final = 3000
"""At the end everything must have come to rest by then."""
LONGEST_PUBLISHER: Final = 4000
"""Records until a publisher ends."""


class World:
    """The machine with engine and publisher, Kafka elsewhere, and those who send."""

    def __init__(self, seed: int, commands: int, folder: Path) -> None:
        self.seed = seed
        self.commands = commands
        self.max_orders = max(1000, commands)
        self.folder = folder / "journal"
        self.faults = Faults(seed)
        self.clock = Clock(self.faults)
        self.disk = FaultyDisk(self.faults)
        self.broker = Broker(self.faults)
        self.history = History()
        self.traffic = Traffic(seed, self.faults, self.broker)
        self.engine: EngineProcess | None = None
        self.publisher: PublisherProcess | None = None
        self.starts = 0
        self._machine_crashed = False
        self._kafka_is_ahead = False
        """Of a journal that has lost its end."""

    # --------------------------------------------------------------------------------------------------- the run

    def run(self) -> None:
        """Raises `Broken`."""
        with in_place(self.broker):
            try:
                self._open()
                while self.traffic.sent < self.commands:
                    self._round()
                self._come_to_rest()
                self._check_the_end()
            except JournalError as error:
                raise Broken("the_journal_is_sound", str(error)) from error
            finally:
                self._end_publisher()
                self._end_engine()

    def _open(self) -> None:
        """The exchange opens in peace."""
        self.faults.on = False
        self._start_engine()
        assert self.engine is not None
        for command in small_exchange.SET_UP:
            self.engine.sequencer.administer(command, Source.SYSTEM, "opening")
        self.engine.sequencer.sync()
        self.faults.on = True

    def _round(self) -> None:
        self.clock.pass_by()
        self._weather()
        try:
            if self.engine is None:
                self._start_engine()
            else:
                self._engine_round(self.engine)
        except (Crash, OSError, DiskFailed) as error:
            self._crashed(isinstance(error, MachineCrash))
        self._publisher_round()

    def _weather(self) -> None:
        chance, disk, broker = self.faults.chance, self.disk, self.broker
        if disk.room is None:
            if self.engine is not None and has_reserve(self.engine) and self.faults.strikes("disk full", 0.01):
                disk.fill()
        elif chance.random() < 0.1:
            disk.empty()
        if not broker.away:
            broker.away = self.faults.strikes("Kafka away", 0.01)
        elif chance.random() < 0.1:
            broker.away = False

    # ------------------------------------------------------------------------------------------------ the engine

    def _start_engine(self) -> None:
        """Raises `Crash` where it does not come to the end of its start."""
        self.broker.away = False  # until Kafka is there, a start reads nothing
        self._spoil_a_snapshot()
        self.disk.live()
        try:
            engine = self._opened()
        except JournalError as error:
            if "makes another state" in str(error):
                self.disk.forget(snapshots(self.folder / snapshot.FOLDER))
            else:
                raise
            engine = self._opened()
        self.engine = engine
        self.starts += 1
        last = engine.sequencer.last_seq
        if engine.sequencer.journal.cut_bytes:
            self.faults.note("torn tail cut")
        if self._machine_crashed:
            self._machine_crashed = False
            self.traffic.forget(last)
            self.history.forget(last)
            if self._last_published() > last:
                self._kafka_is_ahead = True
                self.faults.note("published and lost")
                self._start_publisher()  # both start together: the end is missed before its numbers are given again
        self._check()
        self.traffic.send_again(engine.batch, self.disk, self._is_committed)

    def _opened(self) -> EngineProcess:
        try:
            return EngineProcess(self.folder, self.disk, self.clock, self.max_orders, self.history.follow)
        except JournalError:
            self.disk.end_process()
            self.disk.live()
            raise

    def _spoil_a_snapshot(self) -> None:
        found = snapshots(self.folder / snapshot.FOLDER)
        if found and self.faults.strikes("damaged snapshot", 0.05):
            data = bytearray(found[0].read_bytes())
            data[self.faults.chance.randrange(len(data))] ^= 1 << self.faults.chance.randrange(8)
            self.disk.replace(found[0], bytes(data))
        elif found and is_sound(found[0], self.max_orders) and self.faults.strikes("foreign snapshot", 0.05):
            self.disk.replace(found[0], foreign(found[0], self.max_orders))

    def _engine_round(self, engine: EngineProcess) -> None:
        chance = self.faults.chance
        self.disk.disturbed = False
        for _ in range(chance.randint(1, 3)):
            self._send(engine)
        engine.step()
        self.history.hashes[engine.sequencer.last_seq] = engine.core.state_hash()
        if engine.batch.is_behind:
            self.faults.note("order refused behind Kafka")
        invariants.cancels_are_taken_when_full(self.traffic)
        invariants.committed_is_published(self.traffic)
        invariants.money_is_conserved(engine.core)
        if chance.random() < 0.03:
            engine.sequencer.snapshot(wait=True)
        if self.faults.strikes("crash between steps", 0.01):
            raise MachineCrash if chance.random() < 0.25 else Crash

    def _send(self, engine: EngineProcess) -> None:
        chance = self.faults.chance
        drawn = self.traffic.draw(self.clock.wall_ns())
        if isinstance(drawn, list):
            for _ in range(chance.choice((0, 0, 1, 4, 8))):
                more = self.traffic.draw(self.clock.wall_ns())
                if not isinstance(more, list):
                    self._administer(engine, more)
                    break
                drawn += more
            if chance.random() < 0.3:
                self.traffic.produce(drawn, engine.core)
                return
            records = self.traffic.records(drawn, engine.core)
            if len(records):
                self.traffic.send(engine.batch, records, self.disk, self._is_committed)
            return
        self._administer(engine, drawn)

    def _administer(self, engine: EngineProcess, command: AdministrativeCommand) -> None:
        self.traffic.administer(engine.batch, command, self._is_committed)

    def _crashed(self, machine: bool) -> None:
        if self.engine is not None and self.engine.read_ahead():
            self.faults.note("delivery lost")
        self._end_engine()
        if machine:
            self.faults.note("machine crash")
            self._machine_crashed = True
            self._end_publisher()
            self.disk.end_machine([self.folder, self.folder / snapshot.FOLDER])
            if self.faults.strikes("progress file lost", 0.3):
                (self.folder / NAME).unlink(missing_ok=True)

    def _end_engine(self) -> None:
        self.disk.end_process()
        if self.engine is not None:
            self.engine.end()
            self.engine = None

    # --------------------------------------------------------------------------------------------- the publisher

    def _publisher_round(self) -> None:
        chance = self.faults.chance
        try:
            if self.publisher is None:
                if self.engine is not None and not self.broker.away and chance.random() < 0.3:
                    self._start_publisher()
            elif chance.random() < 0.6:
                self.publisher.step()
                if chance.random() < 0.005:
                    raise Crash
        except Crash:
            self.faults.note("publisher crash")
            self._end_publisher()

    def _start_publisher(self) -> None:
        self.publisher = PublisherProcess(self.folder, self.max_orders, self.broker)
        if self.faults.on:
            self.publisher.producer.left = self.faults.chance.randint(1, LONGEST_PUBLISHER)
        try:
            self.publisher.prepare()
        except RuntimeError as error:
            if not self._kafka_is_ahead:
                raise Broken("the_publisher_starts", str(error)) from error
            self._kafka_is_ahead = False
            self._end_publisher()
            self.broker.clear_output()
        if self._kafka_is_ahead:
            raise Broken("a_lost_end_is_noticed", "the publisher goes on behind events that the journal has lost")

    def _end_publisher(self) -> None:
        if self.publisher is not None:
            self.publisher.end()
            self.publisher = None

    def _last_published(self) -> int:
        logs = [log for (topic, _), log in self.broker.logs.items() if topic != ORDERS.name and log]
        return max((invariants.position(log[-1])[0] for log in logs), default=0)

    def _is_committed(self, seq: int) -> bool:
        log = self.broker.logs[COMMANDS.name, 0]
        return not self._kafka_is_ahead and bool(log) and invariants.position(log[-1])[0] >= seq

    # ------------------------------------------------------------------------------------------------ the checks

    def _evidence(self) -> Evidence:
        assert self.engine is not None
        replay = Replay(self.folder, self.max_orders, self.history.hashes.keys())
        return Evidence(replay, self.engine.core, self.history, self.traffic, self.broker)

    def _check(self) -> None:
        evidence = self._evidence()
        invariants.money_is_conserved(evidence.live)
        for check in invariants.AFTER_A_START:
            check(evidence)

    def _come_to_rest(self) -> None:
        """No more faults: what waits is taken and published."""
        self.faults.on = self.broker.away = False
        self.disk.empty()
        for _ in range(MOST_ROUNDS):
            self.clock.wait(0.3)
            if self.engine is None:
                self._start_engine()
            assert self.engine is not None
            self.engine.step()
            if self.publisher is None:
                self._start_publisher()
            else:
                self.publisher.step()
            if self._is_at_rest(self.engine):
                return
        raise Broken("the_system_comes_to_rest", f"not after {MOST_ROUNDS} rounds without a fault")

    def _is_at_rest(self, engine: EngineProcess) -> bool:
        read = engine.sequencer.next_offsets
        all_read = all(
            read.get(number, 0) == len(self.broker.logs[ORDERS.name, number])
            for number in self.broker.partitions(ORDERS.name)
        )
        return all_read and self.publisher is not None and engine.sequencer.committed == engine.sequencer.last_seq

    def _check_the_end(self) -> None:
        """After a clean stop, a snapshot and another start."""
        assert self.engine is not None
        self.engine.batch.close()
        self.engine.sequencer.snapshot(wait=True)
        self.engine.sequencer.close()
        self.engine.ingress.close()
        self.engine = None
        self._end_publisher()
        self._start_engine()
        evidence = self._evidence()
        invariants.no_kafka_record_lost(evidence)
        invariants.no_event_doubled(evidence)
        invariants.no_event_missing(evidence)
        invariants.events_are_the_replay(evidence, self._published_in_peace())
        if self.seed % TWIN_EVERY == 0:
            invariants.twin_agrees(evidence, self.max_orders)

    def _published_in_peace(self) -> dict[Place, list[Record]]:
        """What a publisher makes of the whole journal that is the first, and the last."""
        peace = Faults(self.seed)
        peace.on = False
        broker = Broker(peace)
        with in_place(broker):
            publisher = PublisherProcess(self.folder, self.max_orders, broker)
            publisher.prepare()
            publisher.step()
            publisher.end()
        # How often the state is hashed follows the machine's own clock: another run has other hashes.
        return {place: log for place, log in broker.logs.items() if place[0] not in (ORDERS.name, STATE_HASHES.name)}


def has_reserve(engine: EngineProcess) -> bool:
    """An engine that has taken nothing but cancels since its start has not reserved any room for more of them yet."""
    journal = engine.sequencer.journal
    return journal._reserved >= journal._size + journal._reserve // 2


class OfAnotherProgram(Core):
    """Says of its state what another program said."""

    said = ""

    def state_hash(self) -> str:
        return self.said


def is_sound(path: Path, max_orders: int) -> bool:
    try:
        snapshot.load(path, Core(max_orders=max_orders))
    except (SnapshotError, JournalError):
        return False
    return True


def foreign(path: Path, max_orders: int) -> bytes:
    """The snapshot at `path` with an account that is richer than it says; nothing else is wrong with it."""
    core = OfAnotherProgram(max_orders=max_orders)
    core.said = snapshot.describe(path).state_hash
    place = snapshot.load(path, core)
    core.engine.ledger.accounts["deposits"][1] += 1
    with TemporaryDirectory() as folder:
        return snapshot.write(Path(folder), core, place, Disk()).read_bytes()


@contextmanager
def scratch() -> Iterator[Path]:
    with TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None) as folder:
        yield Path(folder)


def simulate(seed: int, commands: int) -> Counter[str]:
    """How often each fault happened. Raises `Broken`."""
    disabled = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with scratch() as folder:
            world = World(seed, commands, folder)
            world.run()
            return world.faults.counts
    finally:
        logging.disable(disabled)
