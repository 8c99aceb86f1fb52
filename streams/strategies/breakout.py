"""Breakout with a bracket: buys when the price closes above the highest high of the last `length` bars, with a
stop-loss and a take-profit at multiples of the average true range (Donchian's channel rule, with exits that are known
at entry)."""

from __future__ import annotations

from streams.signals.indicators import Highest, Lowest, TrueRange
from streams.strategies.events import Bar
from streams.strategies.strategy import Count, Positive, Strategy, Symbol


class Breakout(Strategy):
    class Parameters(Strategy.Parameters):
        symbol: Symbol
        length: Count = 20
        quantity: Positive = 1.0
        stop_ranges: Positive = 2.0
        profit_ranges: Positive = 4.0
        allow_short: bool = False
        bar_seconds: Count = 60
        """Of the bars that a live run makes; a backtest takes them as they are."""

    class State(Strategy.State):
        highest: Highest | None = None
        lowest: Lowest | None = None
        ranges: TrueRange | None = None
        high: float | None = None
        """Of the channel up to the bar before."""
        low: float | None = None

    def check(self) -> None:
        length = self.parameters.length
        self.state.highest, self.state.lowest = Highest(length), Lowest(length)
        self.state.ranges = TrueRange(length)

    @property
    def warm_up(self) -> int:
        return int(self.parameters.length)

    def on_bar(self, bar: Bar) -> None:
        state, wanted = self.state, self.parameters
        high, low = state.high, state.low
        state.high, state.low = state.highest.update(bar.high), state.lowest.update(bar.low)
        width = state.ranges.update(bar.high, bar.low, bar.close)
        if high is None or low is None or width is None or self.desk.position(bar.symbol) or self.desk.working():
            return
        if bar.close > high:
            self.enter("buy", bar.close, width)
        elif bar.close < low and wanted.allow_short:
            self.enter("sell", bar.close, width)

    def enter(self, side: str, price: float, width: float) -> None:
        wanted = self.parameters
        sign = 1 if side == "buy" else -1
        self.desk.bracket(
            wanted.symbol,
            side,
            wanted.quantity,
            take_profit=price + sign * wanted.profit_ranges * width,
            stop_loss=price - sign * wanted.stop_ranges * width,
        )
