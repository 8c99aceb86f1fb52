"""What the reference answers with: rows of plain values that become REPORT and REPLY records at the end."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.layout import FIELDS
from engine.reference.book import Order
from engine.words import Outcome, Reason


class Refused(Exception):
    """A command cannot be carried out: why, and which field is wrong."""

    def __init__(self, reason: Reason, name: str = "") -> None:
        super().__init__(reason, name)
        self.reason = reason
        self.field = FIELDS.index(name) if name in FIELDS else 0


class Applied(NamedTuple):
    reports: NDArray[Any]
    """REPORT, in order."""
    replies: NDArray[Any]
    """REPLY, one a command."""


def rejection(refused: Refused) -> dict[str, Any]:
    return {"outcome": Outcome.REJECTED, "reason": refused.reason, "field": refused.field}


def as_it_is(order: Order) -> dict[str, Any]:
    """The part of a reply that shows an order."""
    return {
        "order_id": order.order_id,
        "instrument": order.instrument,
        "order_status": order.status,
        "quantity": order.quantity,
        "filled": order.filled,
        "leaves": order.leaves,
        "notional": order.notional,
    }


def records(rows: list[dict[str, Any]], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Rows as records; what a row does not name is 0."""
    result = np.zeros(len(rows), dtype)
    for record, row in zip(result, rows, strict=True):
        for name, value in row.items():
            record[name] = value
    return result
