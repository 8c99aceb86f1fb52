"""Kafka records for tests of the pure parts."""

from __future__ import annotations

from typing import Any

import msgspec

from engine.messages import Order, OrderEvent
from gateway import channels
from gateway.channels import Feed
from gateway.events import Event
from streams.orders import fold


def report(seq: int, index: int = 0, *, order_id: int | None = None, **changes: Any) -> OrderEvent:
    """An execution report: of a new order's acceptance, where nothing else is said."""
    fields: dict[str, Any] = {
        "seq": seq,
        "index": index,
        "ts_ns": 1000 + seq,
        "transact_ns": 1000 + seq,
        "exec_id": f"0.1.{seq}.{index}",
        "exec_type": "new",
        "order_status": "new",
        "reason": None,
        "field": None,
        "text": None,
        "order_id": str(seq if order_id is None else order_id),
        "client_order_id": f"c{seq if order_id is None else order_id}",
        "orig_client_order_id": None,
        "list_id": None,
        "account": "demo",
        "symbol": "AAPL",
        "side": "buy",
        "order_type": "limit",
        "time_in_force": "day",
        "expires_ns": None,
        "quantity": "10",
        "display_quantity": None,
        "limit_price": "190.00",
        "stop_price": None,
        "trail_amount": None,
        "trail_percent": None,
        "post_only": False,
        "reduce_only": False,
        "self_trade_prevention": "none",
        "filled_quantity": "0",
        "leaves_quantity": "10",
        "average_price": None,
        "last_quantity": None,
        "last_price": None,
        "liquidity": None,
        "fee": None,
        "strategy": None,
        "source": "rest",
    }
    return OrderEvent(**{**fields, **changes})


def canceled(seq: int, order_id: int, **changes: Any) -> OrderEvent:
    changed = {"exec_type": "canceled", "order_status": "canceled", "leaves_quantity": "0", **changes}
    return report(seq, order_id=order_id, **changed)


def order(seq: int, **changes: Any) -> Order:
    """The order that `report(seq)` makes."""
    made = fold(None, report(seq))
    assert made is not None
    return msgspec.structs.replace(made, **changes)


def order_event(offset: int, event: OrderEvent, partition: int = 0) -> Event:
    return Event(channels.ORDERS, partition, offset, event.account, event.symbol, event.seq, event.index, b"", event)


def record(
    feed: Feed, offset: int, *, partition: int = 0, account: str = "demo", symbol: str = "AAPL", **fields: Any
) -> Event:
    """A record of any other feed, with these fields in its JSON."""
    seq, index = fields.get("seq", offset), fields.get("index", 0)
    value = msgspec.json.encode({"account": account, "symbol": symbol, **fields})
    return Event(feed, partition, offset, account, symbol, seq, index, value)
