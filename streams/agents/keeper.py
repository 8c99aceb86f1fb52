"""What the agents share: the state of each assigned partition, where to resume, and never counting a record twice.

An agent's state is loaded from `ledger-state` when its partitions are assigned, and dropped when they are revoked;
reading resumes at the cursor saved with it, whatever Faust's consumer group had committed (it commits nothing).
"""

from __future__ import annotations

import asyncio
import logging
import time
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final, Generic, TypeVar

import msgspec
from confluent_kafka import Message

from engine import words
from engine.legs import LEGS
from engine.traces import of_headers
from streams import metrics, state, versions
from streams.consumer import LogMismatch, Partition, Place, log_bounds, place, read_to_end
from streams.outbox import MOST_TEXT, Outbox
from streams.records import Unusable
from streams.resume import Batch

log = logging.getLogger(__name__)

OUTPUTS_BEHIND: Final = 20_000
"""An idle partition saves its cursor again after so many output records, which keeps short what a start reads."""

TURN: Final = 250
"""After so many records the other agents have their turn: some milliseconds."""

SAVE_INTERVAL_S: Final = 1.0
"""How often the state is saved. What was published since is found in the output topic at a start."""

S = TypeVar("S")


class HalfDone(RuntimeError):
    """What is in memory is not what is in the log: start over."""


@dataclass
class Shelf(Generic[S]):
    """An agent's state of one source partition."""

    partition: int
    next_offset: int
    states: dict[str, S] = field(default_factory=dict)
    touched: set[str] = field(default_factory=set)
    """Keys that have changed since they were saved."""
    saved_offset: int = -1
    saved_outputs: int = 0


