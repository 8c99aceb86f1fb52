"""The replay itself: commands through a core of its own, and what comes of them against what was published."""

from __future__ import annotations

import gc
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from engine import command_rows, topics
from engine.command_rows import CommandError
from engine.core import Core
from engine.layout import BOOK_LEVELS
from engine.partitions import partition_of
from engine.publication import Output, Publication
from engine.records import book_record
from engine.segments import Frame
from engine.sequencer import apply_frame
from engine.units import Scale
from streams.consumer import Partition
from streams.day import agents
from streams.day.accounts import PNL
from streams.day.agents import Agents, Block, Top
from streams.day.aside import Aside
from streams.day.compared import Chain, Compared, differs
from streams.day.flows import ORDER_FLOW, Flows
from streams.day.log import Entry, Feed, Log
from streams.day.published import (
    Hashes,
    PublishedBook,
    digest,
    read_books,
    read_hashes,
    read_named_books,
    stamped,
)
from streams.day.result import SECOND, DayResult

FRAME_COMMANDS: Final = 2_000
MOST_ROWS: Final = 4_000
"""Reports of the core that are made into records together, and handed on."""
IN_ORDER: Final = (topics.ORDER_EVENTS, topics.FILLS, topics.TRADES)
"""Topics whose records have one order in each partition."""
REFERENCE: Final = (topics.INSTRUMENTS, topics.ACCOUNTS, topics.CORPORATE_ACTIONS)
COMMANDS: Final[Partition] = (topics.COMMANDS.name, 0)
READ: Final = (
    topics.COMMANDS,
    topics.STATE_HASHES,
    topics.BOOKS,
    *agents.TOPICS,
    topics.ORDER_FLOW,
    *IN_ORDER,
    *REFERENCE,
)
SETTLE_S: Final = 3.0
"""How long records are waited for that the commands give and that are not there yet."""
POLL_S: Final = 0.2

_encode: Final = msgspec.json.Encoder().encode


class DayError(RuntimeError):
    """The day cannot be replayed; the text says why."""


@contextmanager
def _no_garbage() -> Iterator[None]:
    """Records make no cycles, and millions of them are made."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def verify(log: Log, day: date, *, apart: bool = False) -> DayResult:
    """Replays the log from its first command to the end of the day (UTC), and compares. What the day began with comes
    of the days before it, so that these are replayed and compared too. `apart`: the agents' part runs in a process of
    its own, which the log must be able to go to. Raises `DayError`, `KafkaException`, and what `Aside` does."""
    bounds = _wait_for_outputs(log)
    started, worked = time.monotonic(), time.process_time()
    hashes = read_hashes(_feed(log, bounds, topics.STATE_HASHES.name))
    if not hashes.max_orders:
        raise DayError("no hash of the engine's state was published: the publisher does so every ten seconds")
    theirs = {partition: ends for partition, ends in bounds.items() if topics.BY_NAME[partition[0]] in agents.TOPICS}
    with _no_garbage():
        if apart:
            with closing(Aside(log, day.isoformat(), theirs, hashes.records)) as aside:
                result = _Day(log, day, bounds, hashes, aside).run()
        else:
            result = _Day(log, day, bounds, hashes, Agents(log, day.isoformat(), theirs, hashes.records)).run()
    result.seconds = time.monotonic() - started
    result.processor_seconds += time.process_time() - worked
    return result


def _feed(log: Log, bounds: dict[Partition, tuple[int, int]], name: str) -> Feed:
    return Feed(log, {partition: ends for partition, ends in bounds.items() if partition[0] == name})


def _wait_for_outputs(log: Log) -> dict[Partition, tuple[int, int]]:
    """The bounds of all topics; the commands' end is taken first, and what follows from them is let come."""
    first = log.bounds([topics.COMMANDS.name])
    limit = time.monotonic() + SETTLE_S
    names = [topic.name for topic in READ if topic is not topics.COMMANDS]
    before: dict[Partition, tuple[int, int]] = {}
    while (found := log.bounds(names)) != before and time.monotonic() < limit:
        before = found
        time.sleep(POLL_S)
    for (name, number), (low, _) in (first | found).items():
        if low and topics.BY_NAME[name].cleanup == "delete":
            raise DayError(
                f"{name}/{number} begins at offset {low}: what was before it has been deleted, so that nothing can be "
                "made from nothing (the topic's retention.ms)"
            )
    return first | found


class _Out(NamedTuple):
    """Where records of one key go: the keys and values that wait for their partition, and whether agents read it."""

    key: bytes
    keys: list[bytes]
    values: list[bytes]
    partition: int
    told: bool


