"""Moving-average cross: long while the fast average is above the slow one, and short or flat while it is below.

With `fast` = 1 the price itself crosses its average."""

from __future__ import annotations

from streams.signals.indicators import Mean
from streams.strategies.events import Bar
from streams.strategies.strategy import Count, ParameterError, Positive, Strategy, Symbol


class MovingAverageCross(Strategy):
    class Parameters(Strategy.Parameters):
        symbol: Symbol
        fast: Count = 10
        slow: Count = 30
        quantity: Positive = 1.0
        fraction: float = 0.0
        """Of the equity to hold instead of a fixed quantity; 0: `quantity` counts."""
        allow_short: bool = False
        bar_seconds: Count = 60
        """Of the bars that a live run makes; a backtest takes them as they are."""

    class State(Strategy.State):
        fast: Mean | None = None
        slow: Mean | None = None
        above: bool | None = None
        """Whether the fast average was above the slow one the last time that they differed."""

    def check(self) -> None:
        if self.parameters.fast >= self.parameters.slow:
            raise ParameterError("fast: must be less than slow")
        self.state.fast = Mean(self.parameters.fast)
        self.state.slow = Mean(self.parameters.slow)

    @property
    def warm_up(self) -> int:
        return int(self.parameters.slow)

    def on_bar(self, bar: Bar) -> None:
        state, wanted = self.state, self.parameters
        fast, slow = state.fast.update(bar.close), state.slow.update(bar.close)
        if fast is None or slow is None or fast == slow:
            return
        crossed = state.above is not None and state.above != (fast > slow)
        state.above = fast > slow
        if crossed:
            self.turn(1 if fast > slow else -1 if wanted.allow_short else 0)

    def turn(self, side: int) -> None:
        """Makes the position long, short or flat."""
        wanted = self.parameters
        if wanted.fraction:
            self.desk.target(wanted.symbol, side * wanted.fraction)
            return
        missing = side * wanted.quantity - self.desk.position(wanted.symbol)
        if missing > 0:
            self.desk.buy(wanted.symbol, missing)
        elif missing < 0:
            self.desk.sell(wanted.symbol, -missing)

    def signals(self) -> dict[str, float]:
        fast, slow = self.state.fast.value, self.state.slow.value
        return {} if fast is None or slow is None else {"fast": fast, "slow": slow}
