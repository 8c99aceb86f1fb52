"""Replies in words: REPLY records and refusals become the JSON that people read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from engine.layout import FIELDS
from engine.messages import Reply
from engine.refusal import Refusal
from engine.registry import Instruments
from engine.words import REASONS, Durability, OrderStatus, Outcome

_outcomes: Final = {int(outcome): outcome.wire for outcome in Outcome}
_statuses: Final = {int(status): status.wire for status in OrderStatus} | {0: None}
_durabilities: Final = {int(level): level.wire for level in Durability} | {0: None}
_reasons: Final = {int(reason): (reason.wire, text.text) for reason, text in REASONS.items()} | {0: (None, None)}


def in_words(record: Any, instruments: Instruments, client_order_id: str | None = None) -> Reply:
    """One REPLY record as a message; quantities are in the units of the instrument that it names."""
    # All fields at once: each one by its name takes as long.
    (
        seq,
        order_id,
        quantity,
        filled,
        leaves,
        notional,
        outcome,
        status,
        reason,
        field,
        durability,
        _,
        affected,
        instrument,
    ) = record.item()
    scale = instruments.by_number(instrument).scale if 1 <= instrument <= len(instruments) else None
    reason_word, text = _reasons[reason]
    return Reply(
        outcome=_outcomes[outcome],
        seq=seq,
        durability=_durabilities[durability],
        order_id=str(order_id) if order_id else None,
        client_order_id=client_order_id,
        order_status=_statuses[status],
        quantity=scale.quantity_text(quantity) if scale else None,
        filled_quantity=scale.quantity_text(filled) if scale else None,
        leaves_quantity=scale.quantity_text(leaves) if scale else None,
        average_price=scale.average_price_text(notional, filled) if scale and filled else None,
        affected=affected if not status and outcome == Outcome.ACCEPTED else None,
        reason=reason_word,
        field=(FIELDS[field] or None) if reason else None,
        text=text,
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
