"""Execution of a large order in slices: TWAP gives each interval the same part, VWAP one in proportion to the volume
that the day's curve expects there.

A slice joins the best price of its own side; what is not filled when the next one is due goes to the market, so that
the schedule is kept (Almgren and Chriss, "Optimal execution of portfolio transactions", Journal of Risk 3, 2000, is
about the choice of the schedule itself)."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from streams.strategies.events import BookUpdate, OrderUpdate, Timer
from streams.strategies.strategy import Count, ParameterError, Positive, Strategy, Symbol


class Execution(Strategy):
    takes = ("book",)

    class Parameters(Strategy.Parameters):
        symbol: Symbol
        side: Literal["buy", "sell"]
        quantity: Positive
        slices: Count = 10
        seconds: Annotated[float, Meta(gt=0)] = 60.0
        """Between two slices."""
        curve: str = ""
        """VWAP: the expected volume of each slice, as 3,2,1,2,4; empty: TWAP."""

    class State(Strategy.State):
        done: int = 0
        """Slices that were begun."""
        is_due: bool = False
        bid: float = 0.0
        ask: float = 0.0

    @property
    def timer_seconds(self) -> float:
        return float(self.parameters.seconds)

    def check(self) -> None:
        weights = self.weights()
        if len(weights) != self.parameters.slices:
            raise ParameterError(f"curve: has {len(weights)} parts for {self.parameters.slices} slices")
        if min(weights) < 0 or sum(weights) == 0:
            raise ParameterError("curve: no part may be below 0, and not all of them 0")

    def weights(self) -> list[float]:
        if not self.parameters.curve:
            return [1.0] * self.parameters.slices
        try:
            return [float(part) for part in self.parameters.curve.split(",")]
        except ValueError:
            raise ParameterError("curve: write numbers, as 3,2,1,2,4") from None

    def on_book(self, book: BookUpdate) -> None:
        if book.mid is None and book.bids and book.asks:
            return  # an auction: somebody's market order stands at an edge of the band
        self.state.bid, self.state.ask = book.bid or 0.0, book.ask or 0.0

    def on_timer(self, timer: Timer) -> None:
        """A slice is due: what is left of the last one is called back first."""
        self.state.is_due = True
        for order in self.desk.working(self.parameters.symbol):
            self.desk.cancel(order.client_order_id)
        self.go_on()

    def on_order(self, update: OrderUpdate) -> None:
        self.go_on()

    def go_on(self) -> None:
        """Takes what is behind the schedule from the market, and begins the next slice; not before nothing works any
        more, since what was filled meanwhile must not be bought twice."""
        wanted, state, desk = self.parameters, self.state, self.desk
        if not state.is_due or desk.working(wanted.symbol):
            return
        state.is_due = False
        go = desk.buy if wanted.side == "buy" else desk.sell
        late = self.due(state.done) - abs(desk.position(wanted.symbol))
        if late >= desk.lot(wanted.symbol) / 2:
            go(wanted.symbol, late)
        if state.done == wanted.slices:
            return
        state.done += 1
        size = self.due(state.done) - self.due(state.done - 1)
        price = state.bid if wanted.side == "buy" else state.ask
        if size >= desk.lot(wanted.symbol) / 2:
            go(wanted.symbol, size, **({"limit_price": price} if price else {}))

    def due(self, slices: int) -> float:
        """What is to be filled when so many slices are over, in whole lots; the last one brings the whole."""
        wanted = self.parameters
        weights = self.weights()
        lot = self.desk.lot(wanted.symbol)
        share = sum(weights[:slices]) / sum(weights)
        return float(round(wanted.quantity * share / lot) * lot)
