"""What Alpaca says of an order, and what it is here. docs/alpaca.md has the same two tables, a test compares them."""

from __future__ import annotations

from typing import Final, NamedTuple


class Status(NamedTuple):
    """An order's status there."""

    here: str
    """`words.OrderStatus`, while nothing is filled."""
    is_open: bool
    """Whether it can still be filled there."""
    is_pending: bool = False
    """Whether a change that was asked for is under way: nothing else is asked meanwhile."""


class Event(NamedTuple):
    """What a message of `trade_updates` tells."""

    here: str
    """`words.ExecType` that follows, empty: none."""
    is_fill: bool = False
    is_correction: bool = False
    """Of a fill that was reported before."""
    alerts: bool = False
    """Somebody has to look: what was reported is not true any more."""


OPEN, CLOSED = True, False

STATUSES: Final[dict[str, Status]] = {
    "new": Status("new", OPEN),
    "partially_filled": Status("partially_filled", OPEN),
    "filled": Status("filled", CLOSED),
    "done_for_day": Status("new", OPEN),
    "canceled": Status("canceled", CLOSED),
    "expired": Status("expired", CLOSED),
    "replaced": Status("new", CLOSED),
    "pending_cancel": Status("new", OPEN, is_pending=True),
    "pending_replace": Status("new", OPEN, is_pending=True),
    "pending_review": Status("new", OPEN, is_pending=True),
    "accepted": Status("new", OPEN),
    "pending_new": Status("new", OPEN),
    "accepted_for_bidding": Status("new", OPEN),
    "stopped": Status("new", OPEN),
    "rejected": Status("canceled", CLOSED),
    "suspended": Status("new", OPEN),
    "calculated": Status("new", OPEN),
    "held": Status("new", OPEN),
}
UNCHANGEABLE: Final = frozenset({"accepted", "pending_new", "pending_cancel", "pending_replace", "pending_review"})
"""Alpaca refuses to replace an order that is in one of these; it can be asked again in the next."""

EVENTS: Final[dict[str, Event]] = {
    "accepted": Event(""),
    "new": Event(""),
    "pending_new": Event(""),
    "fill": Event("trade", is_fill=True),
    "partial_fill": Event("trade", is_fill=True),
    "canceled": Event("canceled"),
    "expired": Event("expired"),
    "rejected": Event("canceled"),
    "replaced": Event(""),
    "done_for_day": Event(""),
    "pending_cancel": Event(""),
    "pending_replace": Event(""),
    "accepted_for_bidding": Event(""),
    "held": Event(""),
    "stopped": Event(""),
    "suspended": Event(""),
    "calculated": Event(""),
    "restated": Event("", alerts=True),
    "order_cancel_rejected": Event(""),
    "order_replace_rejected": Event("replaced"),
    "trade_bust": Event("trade", is_correction=True, alerts=True),
    "trade_correct": Event("trade", is_correction=True, alerts=True),
}
