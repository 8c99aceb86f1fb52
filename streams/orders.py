"""The state of an order as the fold of its execution reports: pure, shared by the sinks and the gateway."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from engine.messages import Order, OrderEvent
from engine.words import ExecType, OrderStatus

NO_ORDER = "0"
_REJECTED: Final = ExecType.REJECTED.wire


def fold(previous: Order | None, event: OrderEvent) -> Order | None:
    """The order after the report; `previous` itself where the report changes nothing, None where there is no order.

    A report at or below the (last_seq, last_index) of `previous` was counted before. A `rejected` report makes an order
    only where it refuses the order's own entry; one that refuses a cancel or a replace changes no order, and its fields
    say nothing of one. What belongs to the entry (time, source, strategy) stays."""
    if previous is not None and (event.seq, event.index) <= (previous.last_seq, previous.last_index):
        return previous
    if not is_of_order(event):
        return previous
    if previous is None:
        return _reported(event, event.ts_ns, event.strategy, event.source)
    return _reported(event, previous.created_ns, previous.strategy, previous.source)


def _reported(event: OrderEvent, created_ns: int, strategy: str | None, source: str) -> Order:
    """The order as the report says it stands, with what belongs to its entry."""
    return Order(
        order_id=event.order_id,
        client_order_id=event.client_order_id,
        list_id=event.list_id,
        account=event.account,
        symbol=event.symbol,
        side=event.side,
        order_type=event.order_type,
        time_in_force=event.time_in_force,
        expires_ns=event.expires_ns,
        quantity=event.quantity,
        display_quantity=event.display_quantity,
        limit_price=event.limit_price,
        stop_price=event.stop_price,
        trail_amount=event.trail_amount,
        trail_percent=event.trail_percent,
        post_only=event.post_only,
        reduce_only=event.reduce_only,
        status=event.order_status,
        filled_quantity=event.filled_quantity,
        leaves_quantity=event.leaves_quantity,
        average_price=event.average_price,
        reason=event.reason,
        field=event.field,
        text=event.text,
        strategy=strategy,
        source=source,
        created_ns=created_ns,
        updated_ns=event.ts_ns,
        last_seq=event.seq,
        last_index=event.index,
    )


def is_of_order(event: OrderEvent) -> bool:
    """Whether the report says how an order stands."""
    if event.order_id == NO_ORDER:
        return False
    return event.exec_type != _REJECTED or refuses_entry(event)


def last_states(events: Iterable[OrderEvent]) -> dict[str, Order]:
    """The orders that the reports change, by order_id: what `fold` over all of them, from nothing, comes to.

    An order is made from its first and its last report, whatever there is between."""
    ends: dict[str, tuple[OrderEvent, OrderEvent]] = {}
    for event in events:
        if is_of_order(event):
            known = ends.get(event.order_id)
            if known is None:
                ends[event.order_id] = (event, event)
            elif (event.seq, event.index) > (known[1].seq, known[1].index):
                ends[event.order_id] = (known[0], event)
    return {
        order_id: _reported(last, first.ts_ns, first.strategy, first.source) for order_id, (first, last) in ends.items()
    }


def refuses_entry(event: OrderEvent) -> bool:
    """Whether a `rejected` report refuses a new order: its number is then the number of the command."""
    return event.order_status == OrderStatus.REJECTED.wire and event.order_id == str(event.seq)
