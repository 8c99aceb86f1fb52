"""Trades into bars, as they come. Pure: a bar is over when an event shows that its interval has passed.

The interval [k × length, (k + 1) × length) makes one bar, stamped with its end; where nobody traded there is none.
`streams.backtest.tape.bars_of` makes the same bars out of a table.
"""

from __future__ import annotations

from msgspec import Struct

from streams.strategies.events import Bar, TradeUpdate


class OpenBar(Struct):
    """The interval that is not over yet."""

    end_ns: int
    open: float
    high: float
    low: float
    close: float
    volume: float


class BarBuilder:
    """The bars of several symbols."""

    def __init__(self, seconds: int) -> None:
        self._length_ns = seconds * 10**9
        self.open: dict[str, OpenBar] = {}

    def passed(self, ts_ns: int) -> list[Bar]:
        """The bars that are over at this time, the earliest first, then by symbol."""
        over = sorted((bar.end_ns, symbol) for symbol, bar in self.open.items() if bar.end_ns <= ts_ns)
        return [self._close(symbol) for _, symbol in over]

    def add(self, trade: TradeUpdate) -> None:
        """Takes in a trade whose time `passed` has been told. One of an interval that is over counts to the present."""
        bar = self.open.get(trade.symbol)
        if bar is None:
            end_ns = (trade.ts_ns // self._length_ns + 1) * self._length_ns
            price = trade.price
            self.open[trade.symbol] = OpenBar(end_ns, price, price, price, price, trade.quantity)
            return
        bar.high = max(bar.high, trade.price)
        bar.low = min(bar.low, trade.price)
        bar.close = trade.price
        bar.volume += trade.quantity

    def _close(self, symbol: str) -> Bar:
        bar = self.open.pop(symbol)
        return Bar(symbol, bar.end_ns, bar.open, bar.high, bar.low, bar.close, bar.volume)
