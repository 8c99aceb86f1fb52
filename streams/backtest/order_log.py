"""What became of the orders that strategies sent: from commands and reports to the rows of a result."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from engine.messages import ListedOrder, NewOrder, OrderCommand, OrderEvent, OrderList


@dataclass(slots=True)
class SentOrder:
    client_order_id: str
    account: str
    strategy: str
    symbol: str
    order: NewOrder | ListedOrder | None
    decided_ns: int
    arrived_ns: int
    decision_price: float
    status: str = "pending_new"
    filled: float = 0.0
    average: float | None = None
    reason: str | None = None
    ended_ns: int | None = None


WORKING = ("pending_new", "new", "partially_filled")
UNKNOWN = SentOrder("", "", "", "", None, 0, 0, math.nan)


class OrderLog:
    def __init__(self) -> None:
        self._orders: dict[str, SentOrder] = {}

    def send(self, command: OrderCommand, strategy: str, decided_ns: int, arrived_ns: int, price: float) -> None:
        """Notes the new orders of a command."""
        orders: list[NewOrder | ListedOrder] = []
        if isinstance(command, NewOrder):
            orders = [command]
        elif isinstance(command, OrderList):
            orders = list(command.orders)
        for order in orders:
            name = order.client_order_id or ""
            symbol = getattr(command, "symbol", None) or ""
            self._orders[name] = SentOrder(
                name, command.account, strategy, symbol, order, decided_ns, arrived_ns, price
            )

    def sent(self, client_order_id: str) -> SentOrder:
        """The order as it was sent; one without numbers where it is not known."""
        return self._orders.get(client_order_id, UNKNOWN)

    def refused(self, client_order_id: str, reason: str, ts_ns: int) -> None:
        """Before it was sequenced."""
        order = self._orders.get(client_order_id)
        if order is not None and order.status == "pending_new":
            order.status, order.reason, order.ended_ns = "rejected", reason, ts_ns

    def report(self, event: OrderEvent) -> None:
        order = self._orders.get(event.client_order_id)
        if order is None or (event.exec_type == "rejected" and event.order_status != "rejected"):
            return  # a refused cancel or replace changes no order
        order.status = event.order_status
        order.filled = float(event.filled_quantity)
        order.average = None if event.average_price is None else float(event.average_price)
        if event.order_status not in WORKING:
            order.reason, order.ended_ns = event.reason, event.ts_ns

    def rows(self) -> list[tuple[Any, ...]]:
        """Rows of `result.ORDERS`, in the order in which they were sent."""
        found = []
        for one in self._orders.values():
            assert one.order is not None
            limit, stop = one.order.limit_price, one.order.stop_price
            found.append(
                (
                    one.client_order_id,
                    one.account,
                    one.strategy,
                    one.symbol,
                    one.order.side,
                    one.order.order_type,
                    one.order.time_in_force,
                    float(one.order.quantity),
                    None if limit is None else float(limit),
                    None if stop is None else float(stop),
                    one.status,
                    one.filled,
                    one.average,
                    one.reason,
                    one.decided_ns,
                    one.arrived_ns,
                    one.ended_ns,
                )
            )
        return found