class Keeper(ABC, Generic[S]):
    """Keeps one agent's state. Its methods run on the event loop, one at a time (`lock`)."""

    agent: ClassVar[str]
    source: ClassVar[str]
    output: ClassVar[str]
    needs_all: ClassVar[bool] = False
    """Its state comes of every record that there ever was."""

    def __init__(self, bootstrap: str, outbox: Outbox, clock: Callable[[], float]) -> None:
        self.bootstrap = bootstrap
        self.version = versions.FIRST
        """Of positions, whoever reads or writes them."""
        self.outbox = outbox
        self.clock = clock
        self._saved_at = clock()
        self._half_done = False
        self.lock = asyncio.Lock()
        self.stamps: list[int] = []
        """When the commands behind the output that is being sent were sequenced, where an agent notes that."""
        self.trace = b""
        """`traceparent` of the order that the record which is being folded follows from."""
        self._records = metrics.RECORDS.labels(f"agent-{self.agent}")
        self._batch = metrics.BATCH.labels(f"agent-{self.agent}")
        self.shelves: dict[int, Shelf[S]] = {}
        self._state_count = outbox.partition_count(state.TOPIC)

    # ------------------------------------------------------------------------------------- assigned and revoked

    async def resume(self, partitions: Iterable[int]) -> dict[int, int]:
        """The offset to read next of each of the partitions, their state loaded where it was not."""
        async with self.lock:
            wanted = set(partitions)
            missing = wanted - self.shelves.keys()
            if missing:
                self.shelves.update(await asyncio.to_thread(self._load, missing))
            return {number: self.shelves[number].next_offset for number in wanted}

    async def release(self) -> None:
        """Forgets all partitions, after the batch that is being worked on."""
        async with self.lock:
            self.shelves.clear()

    @property
    def saved_as(self) -> str:
        """The agent's name in `ledger-state`: each version of the positions has a state of its own."""
        if self.version.version > 1 and self.version.topic in (self.source, self.output):
            return f"{self.agent}@{self.version.version}"
        return self.agent

    def _begin(self, topic: str, partition: int) -> int:
        return versions.begin(self.version, topic, partition) if topic == self.version.topic else 0

    def _load(self, partitions: set[int]) -> dict[int, Shelf[S]]:
        saved = state.load(self.bootstrap, self._state_count, self.saved_as, partitions, self.output)
        bounds = log_bounds(self.bootstrap, [self.source])
        count = self.outbox.partition_count(self.output)
        starts: dict[Partition, int | None] = {
            (self.output, number): self._begin(self.output, number) or None for number in range(count)
        }
        if all(entry.next_offset is not None for entry in saved.values()):
            for partition in starts:
                starts[partition] = min((entry.outputs.get(partition, 0) for entry in saved.values()), default=0)
        shelves = {}
        for number, entry in saved.items():
            low, high = bounds[self.source, number]
            cursor = max(low, self._begin(self.source, number)) if entry.next_offset is None else entry.next_offset
            if low > (entry.next_offset or 0) and self.needs_all:
                had = "has no state" if entry.next_offset is None else f"had read to {cursor}"
                raise LogMismatch(
                    f"{self.source}/{number} begins at offset {low} and `{self.agent}` {had}: what came before "
                    "has been let go and cannot be counted again: restore `ledger-state` or the topics from a backup"
                )
            if cursor < low:
                log.warning("%s: %s/%d begins at offset %d, it had read to %d: what lay between is left out",
                            self.agent, self.source, number, low, cursor)  # fmt: skip
                cursor = low
            if cursor > high:
                raise LogMismatch(
                    f"{self.source}/{number} holds offsets {low} to {high}, but `{self.agent}` had read to {cursor}: "
                    "its state was made on another log"
                )
            shelf: Shelf[S] = Shelf(number, cursor, saved_offset=cursor)
            shelf.states = {key: self.restore(value) for key, value in entry.states.items()}
            shelves[number] = shelf
        for batch in read_to_end(self.bootstrap, starts, name=f"{self.agent}-tail"):
            for message in batch:
                name, number, offset = place(message)
                self.outbox.ends[name, number] = max(self.outbox.ends.get((name, number), 0), offset + 1)
                try:
                    self.recall(shelves, message)
                except (msgspec.DecodeError, ValueError) as error:  # none of ours: its readers set it aside
                    log.warning("%s: %s/%d offset %d: %s", self.agent, name, number, offset, str(error)[:MOST_TEXT])
        for partition, start in starts.items():
            self.outbox.ends.setdefault(partition, start or 0)
        for shelf in shelves.values():
            shelf.saved_outputs = self._outputs()
        log.info("%s: resumed %s", self.agent, {number: shelf.next_offset for number, shelf in shelves.items()})
        return shelves

    # ----------------------------------------------------------------------------------------------- the stream

    @asynccontextmanager
    async def whole(self) -> AsyncIterator[None]:
        """A piece of work that is done as a whole. Where it ends half done, the state is not fit to be saved: it is
        forgotten, and nothing is done with this keeper any more. Raises `HalfDone` then."""
        async with self.lock:
            if self._half_done:
                raise HalfDone(f"`{self.agent}` has failed before")
            try:
                yield
            except BaseException:
                self._half_done = True
                self.shelves.clear()
                raise

    async def advance(self, partition: int, batch: Batch) -> None:
        """Folds records of one partition of the source topic, in order, and leaves out what was folded before. A record
        that cannot be used goes to `dead-letters`."""
        async with self.whole():
            shelf = self.shelves.get(partition)
            if shelf is None:
                return
            for number, record in enumerate(batch, 1):
                if number % TURN == 0:
                    await asyncio.sleep(0)
                if record.offset < shelf.next_offset:
                    continue
                shelf.next_offset = record.offset + 1
                self.trace = of_headers(record.headers)
                try:
                    await self.fold(shelf, record.value or b"")
                except (Unusable, msgspec.DecodeError, ValueError) as error:
                    self.outbox.dead_letter(
                        Place(self.source, partition, record.offset),
                        record.key,
                        record.value,
                        record.timestamp * 1_000_000,
                        error.reason if isinstance(error, Unusable) else words.Reason.MALFORMED,
                        error.field if isinstance(error, Unusable) else None,
                        str(error),
                        self.trace,
                    )
            self._records.inc(len(batch))
            self._batch.observe(len(batch))
            await self.deliver()
            self._measure()

    def _measure(self) -> None:
        """Kafka has what the records have led to."""
        if self.stamps:
            leg, now_ns = LEGS.series(f"sequenced_to_{self.agent}"), time.time_ns()
            for ts_ns in self.stamps:
                leg.note(now_ns - ts_ns)
            self.stamps.clear()

    async def publish_due(self) -> None:
        """Publishes what is due by the clock, where an agent publishes anything so; to be called by a clock."""

    async def save_due(self) -> None:
        """Saves what has changed, every `SAVE_INTERVAL_S`; to be called by a clock."""
        if self.clock() - self._saved_at >= SAVE_INTERVAL_S:
            await self.save()

    async def save(self) -> None:
        """Saves what has changed."""
        async with self.whole():
            self._saved_at = self.clock()
            await self._save()

    async def _save(self) -> None:
        """All output has been delivered: whoever holds the lock delivers what it sends."""
        outputs = self._outputs()
        saved = False
        for shelf in self.shelves.values():
            moved = shelf.touched or shelf.next_offset != shelf.saved_offset
            if not moved and outputs - shelf.saved_outputs < OUTPUTS_BEHIND:
                continue
            states = [(key, self.preserve(shelf.states[key])) for key in shelf.touched]
            state.save(
                self.outbox, self._state_count, self.saved_as, shelf.partition, shelf.next_offset, self.output, states
            )
            shelf.touched.clear()
            shelf.saved_offset, shelf.saved_outputs = shelf.next_offset, outputs
            saved = True
        if saved:
            await self.deliver()

    async def deliver(self) -> None:
        """Waits until Kafka has all that was sent."""
        await asyncio.to_thread(self.outbox.delivered)

    def _outputs(self) -> int:
        return sum(end for (topic, _), end in tuple(self.outbox.ends.items()) if topic == self.output)

    # ------------------------------------------------------------------------------------- what each agent fills in

    @abstractmethod
    async def fold(self, shelf: Shelf[S], value: bytes) -> None:
        """Counts one record. Raises `Unusable`, `msgspec.DecodeError` or `ValueError`."""

    @abstractmethod
    def restore(self, saved: dict[str, Any]) -> S: ...

    @abstractmethod
    def preserve(self, kept: S) -> dict[str, Any]: ...

    @abstractmethod
    def recall(self, shelves: dict[int, Shelf[S]], message: Message) -> None:
        """Takes note of a record of the output that was published since the state was saved, or before."""
