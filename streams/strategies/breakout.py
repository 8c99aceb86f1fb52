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
        watch: bool = False
        """Exits at the market after a bar that reached one, in place of a bracket: for a venue that takes no lists."""
        bar_seconds: Count = 60
        """Of the bars that a live run makes; a backtest takes them as they are."""

    class State(Strategy.State):
        highest: Highest | None = None
        lowest: Lowest | None = None
        ranges: TrueRange | None = None
        high: float | None = None
        """Of the channel up to the bar before."""
        low: float | None = None
        take_profit: float = 0.0
        stop_loss: float = 0.0

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
        if wanted.watch and not self.desk.working():
            self.leave(bar)
        if high is None or low is None or width is None or self.desk.position(bar.symbol) or self.desk.working():
            return
        if bar.close > high:
            self.enter("buy", bar.close, width)
        elif bar.close < low and wanted.allow_short:
            self.enter("sell", bar.close, width)

    def enter(self, side: str, price: float, width: float) -> None:
        wanted, state = self.parameters, self.state
        sign = 1 if side == "buy" else -1
        state.take_profit = price + sign * wanted.profit_ranges * width
        state.stop_loss = price - sign * wanted.stop_ranges * width
        if wanted.watch:
            go = self.desk.buy if side == "buy" else self.desk.sell
            go(wanted.symbol, wanted.quantity)
            return
        exits = {"take_profit": state.take_profit, "stop_loss": state.stop_loss}
        self.desk.bracket(wanted.symbol, side, wanted.quantity, **exits)

    def leave(self, bar: Bar) -> None:
        """What is held, once its bracket would have ended it."""
        held, state = self.desk.position(bar.symbol), self.state
        if held > 0 and (bar.high >= state.take_profit or bar.low <= state.stop_loss):
            self.desk.sell(bar.symbol, held)
        elif held < 0 and (bar.low <= state.take_profit or bar.high >= state.stop_loss):
            self.desk.buy(bar.symbol, -held)