class _Day:
    """The engine's part: what it must have said, held against what topics hold, and handed to the agents' part."""

    def __init__(
        self,
        log: Log,
        day: date,
        bounds: dict[Partition, tuple[int, int]],
        hashes: Hashes,
        others: Agents | Aside,
    ) -> None:
        self._log = log
        self.result = DayResult(day.isoformat())
        self._begin_ns = int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) * SECOND
        self._end_ns = self._begin_ns + int(timedelta(days=1).total_seconds()) * SECOND
        self._bounds = bounds
        self._engine_hashes = hashes.engine
        self._others = others
        self._books = read_books(_feed(log, bounds, topics.BOOKS.name))
        self._named = read_named_books(_feed(log, bounds, PNL))
        self._core = Core(max_orders=hashes.max_orders)
        self._core.compile()
        self._publication = Publication(self._core)
        self._publication.compile()
        self._epoch = 0
        self._counts: defaultdict[str, int] = defaultdict(int)
        for name, _ in bounds:
            self._counts[name] += 1
        feeds = {topic.name: _feed(log, bounds, topic.name) for topic in IN_ORDER}

        def chain(partition: Partition) -> Chain:
            return Chain(partition, hashes.records.get(partition, ()), self.result)

        self._commands_chain = chain(COMMANDS)
        self._flow_chains = {partition: chain(partition) for partition in bounds if partition[0] == ORDER_FLOW}
        self._flows = Flows(_feed(log, bounds, ORDER_FLOW), self._flow_chains, self.result)
        self._compared = {
            partition: Compared(feeds[partition[0]], partition, chain(partition), self.result)
            for partition in bounds
            if partition[0] in feeds
        }
        self._given: dict[str, list[tuple[bytes, bytes]]] = {topic.name: [] for topic in REFERENCE}
        """Keys and values of these topics, in order."""
        self._pending: list[NDArray[Any]] = []
        """Reports that no record was made of yet."""
        self._rows = 0
        self._waiting: dict[Partition, tuple[list[bytes], list[bytes]]] = {
            partition: ([], []) for partition in (COMMANDS, *self._compared)
        }
        """Keys and values that were made and not compared yet."""
        self._outs: dict[tuple[str, str], _Out] = {}
        self._told: list[tuple[str, int, bytes]] = []
        self._tops: list[Top] = []

    # ------------------------------------------------------------------------------------------------- replaying

    def run(self) -> DayResult:
        result = self.result
        ends = self._engine_hashes.keys() | self._books.keys() | self._named.keys() | self._flows.named.keys()
        try:
            for frame in command_rows.frames(self._core, self._commands(), FRAME_COMMANDS, ends):
                self._apply(frame)
        except CommandError as error:
            result.differs(f"{COMMANDS[0]}/{COMMANDS[1]}, command {error.seq or self._core.last_seq + 1}", f"{error}")
        if not result.commands:
            raise DayError(f"there is no command of {result.day} in the log")
        self._publish()
        self._finish()
        return result

    def _commands(self) -> Iterator[bytes]:
        """The commands' records up to the end of the day."""
        result, (keys, values) = self.result, self._waiting[COMMANDS]
        expected = 1
        for stamp, entry in stamped(_feed(self._log, self._bounds, COMMANDS[0])):
            if stamp.ts_ns >= self._end_ns:
                return
            if stamp.seq != expected:
                result.differs(f"commands/0 at {entry.offset}", f"it is command {stamp.seq}, must be {expected}")
            expected = stamp.seq + 1
            if stamp.ts_ns >= self._begin_ns:
                result.commands += 1
            result.first_ns = result.first_ns or stamp.ts_ns
            result.last_ns = stamp.ts_ns
            keys.append(entry.key)
            values.append(entry.value)
            yield entry.value

    def _apply(self, frame: Frame) -> None:
        if frame.epoch != self._epoch:
            self._publish()
            self._epoch = frame.epoch
            self._publication = Publication(self._core, epoch=frame.epoch)
        if frame.entry is not None:
            self._publish()  # records of what was before are made of the reference data as it was
        reports = apply_frame(self._core, frame).reports
        if frame.entry is not None:
            outputs = list(self._publication.administrative(frame.first_seq, frame.entry))
            self._take(iter(outputs))
            for refused in outputs:
                if refused.topic is topics.ORDER_EVENTS:
                    self._flows.refuse(refused.value, self._scales())
        if len(reports):
            self._pending.append(reports.copy())  # the core writes the next ones over them
            self._rows += len(reports)
        seq = frame.last_seq
        published = self._engine_hashes.pop(seq, None)
        if published is not None:
            self._compare_state(seq, published)
        if seq in self._books or seq in self._named or seq in self._flows.named:
            self._compare_books(seq, frame.ts_ns)
        if frame.entry is not None or self._rows >= MOST_ROWS:
            self._publish()

    def _publish(self) -> None:
        """Makes the records of what is pending, compares all that was made, and hands it on."""
        if self._pending:
            reports = np.concatenate(self._pending)
            self._take(self._publication.reports(reports))
            self._count_flow(reports)
            self._pending.clear()
            self._rows = 0
        for partition, (keys, values) in self._waiting.items():
            if not values:
                continue
            if partition == COMMANDS:
                self._commands_chain.add_all(keys, values)
            else:
                self._compared[partition].add_all(keys, values)
                self.result.records[partition[0]] += len(values)
            keys.clear()
            values.clear()
        if self._told or self._tops:
            self._others.take(Block(self._core.last_seq, self._told, self._tops))
            self._told, self._tops = [], []

    def _take(self, outputs: Iterator[Output]) -> None:
        """What the engine must have said."""
        outs, told, given = self._outs, self._told, self._given
        for topic, key, value, _, _ in outputs:
            name = topic.name
            if name in given:
                given[name].append((key.encode(), value))
                told.append((name, 0, value))
                self.result.records[name] += 1
            elif topic in IN_ORDER:
                out = outs.get((name, key)) or self._out(name, key)
                out.keys.append(out.key)
                out.values.append(value)
                if out.told:
                    told.append((name, out.partition, value))

    def _out(self, name: str, key: str) -> _Out:
        partition = partition_of(key, self._counts[name])
        told = name != topics.ORDER_EVENTS.name
        out = self._outs[name, key] = _Out(key.encode(), *self._waiting[name, partition], partition, told)
        return out

    def _count_flow(self, reports: NDArray[Any]) -> None:
        numbers = reports["instrument"]
        for number in np.unique(numbers).tolist():
            if 1 <= number <= len(self._core.instruments):
                symbol = self._core.instruments.by_number(number).definition.symbol
                self._flows.count(symbol, reports[numbers == number])

    def _scales(self) -> dict[str, Scale]:
        return {listed.definition.symbol: listed.scale for listed in self._core.instruments}

    def _compare_state(self, seq: int, published: str) -> None:
        self.result.engine_hashes += 1
        hashed = self._core.state_hash()
        if hashed != published:
            text = f"the hash of the state is {hashed}, published was {published}"
            self.result.differs(f"engine after command {seq}", text)

    def _compare_books(self, seq: int, ts_ns: int) -> None:
        published = self._books.pop(seq, ())
        by_flows = self._flows.named.pop(seq, set())
        for symbol in {book.symbol for book in published} | self._named.pop(seq, set()) | by_flows:
            listed = self._core.instruments.find(symbol)
            if listed is None:
                self.result.differs(f"books of command {seq}", f"there is no instrument {symbol}")
                continue
            book = book_record(self._core, listed.number, BOOK_LEVELS, seq, ts_ns)
            bid, ask = (side[0][0] if side else None for side in (book.bids, book.asks))
            self._tops.append(Top(symbol, seq, bid, ask, ts_ns))
            if symbol in by_flows:
                self._flows.book(book)
            self._compare_book(_encode(book), [one for one in published if one.symbol == symbol])

    def _compare_book(self, value: bytes, published: Sequence[PublishedBook]) -> None:
        expected = digest(value)
        for book in published:
            self.result.records[topics.BOOKS.name] += 1
            if book.digest != expected:
                entry = self._entry(book.partition, book.offset)
                name = f"{book.partition[0]}/{book.partition[1]}"
                differs(self.result, name, entry, book.symbol.encode(), value)

    def _entry(self, partition: Partition, offset: int) -> Entry:
        entry = Feed(self._log, {partition: (offset, offset + 1)}).take(partition)
        assert entry is not None  # it was there before
        return entry

    # ------------------------------------------------------------------------------------------------- the end

    def _finish(self) -> None:
        result, last_seq = self.result, self._core.last_seq
        for partition, compared in self._compared.items():
            if compared.missing:
                text = f"{compared.missing} last records are not there"
                result.differs(f"{compared.chain.name} at {self._bounds[partition][1]}", text)
        for seq in sorted(seq for seq in self._engine_hashes if seq <= last_seq):
            result.differs(f"engine after command {seq}", "its hash was published, but it ended no frame")
        for seq in sorted(seq for seq in self._books if seq <= last_seq):
            result.differs(f"books of command {seq}", "there is no such command")
        self._compare_reference()
        self._flows.finish(last_seq, self._scales())
        chains = (
            self._commands_chain,
            *self._flow_chains.values(),
            *(compared.chain for compared in self._compared.values()),
        )
        result.unhashed = sum(chain.unhashed for chain in chains)
        result.absorb(self._others.finish(last_seq))

    def _compare_reference(self) -> None:
        """What compaction has left of reference data, and all corporate actions; later ones are passed over."""
        for topic in REFERENCE:
            given = self._given[topic.name]
            for (name, number), entry in _feed(self._log, self._bounds, topic.name).entries():
                if entry.offset < len(given) and (entry.key, entry.value) != given[entry.offset]:
                    differs(self.result, f"{name}/{number}", entry, *given[entry.offset])
