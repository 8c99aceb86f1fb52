"""Orders, and one instrument's book: two lists of orders, best first.

Prices are ticks, quantities lots, fees money units."""

from __future__ import annotations

from bisect import insort_right
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from engine.messages import DefineInstrument
from engine.words import WORKING, OrderStatus, OrderType, Side

MOST_LOTS: Final = 2**40
MOST_MONEY: Final = 2**62


@dataclass(eq=False)
class Order:
    """An order that the engine remembers: one that works, or worked, or was rejected."""

    order_id: int
    account: int
    client_order_id: bytes
    content: tuple[Any, ...]
    instrument: int
    side: int
    order_type: int
    time_in_force: int
    quantity: int
    limit_price: int
    strategy: bytes
    source: int
    status: OrderStatus = OrderStatus.NEW
    filled: int = 0
    notional: int = 0
    first_reply: dict[str, int] = field(default_factory=dict)

    @property
    def works(self) -> bool:
        return self.status in WORKING

    @property
    def leaves(self) -> int:
        return self.quantity - self.filled if self.works else 0

    def takes(self, price: int) -> bool:
        """Whether the order may trade at this price."""
        if self.order_type == OrderType.MARKET:
            return True
        return price <= self.limit_price if self.side == Side.BUY else price >= self.limit_price


@dataclass(eq=False)
class Instrument:
    """Its orders stand buyers by falling, sellers by rising price, and at one price the earlier before the later."""

    definition: DefineInstrument
    price_min: int
    price_max: int
    money_per_tick_lot: int
    bids: list[Order] = field(default_factory=list)
    asks: list[Order] = field(default_factory=list)
    last_price: int = 0
    """Of the last trade, 0 before the first."""

    @property
    def max_quantity(self) -> int:
        """The notional of the largest order at the highest price fits in 62 bits."""
        return min(MOST_LOTS, MOST_MONEY // (self.price_max * self.money_per_tick_lot))

    def queue(self, side: int) -> list[Order]:
        return self.bids if side == Side.BUY else self.asks

    def rest(self, order: Order) -> None:
        """Behind all orders at its price or a better one."""
        insort_right(
            self.queue(order.side),
            order,
            key=lambda o: -o.limit_price if o.side == Side.BUY else o.limit_price,
        )

    def fee(self, quantity: int, price: int, ppm: int) -> int:
        """Rounded half up; a rebate is a negative fee."""
        return (quantity * price * self.money_per_tick_lot * ppm + 500_000) // 1_000_000

    def depth(self, side: int, levels: int) -> NDArray[np.int64]:
        """The best levels first: (n, 3) of price ticks, lots, orders."""
        at_price: dict[int, list[int]] = {}
        for order in self.queue(side):
            level = at_price.setdefault(order.limit_price, [order.limit_price, 0, 0])
            level[1] += order.leaves
            level[2] += 1
        return np.array(list(at_price.values())[:levels], np.int64).reshape(-1, 3)
