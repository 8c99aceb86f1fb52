"""The replay itself: commands through a core of its own, and what comes of them against what was published."""

from __future__ import annotations

import gc
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from typing import Final

import msgspec

from engine import command_rows, messages, topics
from engine.command_rows import CommandError
from engine.core import Core
from engine.layout import BOOK_LEVELS
from engine.partitions import partition_of
from engine.publication import Output, Publication
from engine.records import book_record
from engine.segments import Frame
from engine.sequencer import apply_frame
from streams import marks
from streams.consumer import Partition
from streams.day.accounts import PNL, POSITIONS, Pnl, Positions
from streams.day.bars import CANDLES, Candles
from streams.day.compared import Chain, Compared, differs
from streams.day.log import Entry, Feed, Log
from streams.day.published import (
    PublishedBook,
    digest,
    read_books,
    read_hashes,
    read_named_books,
    read_version,
    stamped,
)
from streams.day.reference import Reference
from streams.day.result import SECOND, DayResult

FRAME_COMMANDS: Final = 2_000
BOOKS_EVERY: Final = 20_000
"""Commands between two comparisons of the books of account."""
IN_ORDER: Final = (topics.ORDER_EVENTS, topics.FILLS, topics.TRADES)
"""Topics whose records have one order in each partition."""
REFERENCE: Final = (topics.INSTRUMENTS, topics.ACCOUNTS, topics.CORPORATE_ACTIONS)
COMMANDS: Final[Partition] = (topics.COMMANDS.name, 0)
READ: Final = (
    topics.COMMANDS,
    topics.STATE_HASHES,
    topics.BOOKS,
    topics.POSITIONS,
    topics.PNL,
    topics.CANDLES,
    topics.TOPIC_VERSIONS,
    *IN_ORDER,
    *REFERENCE,
)
SETTLE_S: Final = 3.0
"""How long records are waited for that the commands give and that are not there yet."""
POLL_S: Final = 0.2

_encode: Final = msgspec.json.Encoder().encode
_fill: Final = msgspec.json.Decoder(messages.Fill)
_trade: Final = msgspec.json.Decoder(messages.Trade)
_account: Final = msgspec.json.Decoder(messages.Account)
_action: Final = msgspec.json.Decoder(messages.CorporateAction)
_instrument: Final = msgspec.json.Decoder(messages.Instrument)


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


def verify(log: Log, day: date) -> DayResult:
    """Replays the log from its first command to the end of the day (UTC), and compares. What the day began with comes
    of the days before it, so that these are replayed and compared too. Raises `DayError`, `KafkaException`."""
    bounds = _wait_for_outputs(log)
    started = time.monotonic()
    with _no_garbage():
        result = _Day(log, day, bounds).run()
    result.seconds = time.monotonic() - started
    return result


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


