"""Accounts: what they own in each instrument, what is reserved for their orders, and what they may do.

Quantities are lots, money and fees money units, multiples hundredths."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from typing import Final, NamedTuple

from engine.reference.orders import Order
from engine.words import SelfTrade, SelfTradeScope, Side

MESSAGE: Final = 10**9
"""Tokens that one message costs."""
LIMITS: Final = (
    *("max_order_quantity", "max_order_notional", "max_open_orders"),
    *("max_long", "max_short", "price_collar_ppm"),
)
"""An account's limits in one instrument."""


class PositionNumbers(NamedTuple):
    """What one account owns of one instrument: lots, and money units."""

    quantity: int
    bought: int
    sold: int
    cash: int
    fees: int
    cost: int
    realized: int


@dataclass(eq=False)
class Holding:
    """One account in one instrument."""

    quantity: int = 0
    """Signed."""
    bought: int = 0
    sold: int = 0
    cash: int = 0
    """Money of sales less that of purchases."""
    fees: int = 0
    cost: int = 0
    """What the position was opened for; negative for a short one."""
    realized: int = 0
    open_lots: dict[int, int] = field(default_factory=lambda: {Side.BUY: 0, Side.SELL: 0})
    """Leaves of counted orders, by side."""
    open_orders: int = 0
    limits: dict[str, int] = field(default_factory=dict)
    """In force for this very instrument: name → lots, money units, orders or millionths."""

    def closable(self, side: int) -> int:
        """Lots that an order of this side can take away from the position."""
        return max(0, -self.quantity if side == Side.BUY else self.quantity)

    def trade(self, side: int, quantity: int, unit: int, fee: int) -> int:
        """Books `quantity` lots at `unit` money each. Returns the money that was realized."""
        closing = min(quantity, self.closable(side))
        opening = quantity - closing
        released = 0
        realized = 0
        if closing:
            size = abs(self.quantity)
            released = abs(self.cost) if closing == size else abs(self.cost) // size * closing
            if self.quantity > 0:
                realized = closing * unit - released
                self.cost -= released
            else:
                realized = released - closing * unit
                self.cost += released
        money = quantity * unit
        if side == Side.BUY:
            self.quantity += quantity
            self.bought += quantity
            self.cash -= money
            self.cost += opening * unit
        else:
            self.quantity -= quantity
            self.sold += quantity
            self.cash += money
            self.cost -= opening * unit
        self.fees += fee
        self.realized += realized
        return realized

    def numbers(self) -> PositionNumbers:
        return PositionNumbers(
            self.quantity, self.bought, self.sold, self.cash, self.fees, self.cost, self.realized
        )  # fmt: skip


@dataclass(eq=False)
class Account:
    number: int
    name: str
    deposits: int
    margin: int
    """Hundredths of the multiple; 0: buying power is not checked."""
    self_trade_prevention: SelfTrade
    scope: SelfTradeScope
    firm: str | None
    currency: str
    realized: int = 0
    fees: int = 0
    cost_used: int = 0
    """Sum of the positions' costs, without their signs."""
    reserved: int = 0
    killed: bool = False
    maker_ppm: int | None = None
    taker_ppm: int | None = None
    """Its own fees; None: the instrument's."""
    rate: int = 0
    """Messages a second, 0: any number."""
    burst: int | None = None
    """None: the rate."""
    tokens: int = 0
    tokens_ns: int = 0
    limits: dict[str, Fraction] = field(default_factory=dict)
    """For every instrument without a value of its own; quantities in its units, not in lots."""
    holdings: dict[int, Holding] = field(default_factory=dict)

    def holding(self, instrument: int) -> Holding:
        return self.holdings.setdefault(instrument, Holding())

    def trade(self, order: Order, quantity: int, unit: int, fee: int) -> None:
        holding = self.holding(order.instrument)
        self.cost_used -= abs(holding.cost)
        self.realized += holding.trade(order.side, quantity, unit, fee)
        self.cost_used += abs(holding.cost)
        self.fees += fee

    @property
    def available(self) -> int:
        """Money units that may still be reserved, where buying power is checked."""
        equity = self.deposits + self.realized - self.fees
        return equity * self.margin // 100 - self.cost_used - self.reserved

    # ------------------------------------------------------------------------------------------- open orders

    def count(self, order: Order, reserved_lots: int, rate: int) -> None:
        """Its leaves are open lots from now on, and money is reserved for it."""
        order.counted = True
        order.reserved_lots, order.reserve_rate = reserved_lots, rate
        self.holding(order.instrument).open_lots[order.side] += order.leaves
        self.reserved += order.reserved

    def uncount(self, order: Order) -> None:
        """To be called while the order still works."""
        if order.counted:
            self.holding(order.instrument).open_lots[order.side] -= order.leaves
            self.reserved -= order.reserved
            order.counted = False
            order.reserved_lots = 0

    def less(self, order: Order, lots: int) -> None:
        """So many of its leaves are gone, by a trade or a decrease."""
        if order.counted:
            self.holding(order.instrument).open_lots[order.side] -= lots
            self.reserved -= order.reserved
            order.reserved_lots = min(order.reserved_lots, order.leaves)
            self.reserved += order.reserved

    # ---------------------------------------------------------------------------------------- message rate

    def fill_bucket(self, ts_ns: int) -> None:
        self.tokens = self.most_tokens
        self.tokens_ns = ts_ns

    @property
    def most_tokens(self) -> int:
        return (self.rate if self.burst is None else self.burst) * MESSAGE

    def may_send(self, messages: int, ts_ns: int) -> bool:
        """Takes the tokens of so many messages, or none where there are too few."""
        if self.rate == 0:
            return True
        elapsed = max(0, ts_ns - self.tokens_ns)
        self.tokens = min(self.most_tokens, self.tokens + elapsed * self.rate)
        self.tokens_ns += elapsed
        if self.tokens < messages * MESSAGE:
            return False
        self.tokens -= messages * MESSAGE
        return True
