"""One instrument: its book, its stops and the phase of its trading day, in plain lists.

Prices are ticks, quantities lots, fees money units."""

from __future__ import annotations

from bisect import insort_right
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Final

import numpy as np
from numpy.typing import NDArray

from engine.messages import DefineInstrument
from engine.reference.orders import Order, Place
from engine.words import Flag, OrderType, Phase, Side

MOST_LOTS: Final = 2**40
MOST_MONEY: Final = 2**62
MILLION: Final = 1_000_000
AUCTIONS: Final = (Phase.OPENING_AUCTION, Phase.CLOSING_AUCTION)


@dataclass(eq=False)
class Instrument:
    """Its orders stand buyers by falling, sellers by rising price, and at one price the earlier before the later."""

    number: int
    definition: DefineInstrument
    price_min: int
    price_max: int
    money_per_tick_lot: int
    lot: Fraction
    bids: list[Order] = field(default_factory=list)
    asks: list[Order] = field(default_factory=list)
    buy_stops: list[Order] = field(default_factory=list)
    """Lowest stop first, and at one stop price the earlier before the later."""
    sell_stops: list[Order] = field(default_factory=list)
    """Highest stop first."""
    activation: list[Order] = field(default_factory=list)
    """Orders that come to the market next."""
    parked: list[Order] = field(default_factory=list)
    last_price: int = 0
    """Of the last trade, 0 before the first."""
    phase: Phase = Phase.CONTINUOUS
    phase_before_halt: Phase = Phase.CONTINUOUS
    day_ends_ns: int = 0
    venue: str | None = None
    """For which its opening auction collects orders."""
    rest_quantity: int = 0
    """What splits made too small for a position to hold: no account has it."""
    rest_cash: int = 0

    @property
    def max_quantity(self) -> int:
        """The notional of the largest order at the highest price fits in 62 bits."""
        return min(MOST_LOTS, MOST_MONEY // (self.price_max * self.money_per_tick_lot))

    @property
    def is_continuous(self) -> bool:
        return self.phase == Phase.CONTINUOUS

    @property
    def is_in_auction(self) -> bool:
        return self.phase in AUCTIONS

    @property
    def is_traded_elsewhere(self) -> bool:
        return self.venue is not None and self.phase == Phase.OPENING_AUCTION

    @property
    def is_crossed(self) -> bool:
        return bool(self.bids and self.asks) and self.bids[0].book_price >= self.asks[0].book_price

    def queue(self, side: int) -> list[Order]:
        return self.bids if side == Side.BUY else self.asks

    def stops(self, side: int) -> list[Order]:
        return self.buy_stops if side == Side.BUY else self.sell_stops

    def edge(self, side: int) -> int:
        """The price at which an order without a limit stands in the book."""
        return self.price_max if side == Side.BUY else self.price_min

    def clamp(self, price: int) -> int:
        return max(self.price_min, min(self.price_max, price))

    # ------------------------------------------------------------------------------------------------- places

    def rest(self, order: Order) -> None:
        """In the book, behind all orders at its price or a better one."""
        order.place = Place.BOOK
        order.book_price = order.limit_price if order.is_priced else self.edge(order.side)
        order.show()
        insort_right(self.queue(order.side), order, key=_book_rank)

    def show_again(self, order: Order) -> None:
        """What an iceberg showed is gone: it shows the next part, at the end of its level's queue."""
        self.queue(order.side).remove(order)
        self.rest(order)

    def wait(self, order: Order) -> None:
        """Among the stops, behind all with its stop price or a nearer one."""
        order.place = Place.STOPS
        insort_right(self.stops(order.side), order, key=_stop_rank)

    def activate(self, order: Order) -> None:
        """At the end of those that come to the market next."""
        order.place = Place.ACTIVATION
        self.activation.append(order)

    def park(self, order: Order) -> None:
        order.place = Place.PARKED
        self.parked.append(order)

    def take_out(self, order: Order) -> None:
        """Out of the place where it works."""
        places = {
            Place.BOOK: self.queue(order.side),
            Place.STOPS: self.stops(order.side),
            Place.ACTIVATION: self.activation,
            Place.PARKED: self.parked,
        }
        if order.place in places:
            places[order.place].remove(order)
        order.place = Place.NOWHERE

    # -------------------------------------------------------------------------------------------------- stops

    def stop_is_reached(self, order: Order) -> bool:
        if self.last_price == 0:
            return False
        return self.last_price >= order.stop_price if order.side == Side.BUY else self.last_price <= order.stop_price

    def trailing_stop_price(self, order: Order, extreme: int) -> int:
        """Where a trailing stop stands when the best price was `extreme`."""
        distance = order.trail
        if order.flags & Flag.TRAIL_PERCENT:
            distance = max(1, extreme * order.trail // MILLION)
        return self.clamp(extreme + distance if order.side == Side.BUY else extreme - distance)

    def begin_to_trail(self, order: Order) -> None:
        order.extreme = self.last_price
        order.stop_price = self.trailing_stop_price(order, order.extreme)

    def observe(self, price: int) -> None:
        """A trade at this price: trailing stops follow it, and stops that it reaches come to the market next."""
        trailing = [o for o in self.buy_stops + self.sell_stops if o.order_type == OrderType.TRAILING_STOP]
        for order in sorted(trailing, key=lambda o: o.order_id):
            order.extreme = min(order.extreme, price) if order.side == Side.BUY else max(order.extreme, price)
            stop_price = self.trailing_stop_price(order, order.extreme)
            if stop_price != order.stop_price:
                self.stops(order.side).remove(order)
                order.stop_price = stop_price
                self.wait(order)
        while self.buy_stops and self.buy_stops[0].stop_price <= price:
            self.activate(self.buy_stops.pop(0))
        while self.sell_stops and self.sell_stops[0].stop_price >= price:
            self.activate(self.sell_stops.pop(0))

    # ------------------------------------------------------------------------------------------------ queries

    def fee(self, quantity: int, price: int, ppm: int) -> int:
        """Rounded half up; a rebate is a negative fee."""
        return (quantity * price * self.money_per_tick_lot * ppm + 500_000) // MILLION

    def depth(self, side: int, levels: int) -> NDArray[np.int64]:
        """The best levels first: (n, 3) of price ticks, lots shown, orders."""
        at_price: dict[int, list[int]] = {}
        for order in self.queue(side):
            level = at_price.setdefault(order.book_price, [order.book_price, 0, 0])
            level[1] += order.shown
            level[2] += 1
        return np.array(list(at_price.values())[:levels], np.int64).reshape(-1, 3)


def _book_rank(order: Order) -> int:
    return -order.book_price if order.side == Side.BUY else order.book_price


def _stop_rank(order: Order) -> int:
    return order.stop_price if order.side == Side.BUY else -order.stop_price
