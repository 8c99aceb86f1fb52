"""Everything that the reference remembers, and what is counted when an order begins and ends to work."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from engine.reference.accounts import Account, Holding
from engine.reference.answers import Answers
from engine.reference.instruments import Instrument
from engine.reference.orders import Order
from engine.words import OrderStatus


class State:
    """Instruments and accounts have the numbers 1, 2, … in the order in which they were defined."""

    def __init__(self, max_orders: int, max_client_ids: int) -> None:
        self.max_orders = max_orders
        self.max_client_ids = max_client_ids
        self.instruments: list[Instrument] = []
        self.accounts: list[Account] = []
        self.remembered: dict[tuple[int, bytes], Order] = {}
        """(account, client order id) → order, oldest first."""
        self.by_number: dict[int, Order] = {}
        """The same orders by their numbers."""
        self.working: dict[int, Order] = {}
        """Those that work, by their numbers."""
        self.answers = Answers()

    def instrument(self, order: Order) -> Instrument:
        return self.instruments[order.instrument - 1]

    def account(self, order: Order) -> Account:
        return self.accounts[order.account - 1]

    def holding(self, order: Order) -> Holding:
        return self.account(order).holding(order.instrument)

    def working_orders(self, wanted: Callable[[Order], Any]) -> list[Order]:
        """By their numbers."""
        return sorted((order for order in self.working.values() if wanted(order)), key=lambda order: order.order_id)

    def remember(self, order: Order) -> None:
        """Where the memory is full, the oldest closed order is forgotten; a working one met on the way is passed
        over and goes to the end of the line."""
        while len(self.remembered) >= self.max_client_ids:
            key = next(iter(self.remembered))
            oldest = self.remembered.pop(key)
            if oldest.works:
                self.remembered[key] = oldest
            else:
                del self.by_number[oldest.order_id]
        self.remembered[order.account, order.client_order_id] = order
        self.by_number[order.order_id] = order

    def begin(self, order: Order) -> None:
        """The order works from now on, though in no place yet."""
        self.working[order.order_id] = order
        self.holding(order).open_orders += 1

    def finish(self, order: Order, status: OrderStatus) -> None:
        """The order is done: it leaves its place, and what was reserved for it is free."""
        self.instrument(order).take_out(order)
        self.account(order).uncount(order)
        self.holding(order).open_orders -= 1
        del self.working[order.order_id]
        order.status = status

    def decrease(self, order: Order, lots: int) -> None:
        """So many lots are wanted no more."""
        order.quantity -= lots
        order.shown = min(order.shown, order.leaves)
        self.account(order).less(order, lots)
