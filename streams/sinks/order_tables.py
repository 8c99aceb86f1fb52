"""`order-events` → `orders`, the latest state of each, and `order_events`, every report."""

from __future__ import annotations

from typing import Final

from engine import messages, words
from streams import orders
from streams.sinks.copy import Row
from streams.sinks.tables import TIMESTAMP, Placed, Table, insert, moment, report_id

_ORDER_COLUMNS: Final = (
    "order_id",
    "client_order_id",
    "account",
    "symbol",
    "side",
    "quantity",
    "price",
    "order_type",
    "time_in_force",
    "status",
    "filled_qty",
    "remaining_qty",
    "average_price",
    "reason",
    "field",
    "text",
    "strategy",
    "source",
    "created_ns",
    "updated_ns",
    "last_seq",
    "last_index",
    "list_id",
    "expires_ns",
    "display_qty",
    "stop_price",
    "trail_amount",
    "trail_percent",
    "post_only",
    "reduce_only",
)
_ORDER_CHANGES: Final = (
    "quantity",
    "price",
    "order_type",
    "time_in_force",
    "status",
    "filled_qty",
    "remaining_qty",
    "average_price",
    "reason",
    "field",
    "text",
    "updated_at",
    "updated_ns",
    "last_seq",
    "last_index",
    "list_id",
    "expires_ns",
    "display_qty",
    "stop_price",
    "trail_amount",
    "trail_percent",
    "post_only",
    "reduce_only",
)


def order_rows(placed: list[Placed]) -> list[Row]:
    """One row for each order that the reports change: its last state in the batch.

    A rejected order gives its client_order_id up to another order of the account, as `ORDERS.merge` does between the
    batch and the table."""
    latest = orders.last_states(event for _, _, event in placed)
    holders: dict[tuple[str, str], messages.Order] = {}
    for order in latest.values():
        identity = (order.account, order.client_order_id)
        if identity not in holders or _precedes(holders[identity], order):
            holders[identity] = order
    return [
        (
            int(order.order_id),
            (order.client_order_id or None) if holders[order.account, order.client_order_id] is order else None,
            order.account,
            order.symbol,
            order.side,
            order.quantity,
            order.limit_price,
            order.order_type,
            order.time_in_force,
            order.status,
            order.filled_quantity,
            order.leaves_quantity,
            order.average_price,
            order.reason,
            order.field,
            order.text,
            order.strategy,
            order.source,
            order.created_ns,
            order.updated_ns,
            order.last_seq,
            order.last_index,
            None if order.list_id is None else int(order.list_id),
            order.expires_ns,
            order.display_quantity,
            order.stop_price,
            order.trail_amount,
            order.trail_percent,
            order.post_only,
            order.reduce_only,
        )
        for order in latest.values()
    ]


def _precedes(holder: messages.Order, order: messages.Order) -> bool:
    """Whether the client_order_id goes from `holder` to `order`."""
    rejected = words.OrderStatus.REJECTED.wire
    if (holder.status == rejected) != (order.status == rejected):
        return holder.status == rejected
    return int(holder.order_id) < int(order.order_id)


ORDERS: Final = Table(
    "orders",
    _ORDER_COLUMNS,
    order_rows,
    (
        """
        UPDATE staged_orders AS staged SET client_order_id = NULL FROM orders
        WHERE staged.status = 'rejected'
          AND (orders.account, orders.client_order_id) = (staged.account, staged.client_order_id)
          AND orders.order_id <> staged.order_id
          AND (orders.status <> 'rejected' OR orders.order_id > staged.order_id)
        """,
        """
        UPDATE orders SET client_order_id = NULL FROM staged_orders AS staged
        WHERE orders.status = 'rejected'
          AND (orders.account, orders.client_order_id) = (staged.account, staged.client_order_id)
          AND orders.order_id <> staged.order_id
        """,
        insert(
            "orders",
            _ORDER_COLUMNS,
            (("created_at", moment("created_ns")), ("updated_at", moment("updated_ns"))),
            "ON CONFLICT (order_id) DO UPDATE SET "
            + ", ".join(f"{column} = excluded.{column}" for column in _ORDER_CHANGES)
            + " WHERE (excluded.last_seq, excluded.last_index) > (orders.last_seq, orders.last_index)",
        ),
    ),
)

# ------------------------------------------------------------------------------------------------- order events

_EVENT_COLUMNS: Final = (
    "id",
    "exec_id",
    "exec_type",
    "status",
    "order_id",
    "client_order_id",
    "orig_client_order_id",
    "list_id",
    "account",
    "symbol",
    "side",
    "order_type",
    "time_in_force",
    "quantity",
    "price",
    "stop_price",
    "filled_qty",
    "remaining_qty",
    "average_price",
    "last_qty",
    "last_price",
    "liquidity",
    "fee",
    "reason",
    "field",
    "text",
    "strategy",
    "source",
    "seq",
    "index",
    "ts_ns",
    "transact_ns",
)


def event_rows(placed: list[Placed]) -> list[Row]:
    """One row for each report, whatever it is about."""
    return [
        (
            report_id(event.exec_id),
            event.exec_id,
            event.exec_type,
            event.order_status,
            int(event.order_id),
            event.client_order_id,
            event.orig_client_order_id,
            None if event.list_id is None else int(event.list_id),
            event.account,
            event.symbol,
            event.side,
            event.order_type,
            event.time_in_force,
            event.quantity,
            event.limit_price,
            event.stop_price,
            event.filled_quantity,
            event.leaves_quantity,
            event.average_price,
            event.last_quantity,
            event.last_price,
            event.liquidity,
            event.fee,
            event.reason,
            event.field,
            event.text,
            event.strategy,
            event.source,
            event.seq,
            event.index,
            event.ts_ns,
            event.transact_ns,
        )
        for _, _, event in placed
    ]


ORDER_EVENTS: Final = Table(
    "order_events",
    _EVENT_COLUMNS,
    event_rows,
    (insert("order_events", _EVENT_COLUMNS, TIMESTAMP, "ON CONFLICT (id, timestamp) DO NOTHING"),),
)
