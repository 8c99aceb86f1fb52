"""How orders get smaller and end, and what becomes of those that are linked to them."""

from __future__ import annotations

from collections.abc import Iterable

from engine.reference import risk
from engine.reference.orders import Order, Place, is_second_exit
from engine.reference.state import State
from engine.words import ExecType, OrderStatus, Reason


def end(
    state: State, order: Order, reason: Reason, *, status: OrderStatus = OrderStatus.CANCELED, swept: bool = False
) -> None:
    """The order is canceled or expires, and those linked to it end with it or are set free.

    `swept`: it is one of many that are canceled together; then its children go with it, whatever it traded."""
    _close(state, order, reason, status)
    sibling = order.sibling
    if sibling is not None and sibling.works:
        _close(state, sibling, Reason.LINKED_ORDER)
    if order.filled and not swept:
        release(state, order)
    for child in _held(order):
        _close(state, child, Reason.LINKED_ORDER)


def _close(state: State, order: Order, reason: Reason, status: OrderStatus = OrderStatus.CANCELED) -> None:
    state.finish(order, status)
    exec_type = ExecType.EXPIRED if status == OrderStatus.EXPIRED else ExecType.CANCELED
    state.answers.report(order, exec_type, reason=reason)


def _held(order: Order) -> list[Order]:
    return [child for child in order.children if child.place == Place.HELD]


def release(state: State, order: Order) -> None:
    """The order is done and has traded: its children come to the market next, for no more than it traded."""
    for child in _held(order):
        child.quantity = min(child.quantity, order.filled)
        state.instrument(child).activate(child)
        if not is_second_exit(child, 1 + order.children.index(child)):
            risk.count(state, child)


def sweep(state: State, orders: Iterable[Order], reason: Reason) -> int:
    """Cancels orders, and those that are linked to them; returns how many it were in all."""
    before = len(state.working)
    for order in orders:
        if order.works:  # one before it may have taken it along
            end(state, order, reason, swept=True)
    return before - len(state.working)


def shrink(state: State, order: Order, lots: int, reason: Reason) -> None:
    """So many lots less to trade; one that has none left is canceled."""
    state.decrease(order, lots)
    if order.leaves:
        state.answers.report(order, ExecType.RESTATED, reason=reason)
    elif reason == Reason.LINKED_ORDER:
        _close(state, order, reason)  # its sibling goes on
    else:
        end(state, order, reason)
