"""Pairs trading on two cointegrated prices: buys the cheap one and sells the dear one while their spread is wide, and
closes when it has come back.

The spread is price 1 − ratio × price 2, the ratio that of ordinary least squares over the last `length` bars, the first
step of Engle and Granger ("Co-integration and error correction", Econometrica 55, 1987). Whether two prices are
cointegrated at all is for research to say; here a stop closes the pair when the spread goes on widening."""

from __future__ import annotations

import math

from msgspec import field

from streams.strategies.events import Bar
from streams.strategies.strategy import Count, ParameterError, Positive, Strategy, Symbol


class Pairs(Strategy):
    class Parameters(Strategy.Parameters):
        first: Symbol
        second: Symbol
        length: Count = 60
        entry: Positive = 2.0
        """Standard deviations from the mean at which the pair is opened, …"""
        exit: float = 0.5
        """… closed, …"""
        stop: Positive = 4.0
        """… and given up."""
        quantity: Positive = 10.0
        """Of the first; the second in proportion to the ratio."""
        bar_seconds: Count = 60
        """Of the bars that a live run makes; a backtest takes them as they are."""

    class State(Strategy.State):
        closes: dict[str, float] = field(default_factory=dict)
        times: dict[str, int] = field(default_factory=dict)
        first: list[float] = field(default_factory=list)
        second: list[float] = field(default_factory=list)
        side: int = 0
        """1: long the spread, -1: short, 0: flat."""
        is_stopped: bool = False
        """Given up, until the spread has come back once."""

    @property
    def symbols(self) -> tuple[str, ...]:
        return (self.parameters.first, self.parameters.second)

    def check(self) -> None:
        wanted = self.parameters
        if wanted.first == wanted.second:
            raise ParameterError("second: must be another symbol than first")
        if wanted.length < 3:
            raise ParameterError("length: must be at least 3")
        if not wanted.exit < wanted.entry < wanted.stop:
            raise ParameterError("entry: must lie between exit and stop")

    @property
    def warm_up(self) -> int:
        return int(self.parameters.length) - 1

    def on_bar(self, bar: Bar) -> None:
        state, wanted = self.state, self.parameters
        state.closes[bar.symbol] = bar.close
        state.times[bar.symbol] = bar.ts_ns
        if state.times.get(wanted.first) != state.times.get(wanted.second):
            return  # the other one's bar of this moment is still to come
        for values, symbol in ((state.first, wanted.first), (state.second, wanted.second)):
            values.append(state.closes[symbol])
            if len(values) > wanted.length:
                del values[0]
        if len(state.first) == wanted.length:
            self.judge(*self.score())

    def score(self) -> tuple[float, float]:
        """(how many standard deviations the spread is from its mean, the ratio)."""
        first, second = self.state.first, self.state.second
        mean_1, mean_2 = math.fsum(first) / len(first), math.fsum(second) / len(second)
        variance = math.fsum((x - mean_2) ** 2 for x in second)
        if variance == 0:
            return 0.0, 0.0
        ratio = math.fsum((y - mean_1) * (x - mean_2) for y, x in zip(first, second, strict=True)) / variance
        spread = [y - mean_1 - ratio * (x - mean_2) for y, x in zip(first, second, strict=True)]
        width = math.sqrt(math.fsum(one * one for one in spread) / (len(spread) - 1))
        return (spread[-1] / width if width else 0.0), ratio

    def judge(self, score: float, ratio: float) -> None:
        state, wanted = self.state, self.parameters
        if state.side:
            if state.side * score >= -wanted.exit:
                self.hold(0, ratio)
            elif abs(score) >= wanted.stop:
                state.is_stopped = True
                self.hold(0, ratio)
        elif state.is_stopped:
            state.is_stopped = abs(score) > wanted.exit
        elif wanted.entry <= abs(score) < wanted.stop and ratio > 0:
            self.hold(-1 if score > 0 else 1, ratio)

    def hold(self, side: int, ratio: float) -> None:
        """Brings both positions to what the side asks for."""
        self.state.side = side
        wanted = self.parameters
        for symbol, target in (
            (wanted.first, side * wanted.quantity),
            (wanted.second, -side * wanted.quantity * ratio),
        ):
            missing = target - self.desk.position(symbol)
            if abs(missing) >= self.desk.lot(symbol):
                (self.desk.buy if missing > 0 else self.desk.sell)(symbol, abs(missing))
