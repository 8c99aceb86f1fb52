"""Order-book imbalance: joins the side that the book leans to, at the best price, and goes with it.

The imbalance (bid − ask) / (bid + ask) of the best quantities predicts the next price change (Gould and Bonart, "Queue
imbalance as a one-tick-ahead price predictor in a limit order book", 2016)."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from streams.signals.indicators import imbalance
from streams.strategies.events import BookUpdate
from streams.strategies.strategy import Count, Positive, Strategy, Symbol


class Imbalance(Strategy):
    takes = ("book",)

    class Parameters(Strategy.Parameters):
        symbol: Symbol
        threshold: Annotated[float, Meta(gt=0, lt=1)] = 0.6
        quantity: Positive = 1.0
        levels: Count = 1
        """How many levels of each side are summed."""
        max_position: Positive = 10.0

    def on_book(self, book: BookUpdate) -> None:
        wanted, desk = self.parameters, self.desk
        if book.mid is None:
            return
        lean = imbalance(
            sum(quantity for _, quantity in book.bids[: wanted.levels]),
            sum(quantity for _, quantity in book.asks[: wanted.levels]),
        )
        side = 1 if lean > wanted.threshold else -1 if lean < -wanted.threshold else 0
        best = {"buy": book.bids[0][0], "sell": book.asks[0][0]}
        for order in desk.working(wanted.symbol):
            if order.status != "pending_new" and (
                order.limit_price != best[order.side] or side * (1 if order.side == "buy" else -1) <= 0
            ):
                desk.cancel(order.client_order_id)
        if side == 0 or desk.working(wanted.symbol):
            return
        if abs(desk.position(wanted.symbol) + side * wanted.quantity) <= wanted.max_position:
            go = desk.buy if side > 0 else desk.sell
            go(wanted.symbol, wanted.quantity, limit_price=best["buy" if side > 0 else "sell"])
