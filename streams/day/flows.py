"""The order-flow statistics of a day, made again from the core's reports.

When they are published a clock decides: a record names the report and the book up to which it counts, and must be the
last minute before that report. It is summed up here by columns, not report by report as the agent does it."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Mapping
from operator import add
from typing import Any, Final, NamedTuple

import msgspec
import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from engine import topics
from engine.messages import Book
from engine.units import Scale
from engine.words import ExecType, Liquidity, Side
from streams.agents.order_flow import UNKNOWN, CountedEvent, published
from streams.consumer import Partition
from streams.day.compared import Chain, differs
from streams.day.log import Entry, Feed
from streams.day.result import DayResult
from streams.marks import TopOfBook
from streams.order_flow import ONE, STEP_NS, STEPS, Flow, Totals

ORDER_FLOW: Final = topics.ORDER_FLOW.name
NEW, TRADE, REJECTED, PRINT = (int(kind) for kind in (ExecType.NEW, ExecType.TRADE, ExecType.REJECTED, ExecType.PRINT))
ENDED: Final = (int(ExecType.CANCELED), int(ExecType.EXPIRED))
TAKER: Final = int(Liquidity.TAKER)
BUY: Final = int(Side.BUY)
_encode: Final = msgspec.json.Encoder().encode
_event: Final = msgspec.json.Decoder(CountedEvent)


class _Named(Struct):
    """What a record says that it is."""

    symbol: str
    book_seq: int | None
    last_seq: int
    last_index: int


_named: Final = msgspec.json.Decoder(_Named)
At = tuple[int, int]


class _Published(NamedTuple):
    partition: Partition
    entry: Entry
    named: _Named | None
    """None where it cannot be read."""


class _Window:
    """A symbol's last minute."""

    def __init__(self) -> None:
        self._steps: deque[tuple[int, Totals]] = deque()
        self._last_price = 0
        self.last: tuple[int, int, int] = (0, -1, 0)
        """(seq, index, ts_ns) of the last report."""

    def count(self, number: int, totals: Totals, prices: list[int]) -> None:
        """Reports of one step; `prices` of its trades, in order."""
        if self._steps and self._steps[-1][0] >= number:
            number, before = self._steps.pop()
            totals = Totals(*map(add, before, totals))
        squares = 0
        for price in prices:
            if self._last_price:
                squares += ((price - self._last_price) * ONE // self._last_price) ** 2
            self._last_price = price
        self._steps.append((number, totals._replace(squares=totals.squares + squares)))
        while self._steps[0][0] <= number - STEPS:
            self._steps.popleft()

    @property
    def flow(self) -> Flow:
        return Flow(tuple(self._steps), self._last_price, *self.last)


class Flows:
    """The topic `order-flow`."""

    def __init__(self, feed: Feed, chains: Mapping[Partition, Chain], result: DayResult) -> None:
        """Reads what was published, which is little."""
        self._chains = chains
        self._result = result
        self._published: list[_Published] = []
        self.named: defaultdict[int, set[str]] = defaultdict(set)
        """seq → symbols of the books that the records name."""
        points: defaultdict[str, set[At]] = defaultdict(set)
        for partition, entry in feed.entries():
            try:
                named = _named.decode(entry.value)
            except msgspec.DecodeError:
                self._published.append(_Published(partition, entry, None))
                continue
            self._published.append(_Published(partition, entry, named))
            points[named.symbol].add((named.last_seq, named.last_index))
            if named.book_seq is not None:
                self.named[named.book_seq].add(named.symbol)
        self._points = defaultdict(deque, {symbol: deque(sorted(at)) for symbol, at in points.items()})
        self._windows: defaultdict[str, _Window] = defaultdict(_Window)
        self._flows: dict[tuple[str, int, int], Flow] = {}
        self._books: dict[tuple[str, int], TopOfBook] = {}

    def book(self, book: Book) -> None:
        """A book that a record names."""
        (bid, bids), (ask, asks) = (side[0][:2] if side else (None, "0") for side in (book.bids, book.asks))
        self._books[book.symbol, book.seq] = TopOfBook(
            bid, ask, book.seq, book.ts_ns, book.action_seq, bids, asks, book.phase
        )

    def refuse(self, value: bytes, known: Mapping[str, Scale]) -> None:
        """The event of an order that was refused at the door."""
        event = _event.decode(value)
        if event.reason != UNKNOWN and event.symbol in known:
            one = Totals(rejected=1)
            self._step(event.symbol, event.ts_ns // STEP_NS, one, [], (event.seq, event.index, event.ts_ns))

    def count(self, symbol: str, reports: NDArray[Any]) -> None:
        """The core's next reports of a symbol."""
        reports = reports[reports["exec_type"] != PRINT]
        seqs, start = reports["seq"], 0
        points = self._points[symbol]
        while start < len(reports):
            end = len(reports)
            if points:
                seq, index = points[0]
                first, behind = (int(np.searchsorted(seqs, seq, side)) for side in ("left", "right"))
                end = first + int(np.searchsorted(reports["index"][first:behind], index, "right"))
            if end > start:
                self._add(symbol, reports[start:end])
                start = end
            else:
                points.popleft()  # there is no such report

    def _add(self, symbol: str, reports: NDArray[Any]) -> None:
        numbers = reports["ts_ns"] // STEP_NS
        for number in np.unique(numbers).tolist():
            rows = reports[numbers == number]
            kinds, lots = rows["exec_type"], rows["last_quantity"]
            traded, ended = kinds == TRADE, np.isin(kinds, ENDED)
            tape = rows[traded & (rows["liquidity"] == TAKER)]
            volume, prices = tape["last_quantity"].tolist(), tape["last_price"].tolist()
            totals = Totals(
                orders=int((kinds == NEW).sum()),
                rejected=int((kinds == REJECTED).sum()),
                canceled=int(ended.sum()),
                trades=len(tape),
                volume=sum(volume),
                bought=sum(tape["last_quantity"][tape["side"] == BUY].tolist()),
                turnover=sum(map(int.__mul__, volume, prices)),
                filled=sum(lots[traded].tolist()),
                unfilled=sum((rows["quantity"][ended] - rows["filled"][ended]).tolist()),
            )
            last = rows[-1]
            self._step(symbol, number, totals, prices, (int(last["seq"]), int(last["index"]), int(last["ts_ns"])))

    def _step(self, symbol: str, number: int, totals: Totals, prices: list[int], last: tuple[int, int, int]) -> None:
        window = self._windows[symbol]
        window.count(number, totals, prices)
        window.last = last
        points, at = self._points[symbol], last[:2]
        while points and points[0] <= at:
            if points.popleft() == at:
                self._flows[symbol, *at] = window.flow

    def finish(self, last_seq: int, scales: Mapping[str, Scale]) -> None:
        """Holds what was published against it; records of later reports are passed over."""
        seen: set[tuple[str, int, int]] = set()
        beyond: set[Partition] = set()
        for partition, entry, named in self._published:
            name, chain = f"{partition[0]}/{partition[1]}", self._chains[partition]
            if partition in beyond:
                continue
            if named is None:
                self._result.differs(f"{name} at {entry.offset}", "it cannot be read")
                chain.add(entry.key, entry.value)
                continue
            if max(named.last_seq, named.book_seq or 0) > last_seq:
                beyond.add(partition)
                continue
            at = (named.symbol, named.last_seq, named.last_index)
            flow = self._flows.get(at)
            book = None if named.book_seq is None else self._books.get((named.symbol, named.book_seq))
            if flow is None or at in seen or (book is None) != (named.book_seq is None):
                text = f"of {named.symbol} up to report {named.last_seq}.{named.last_index}, which is no next one"
                self._result.differs(f"{name} at {entry.offset}", text)
                chain.add(entry.key, entry.value)
                continue
            seen.add(at)
            self._result.records[ORDER_FLOW] += 1
            value = _encode(published(named.symbol, flow, book, scales[named.symbol]))
            if value != entry.value or entry.key != named.symbol.encode():
                differs(self._result, name, entry, named.symbol.encode(), value)
            chain.add(named.symbol.encode(), value)
