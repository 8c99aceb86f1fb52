"""Replies in words: REPLY records and refusals become the JSON that people read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from engine.layout import FIELDS
from engine.messages import Reply
from engine.refusal import Refusal
from engine.registry import Instruments
from engine.words import REASONS, Durability, OrderStatus, Outcome, Reason


def in_words(record: Any, instruments: Instruments, client_order_id: str | None = None) -> Reply:
    """One REPLY record as a message; quantities are in the units of the instrument that it names."""
    reason = Reason(int(record["reason"]))
    outcome = Outcome(int(record["outcome"]))
    number = int(record["instrument"])
    scale = instruments.by_number(number).scale if 1 <= number <= len(instruments) else None
    filled = int(record["filled"])
    status = int(record["order_status"])
    return Reply(
        outcome=outcome.wire,
        seq=int(record["seq"]),
        durability=Durability(int(record["durability"])).wire if record["durability"] else None,
        order_id=str(int(record["order_id"])) if record["order_id"] else None,
        client_order_id=client_order_id,
        order_status=OrderStatus(status).wire if status else None,
        quantity=scale.quantity_text(int(record["quantity"])) if scale else None,
        filled_quantity=scale.quantity_text(filled) if scale else None,
        leaves_quantity=scale.quantity_text(int(record["leaves"])) if scale else None,
        average_price=scale.average_price_text(int(record["notional"]), filled) if scale and filled else None,
        affected=int(record["affected"]) if not status and outcome is Outcome.ACCEPTED else None,
        reason=reason.wire if reason else None,
        field=(FIELDS[int(record["field"])] or None) if reason else None,
        text=REASONS[reason].text if reason else None,
    )


def list_in_words(records: Any, instruments: Instruments, client_order_ids: Sequence[str | None]) -> Reply:
    """The reply to an order list: as its first leg, or the first that was refused, and each leg's own in `orders`."""
    legs = [
        in_words(record, instruments, client_order_id)
        for record, client_order_id in zip(records, client_order_ids, strict=True)
    ]
    told = next((leg for leg in legs if leg.outcome == Outcome.REJECTED.wire), legs[0])
    return Reply(
        outcome=told.outcome,
        seq=told.seq,
        durability=told.durability,
        reason=told.reason,
        field=told.field,
        text=told.text,
        orders=legs,
    )


def refused(refusal: Refusal, client_order_id: str | None = None) -> Reply:
    """The answer to a command that was refused at the door, before it was sequenced."""
    return Reply(
        outcome=Outcome.REJECTED.wire,
        seq=0,
        client_order_id=client_order_id,
        reason=refusal.reason.wire,
        field=refusal.field or None,
        text=refusal.text,
    )
