"""Market making after Avellaneda and Stoikov: quotes on both sides of a reservation price that leans against what is
held.

Source: M. Avellaneda and S. Stoikov, "High-frequency trading in a limit order book", Quantitative Finance 8 (3), 2008.
With inventory q, risk aversion γ, variance σ² a second, decay k of the arrivals with distance, and time τ to the
horizon: reservation price r = s − q γ σ² τ, and full spread δ = γ σ² τ + (2 / γ) ln(1 + γ / k). Here the horizon rolls
(τ is constant), σ² is measured from the middle of the book without the quotes of this strategy, which would otherwise
chase themselves, and quotes never cross it."""

from __future__ import annotations

import math

from streams.strategies.desk import WorkingOrder
from streams.strategies.events import BookUpdate
from streams.strategies.strategy import Positive, Strategy, Symbol

SECOND_NS = 10**9


class MarketMaking(Strategy):
    takes = ("book",)

    class Parameters(Strategy.Parameters):
        symbol: Symbol
        quantity: Positive = 1.0
        max_position: Positive = 10.0
        risk_aversion: Positive = 0.1
        """γ, per unit of money."""
        arrival_decay: Positive = 50.0
        """k, per unit of price."""
        horizon_seconds: Positive = 60.0
        memory_seconds: Positive = 60.0
        """How fast the measured variance forgets."""
        post_only: bool = True
        """Never takes, and quotes in continuous trading only. False: for a venue that has no such orders."""

    class State(Strategy.State):
        middle: float | None = None
        ts_ns: int = 0
        variance: float = 0.0
        """Price² a second."""

    def on_book(self, book: BookUpdate) -> None:
        book = self.desk.others(book)
        middle = book.mid
        if middle is None or (self.parameters.post_only and book.phase != "continuous"):
            return
        self.measure(middle, book.ts_ns)
        bid, ask = self.quotes(middle)
        self.quote("buy", min(bid, book.asks[0][0] - self.desk.tick(book.symbol)))
        self.quote("sell", max(ask, book.bids[0][0] + self.desk.tick(book.symbol)))

    def measure(self, middle: float, ts_ns: int) -> None:
        """Follows the variance of the middle: squared change, weighted by the time that it took."""
        state = self.state
        passed = (ts_ns - state.ts_ns) / SECOND_NS
        if state.middle is not None and passed > 0:
            weight = 1 - math.exp(-passed / self.parameters.memory_seconds)
            state.variance += weight * ((middle - state.middle) ** 2 / passed - state.variance)
        if state.middle is None or passed > 0:
            state.middle, state.ts_ns = middle, ts_ns

    def quotes(self, middle: float) -> tuple[float, float]:
        """Bid and ask before rounding to ticks."""
        wanted = self.parameters
        held = self.desk.position(wanted.symbol) / wanted.quantity
        risk = wanted.risk_aversion * self.state.variance * wanted.horizon_seconds
        reservation = middle - held * risk
        half = risk / 2 + math.log(1 + wanted.risk_aversion / wanted.arrival_decay) / wanted.risk_aversion
        return reservation - half, reservation + half

    def quote(self, side: str, price: float) -> None:
        """One order of each side, moved when its price is another by a tick, none beyond the largest position."""
        wanted, desk = self.parameters, self.desk
        sign = 1 if side == "buy" else -1
        may = sign * desk.position(wanted.symbol) + wanted.quantity <= wanted.max_position
        working = desk.working(wanted.symbol, side)
        for order in working:
            if order.status != "pending_new" and (not may or self.is_off(order, price)):
                desk.cancel(order.client_order_id)
        if may and not working and price > 0:
            go = desk.buy if side == "buy" else desk.sell
            go(wanted.symbol, wanted.quantity, limit_price=price, post_only=wanted.post_only)

    def is_off(self, order: WorkingOrder, price: float) -> bool:
        tick = self.desk.tick(order.symbol)
        return order.limit_price is None or abs(order.limit_price - price) > tick
