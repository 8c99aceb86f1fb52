"""`trades` → `candles`: each bar when it is over, and the open ones as they stand once a second."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, ClassVar, Final

import msgspec
from confluent_kafka import Message
from msgspec import Struct

from engine import messages, topics
from engine.partitions import partition_of
from streams import candles, records
from streams.agents.keeper import Keeper, Shelf
from streams.candles import SECOND_NS, Chart, Closed
from streams.marks import Follower
from streams.outbox import Outbox

SHOW_S: Final = 1.0
"""How often the open bars are published."""

_trades: Final = msgspec.json.Decoder(messages.Trade)
_candles: Final = msgspec.json.Decoder(messages.Candle)
_encode: Final = msgspec.json.Encoder().encode


class SymbolState(Struct):
    """A symbol's bars, and the last trade (seq, index) that was shown in its open ones."""

    chart: Chart = candles.EMPTY
    shown: tuple[int, int] = (0, -1)


class CandleKeeper(Keeper[SymbolState]):
    """Holds the open bars of the assigned partitions of `trades`, by symbol.

    What is closed, and when, follows from the order of the records of a partition of `trades` alone: a bar ends with
    the first trade of its symbol behind it, or once any trade of the partition is so late that no more can come. Only
    when the open bars are shown does a clock decide."""

    agent: ClassVar[str] = "candles"
    source: ClassVar[str] = topics.TRADES.name
    output: ClassVar[str] = topics.CANDLES.name

    def __init__(self, bootstrap: str, outbox: Outbox, follower: Follower, clock: Callable[[], float]) -> None:
        super().__init__(bootstrap, outbox, clock)
        self._follower = follower
        self._source_count = outbox.partition_count(self.source)
        self._count = outbox.partition_count(self.output)
        self._settled: dict[int, int] = {}
        """Partition → the second of `ts_ns` at which its bars were settled last: bars end with whole seconds."""
        self._moved: set[str] = set()
        """Symbols that have traded since their open bars were shown."""
        self._shown_at = clock()
        self._published: dict[tuple[str, int, int], tuple[int, int]] = {}
        """Closed bars found in the output: symbol, interval and start → last (seq, index)."""

    async def fold(self, shelf: Shelf[SymbolState], value: bytes) -> None:
        trade = _trades.decode(value)
        tick = records.tick(trade, await self._follower.known_scale(trade.symbol))
        second = tick.ts_ns // SECOND_NS
        if second != self._settled.get(shelf.partition):
            self._settled[shelf.partition] = second
            for symbol in sorted(shelf.states):
                self._keep(shelf, symbol, *candles.settle(shelf.states[symbol].chart, tick.ts_ns))
        before = shelf.states.setdefault(trade.symbol, SymbolState()).chart
        self._keep(shelf, trade.symbol, *candles.take(before, tick))

    def _keep(self, shelf: Shelf[SymbolState], symbol: str, chart: Chart, closed: list[Closed]) -> None:
        kept = shelf.states[symbol]
        if chart is kept.chart:
            return
        kept.chart = chart
        shelf.touched.add(symbol)
        self._moved.add(symbol)
        for interval_s, bar in closed:
            published = self._published.get((symbol, interval_s, bar.start_ns), (0, -1))
            if (bar.last_seq, bar.last_index) > published:
                self._send(symbol, interval_s, bar, closed=True)

    async def publish_due(self) -> None:
        now = self.clock()
        if now - self._shown_at < SHOW_S:
            return
        async with self.whole():
            self._shown_at = now
            for shelf in self.shelves.values():
                for symbol in sorted(self._moved & shelf.states.keys()):
                    self._show(symbol, shelf.states[symbol])
                    shelf.touched.add(symbol)
            self._moved.clear()
            await self.deliver()

    def _show(self, symbol: str, kept: SymbolState) -> None:
        for interval_s, bar in candles.open_bars(kept.chart):
            if (bar.last_seq, bar.last_index) > kept.shown:
                self._send(symbol, interval_s, bar, closed=False)
        kept.shown = max(kept.shown, (kept.chart.last_seq, kept.chart.last_index))

    def _send(self, symbol: str, interval_s: int, bar: candles.Bar, *, closed: bool) -> None:
        record = records.candle(symbol, interval_s, bar, self._follower.scales[symbol], closed=closed)
        self.outbox.send(self.output, symbol, _encode(record), partition_of(symbol, self._count))

    # ------------------------------------------------------------------------------------------- saved, and back

    def restore(self, saved: dict[str, Any]) -> SymbolState:
        return msgspec.convert(saved, SymbolState)

    def preserve(self, kept: SymbolState) -> dict[str, Any]:
        found: dict[str, Any] = msgspec.to_builtins(kept)
        return found

    def recall(self, shelves: dict[int, Shelf[SymbolState]], message: Message) -> None:
        record = _candles.decode(message.value() or b"")
        records.check_stamps(record.last_seq, record.last_index, record.ts_ns)
        shelf = shelves.get(partition_of(record.symbol, self._source_count))
        if shelf is None:
            return
        at = (record.last_seq, record.last_index)
        if record.closed:
            bar = (record.symbol, record.interval_s, record.start_ns)
            self._published[bar] = max(self._published.get(bar, (0, -1)), at)
        else:
            kept = shelf.states.setdefault(record.symbol, SymbolState())
            kept.shown = max(kept.shown, at)

    async def resume(self, partitions: Iterable[int]) -> dict[int, int]:
        offsets = await super().resume(partitions)
        for shelf in self.shelves.values():
            self._moved.update(shelf.states)
        return offsets

    async def release(self) -> None:
        await super().release()
        self._settled.clear()
        self._published.clear()
