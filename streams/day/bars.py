"""The candles of a day, made again from recomputed trades by the fold that the agent calls.

Which bars are closed, and by which trade, follows from the trades. When open ones are shown a clock decides: such a
record names the last trade that is in it, and must be the bar after that trade."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Final, NamedTuple

import msgspec
from msgspec import Struct

from engine import messages, topics
from streams import candles, records
from streams.candles import SECOND_NS, Chart, Closed
from streams.consumer import Partition
from streams.day.compared import Chain, differs
from streams.day.log import Entry, Feed
from streams.day.reference import Reference
from streams.day.result import DayResult, shown

CANDLES: Final = topics.CANDLES.name
_encode: Final = msgspec.json.Encoder().encode


class _Named(Struct):
    """What a record says that it is."""

    symbol: str
    interval_s: int
    start_ns: int
    closed: bool
    last_seq: int
    last_index: int


_named: Final = msgspec.json.Decoder(_Named)


class Bar(NamedTuple):
    """Which bar, after which trade."""

    symbol: str
    interval_s: int
    start_ns: int
    closed: bool
    last_seq: int
    last_index: int


class Published(NamedTuple):
    """The record of it."""

    partition: Partition
    entry: Entry

    @property
    def name(self) -> str:
        return f"{self.partition[0]}/{self.partition[1]}"


class Candles:
    """The topic `candles`."""

    def __init__(self, feed: Feed, chains: Mapping[Partition, Chain], reference: Reference, result: DayResult) -> None:
        """Reads what was published, which is little."""
        self._reference = reference
        self._result = result
        self._charts: defaultdict[int, dict[str, Chart]] = defaultdict(dict)
        """Partition of `trades` → symbol → its bars: bars are closed by any trade of their partition."""
        self._settled: dict[int, int] = {}
        self._published: dict[Bar, Published] = {}
        self._named: set[tuple[str, int, int]] = set()
        """Symbol and trade of the records of open bars."""
        for partition, entry in feed.entries():
            chains[partition].add(entry.key, entry.value)
            published = Published(partition, entry)
            place = f"{published.name} at {entry.offset}"
            try:
                one = _named.decode(entry.value)
            except msgspec.DecodeError as error:
                result.differs(place, f"it cannot be read: {error}")
                continue
            bar = Bar(one.symbol, one.interval_s, one.start_ns, one.closed, one.last_seq, one.last_index)
            if bar in self._published:
                before = self._published[bar].entry.offset
                result.differs(place, f"the same bar stands at {before}: {shown(entry.value)}")
                continue
            self._published[bar] = published
            if not one.closed:
                self._named.add((one.symbol, one.last_seq, one.last_index))

    def count(self, trade: messages.Trade, partition: int) -> None:
        """The next trade of a partition of `trades`."""
        tick = records.tick(trade, self._reference.scales[trade.symbol])
        charts = self._charts[partition]
        second = tick.ts_ns // SECOND_NS
        if second != self._settled.get(partition):
            self._settled[partition] = second
            for symbol in sorted(charts):
                charts[symbol], closed = candles.settle(charts[symbol], tick.ts_ns)
                self._compare(symbol, closed, closed=True)
        chart, closed = candles.take(charts.get(trade.symbol, candles.EMPTY), tick)
        charts[trade.symbol] = chart
        self._compare(trade.symbol, closed, closed=True)
        if (trade.symbol, trade.seq, trade.index) in self._named:
            self._compare(trade.symbol, candles.open_bars(chart), closed=False)

    def _compare(self, symbol: str, bars: list[Closed], *, closed: bool, must: bool = True) -> None:
        """Bars as they stand; closed ones must have been published."""
        for interval_s, bar in bars:
            what = Bar(symbol, interval_s, bar.start_ns, closed, bar.last_seq, bar.last_index)
            published = self._published.pop(what, None)
            if published is None:
                if closed and must:
                    text = f"the bar of {interval_s} s of {symbol} from {bar.start_ns} on, closed, was not published"
                    self._result.differs(CANDLES, text)
                continue
            self._result.records[CANDLES] += 1
            value = _encode(records.candle(symbol, interval_s, bar, self._reference.scales[symbol], closed=closed))
            if published.entry.value != value or published.entry.key != symbol.encode():
                differs(self._result, published.name, published.entry, symbol.encode(), value)

    def finish(self, last_seq: int) -> None:
        """What was published and was never so. Bars that are open now may be closed by later commands."""
        for charts in self._charts.values():
            for symbol, chart in charts.items():
                self._compare(symbol, candles.open_bars(chart), closed=True, must=False)
        for bar, published in self._published.items():
            if bar.last_seq <= last_seq:
                text = f"no trade makes this bar: {shown(published.entry.value)}"
                self._result.differs(f"{published.name} at {published.entry.offset}", text)