class _Day:
    def __init__(self, log: Log, day: date, bounds: dict[Partition, tuple[int, int]]) -> None:
        self._log = log
        self.result = DayResult(day.isoformat())
        self._begin_ns = int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) * SECOND
        self._end_ns = self._begin_ns + int(timedelta(days=1).total_seconds()) * SECOND
        self._bounds = bounds
        hashes = read_hashes(self._feed(topics.STATE_HASHES.name))
        self._engine_hashes = hashes.engine
        if not hashes.max_orders:
            raise DayError("no hash of the engine's state was published: the publisher does so every ten seconds")
        self._chains = {
            partition: Chain(partition, hashes.records.get(partition, ()), self.result) for partition in self._bounds
        }
        self._books = read_books(self._feed(topics.BOOKS.name))
        self._named = read_named_books(self._feed(PNL))
        self._core = Core(max_orders=hashes.max_orders)
        self._core.compile()
        self._publication = Publication(self._core)
        self._publication.compile()
        self._epoch = 0
        self._counts: defaultdict[str, int] = defaultdict(int)
        for name, _ in self._bounds:
            self._counts[name] += 1
        feeds = {topic.name: self._feed(topic.name) for topic in IN_ORDER}
        self._compared = {
            partition: Compared(feeds[partition[0]], partition, self._chains[partition], self.result)
            for partition in self._bounds
            if partition[0] in feeds
        }
        self._given: dict[str, list[tuple[bytes, bytes]]] = {topic.name: [] for topic in REFERENCE}
        """Keys and values of these topics, in order."""
        self._reference = Reference()
        version = read_version(self._feed(topics.TOPIC_VERSIONS.name))
        self._positions = Positions(
            self._feed(POSITIONS), self._chains_of(POSITIONS), self._reference, version, self.result
        )
        self._candles = Candles(self._feed(CANDLES), self._chains_of(CANDLES), self._reference, self.result)
        self._pnl = Pnl(self._feed(PNL), self._chains_of(PNL), self._reference, self._positions, version, self.result)

    def _feed(self, name: str) -> Feed:
        return Feed(
            self._log, {partition: bounds for partition, bounds in self._bounds.items() if partition[0] == name}
        )

    def _chains_of(self, name: str) -> dict[Partition, Chain]:
        return {partition: chain for partition, chain in self._chains.items() if partition[0] == name}

    # ------------------------------------------------------------------------------------------------- replaying

    def run(self) -> DayResult:
        result = self.result
        ends = self._engine_hashes.keys() | self._books.keys() | self._named.keys()
        due = BOOKS_EVERY
        try:
            for frame in command_rows.frames(self._core, self._commands(), FRAME_COMMANDS, ends):
                self._apply(frame)
                if self._core.last_seq >= due:
                    due += BOOKS_EVERY
                    self._positions.compare()
                    self._pnl.compare(self._core.last_seq)
        except CommandError as error:
            result.differs(f"{COMMANDS[0]}/{COMMANDS[1]}, command {error.seq or self._core.last_seq + 1}", f"{error}")
        if not result.commands:
            raise DayError(f"there is no command of {result.day} in the log")
        self._finish()
        return result

    def _commands(self) -> Iterator[bytes]:
        """The commands' records up to the end of the day."""
        result, chain = self.result, self._chains[COMMANDS]
        expected = 1
        for stamp, entry in stamped(self._feed(COMMANDS[0])):
            if stamp.ts_ns >= self._end_ns:
                return
            if stamp.seq != expected:
                result.differs(f"commands/0 at {entry.offset}", f"it is command {stamp.seq}, must be {expected}")
            expected = stamp.seq + 1
            if stamp.ts_ns >= self._begin_ns:
                result.commands += 1
            result.first_ns = result.first_ns or stamp.ts_ns
            result.last_ns = stamp.ts_ns
            chain.add(entry.key, entry.value)
            yield entry.value

    def _apply(self, frame: Frame) -> None:
        if frame.epoch != self._epoch:
            self._epoch = frame.epoch
            self._publication = Publication(self._core, epoch=frame.epoch)
        reports = apply_frame(self._core, frame).reports
        if frame.entry is not None:
            self._compare(self._publication.administrative(frame.first_seq, frame.entry))
        self._compare(self._publication.reports(reports))
        seq = frame.last_seq
        published = self._engine_hashes.pop(seq, None)
        if published is not None:
            self._compare_state(seq, published)
        if seq in self._books or seq in self._named:
            self._compare_books(seq, frame.ts_ns)

    def _compare(self, outputs: Iterator[Output]) -> None:
        """What the engine must have said, against what topics hold."""
        reference, compared, counts = self._reference, self._compared, self._counts
        records = self.result.records
        for topic, key, value, _, _ in outputs:
            name = topic.name
            if topic in IN_ORDER:
                compared[name, partition_of(key, counts[name])].add(key.encode(), value)
                records[name] += 1
                if topic is topics.FILLS:
                    self._positions.count(_fill.decode(value))
                elif topic is topics.TRADES:
                    trade = _trade.decode(value)
                    last = marks.LastTrade(trade.price, trade.seq, trade.index, trade.ts_ns)
                    reference.trades[key, trade.seq].append(last)
                    self._candles.count(trade, partition_of(key, counts[name]))
            elif topic in REFERENCE:
                self._given[name].append((key.encode(), value))
                records[name] += 1
                if topic is topics.ACCOUNTS:
                    reference.accounts[key].append(_account.decode(value))
                elif topic is topics.INSTRUMENTS:
                    reference.define(_instrument.decode(value))
                else:
                    self._positions.act(_action.decode(value))

    def _compare_state(self, seq: int, published: str) -> None:
        self.result.engine_hashes += 1
        hashed = self._core.state_hash()
        if hashed != published:
            text = f"the hash of the state is {hashed}, published was {published}"
            self.result.differs(f"engine after command {seq}", text)

    def _compare_books(self, seq: int, ts_ns: int) -> None:
        published = self._books.pop(seq, ())
        for symbol in {book.symbol for book in published} | self._named.pop(seq, set()):
            listed = self._core.instruments.find(symbol)
            if listed is None:
                self.result.differs(f"books of command {seq}", f"there is no instrument {symbol}")
                continue
            book = book_record(self._core, listed.number, BOOK_LEVELS, seq, ts_ns)
            bid, ask = (side[0][0] if side else None for side in (book.bids, book.asks))
            self._reference.books[symbol, seq] = marks.TopOfBook(bid, ask, seq, ts_ns)
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
        self._positions.finish(last_seq)
        self._pnl.compare(last_seq)
        self._candles.finish(last_seq)
        for partition, compared in self._compared.items():
            if compared.missing:
                text = f"{compared.missing} last records are not there"
                result.differs(f"{compared.chain.name} at {self._bounds[partition][1]}", text)
        for seq in sorted(seq for seq in self._engine_hashes if seq <= last_seq):
            result.differs(f"engine after command {seq}", "its hash was published, but it ended no frame")
        for seq in sorted(seq for seq in self._books if seq <= last_seq):
            result.differs(f"books of command {seq}", "there is no such command")
        self._compare_reference()
        hashed = {topic.name for topic in topics.HASHED}
        result.unhashed = sum(chain.unhashed for (name, _), chain in self._chains.items() if name in hashed)

    def _compare_reference(self) -> None:
        """What compaction has left of reference data, and all corporate actions; later ones are passed over."""
        for topic in REFERENCE:
            given = self._given[topic.name]
            for (name, number), entry in self._feed(topic.name).entries():
                if entry.offset < len(given) and (entry.key, entry.value) != given[entry.offset]:
                    differs(self.result, f"{name}/{number}", entry, *given[entry.offset])
