"""The orders of a backtest on bars: what waits, and what a bar does to it."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from engine.messages import Cancel, CancelAll, ListedOrder, NewOrder, OrderList, Replace
from engine.words import OrderStatus
from streams.backtest.bar_rules import (
    NO_FILL,
    BarPrices,
    Rules,
    limit_price,
    market_price,
    stop_limit_price,
    stop_price,
)
from streams.strategies.instrument import Listed

WORKING = ("pending_new", "new", "partially_filled")
PERCENT = 100


class Refused(ValueError):
    """The order cannot be taken. `reason` is a word of `engine.words.Reason`."""

    def __init__(self, reason: str, text: str) -> None:
        super().__init__(text)
        self.reason = reason


@dataclass(slots=True)
class BarOrder:
    """One order; prices in ticks, 0 where it has none."""

    client_order_id: str
    symbol: str
    side: str
    order_type: str
    time_in_force: str
    lots: int
    limit: int
    stop: int
    trail: int
    trail_percent: Decimal | None
    decided_ns: int
    decision_price: float
    expires_ns: int = 0
    reduce_only: bool = False
    filled: int = 0
    value: int = 0
    """Ticks × lots filled."""
    status: str = OrderStatus.NEW.wire
    reason: str | None = None
    arrived_ns: int = 0
    ended_ns: int = 0
    waits_for: str | None = None
    """Of a list: the order whose fill lets this one in."""
    linked: str | None = None
    """Of two exits: the other one."""
    from_ns: int = 0
    """Bars that end before this do not fill it."""
    triggered: bool = False
    fraction: float | None = None
    """Of a `Target`: its quantity is found at the open."""

    @property
    def leaves(self) -> int:
        return self.lots - self.filled

    @property
    def is_buy(self) -> bool:
        return self.side == "buy"

    @property
    def works(self) -> bool:
        return self.status in WORKING

    def end(self, status: str, reason: str | None, ts_ns: int) -> None:
        self.status, self.reason, self.ended_ns = status, reason, ts_ns

    def price_in(self, bar: BarPrices, rules: Rules) -> int:
        """Where the bar fills it, `NO_FILL` where it does not."""
        kind = self.order_type
        if kind == "market" or (kind in ("stop", "trailing_stop") and self.triggered):
            return market_price(bar, self.is_buy, rules.slippage_ticks)
        if kind == "limit" or (kind == "stop_limit" and self.triggered):
            return limit_price(bar, self.is_buy, self.limit, touch=rules.touch)
        if kind == "stop_limit":
            self.triggered, price = stop_limit_price(bar, self.is_buy, self.stop, self.limit, touch=rules.touch)
            return price
        price = stop_price(bar, self.is_buy, self.stop, rules.slippage_ticks)
        self.triggered = price != NO_FILL
        return price

    def follow(self, bar: BarPrices) -> None:
        """Moves a trailing stop after the bar: within it nobody knows whether the extreme came first."""
        if self.order_type != "trailing_stop":
            return
        best = bar.high if self.side == "sell" else bar.low
        distance = self.trail
        if self.trail_percent is not None:
            distance = max(1, int(best * self.trail_percent / PERCENT))
        if self.side == "sell":
            self.stop = max(self.stop, best - distance)
        else:
            self.stop = min(self.stop, best + distance) if self.stop else best + distance


def bar_order(
    order: NewOrder | ListedOrder, symbol: str, unit: Listed, name: str, decided_ns: int, last_ticks: int, price: float
) -> BarOrder:
    """An order as a command gives it. Raises `Refused` for what bars cannot serve."""
    if order.time_in_force in ("opg", "cls"):
        raise Refused("unsupported", f"time_in_force {order.time_in_force}: bars have no auctions")
    if order.order_type in ("limit", "stop_limit") and order.limit_price is None:
        raise Refused("missing_field", f"a {order.order_type} order needs a limit_price")
    if order.order_type in ("stop", "stop_limit") and order.stop_price is None:
        raise Refused("missing_field", f"a {order.order_type} order needs a stop_price")
    limit = 0 if order.limit_price is None else unit.ticks(order.limit_price)
    stop = 0 if order.stop_price is None else unit.ticks(order.stop_price)
    trail = 0 if order.trail_amount is None else unit.ticks(order.trail_amount)
    if order.order_type == "trailing_stop":
        if (order.trail_amount is None) == (order.trail_percent is None):
            raise Refused("missing_field", "a trailing_stop order needs a trail_amount or a trail_percent")
        distance = trail or max(1, int(last_ticks * (order.trail_percent or Decimal(0)) / PERCENT))
        stop = last_ticks - distance if order.side == "sell" else last_ticks + distance
    return BarOrder(
        client_order_id=name,
        symbol=symbol,
        side=order.side,
        order_type=order.order_type,
        time_in_force=order.time_in_force,
        lots=unit.lots(order.quantity),
        limit=limit,
        stop=stop,
        trail=trail,
        trail_percent=order.trail_percent,
        decided_ns=decided_ns,
        decision_price=price,
        expires_ns=order.expires_ns,
        reduce_only=order.reduce_only,
    )


class Orders:
    """The working orders of one strategy, and all that ever were."""

    def __init__(self) -> None:
        self.all: dict[str, BarOrder] = {}
        self.working: dict[str, BarOrder] = {}

    def add(self, order: BarOrder) -> None:
        if order.client_order_id in self.all:
            raise Refused("duplicate_client_order_id", f"{order.client_order_id} was used before")
        self.all[order.client_order_id] = order
        self.working[order.client_order_id] = order

    def add_list(self, command: OrderList, orders: list[BarOrder]) -> None:
        """Links the legs as docs/orders.md says."""
        names = [order.client_order_id for order in orders]
        if command.list_type == "oco":
            orders[0].linked, orders[1].linked = names[1], names[0]
        else:
            for leg in orders[1:]:
                leg.waits_for, leg.status = names[0], OrderStatus.PENDING_NEW.wire
            if command.list_type == "bracket":
                orders[1].linked, orders[2].linked = names[2], names[1]
        # The stop-loss stands before the take-profit: where a bar reaches both, it was first.
        for order in (orders[0], *reversed(orders[1:])):
            self.add(order)

    def find(self, command: Cancel | Replace) -> BarOrder:
        order = self.all.get(command.client_order_id or "")
        if order is None:
            raise Refused("unknown_order", "no order of this account has this id")
        if not order.works:
            raise Refused("too_late", "the order is no longer working")
        return order

    def chosen(self, command: CancelAll) -> list[BarOrder]:
        return [
            order
            for order in self.working.values()
            if command.symbol in (None, order.symbol) and command.side in (None, order.side)
        ]

    def forget(self, order: BarOrder) -> None:
        """It works no longer."""
        self.working.pop(order.client_order_id, None)
