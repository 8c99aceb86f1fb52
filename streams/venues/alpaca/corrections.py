"""Fills that Alpaca takes back (`trade_bust`) or changes (`trade_correct`), as trades of ours. Pure.

A fill that was published stands: positions, P&L and whoever listens have it. What is taken back is therefore traded the
other way at the same price, and what it is changed to once more the first way, by orders of the same account that are
filled against the venue's and never go to Alpaca. Their names follow from the execution that was changed, so that the
engine takes each once."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Final, NamedTuple

OPPOSITE: Final = {"buy": "sell", "sell": "buy"}
BUST: Final = "bust"
CORRECTION: Final = "fix"
NAME: Final = re.compile(rf"({BUST}|{CORRECTION})-(\d+)-(\d+)-[0-9a-z]{{1,16}}")
KEPT: Final = 16
"""Letters of an execution's id that a name has room for; they are told apart within one order only."""


class Execution(NamedTuple):
    """A fill by Alpaca's own name of it."""

    id: str
    quantity: Decimal
    price: Decimal


class Booking(NamedTuple):
    """An order to enter here and to fill at once."""

    name: str
    side: str
    quantity: Decimal
    price: Decimal
    """Exact, perhaps between our ticks."""


def bookings(order_id: str, revision: int, side: str, before: Execution, after: Execution | None) -> list[Booking]:
    """What makes good that `before`, a fill of this revision of our order, is `after` now (None: nothing)."""
    mark = f"{order_id}-{revision}-"
    found = [Booking(f"{BUST}-{mark}{_short(before.id)}", OPPOSITE[side], before.quantity, before.price)]
    if after is not None:
        found.append(Booking(f"{CORRECTION}-{mark}{_short(after.id)}", side, after.quantity, after.price))
    return found


def corrected(name: str) -> tuple[str, int] | None:
    """order_id and revision of the order whose fill the one of this name corrects; None: it corrects none."""
    found = NAME.fullmatch(name)
    return None if found is None else (found[2], int(found[3]))


def _short(execution_id: str) -> str:
    return re.sub(r"[^0-9a-z]", "", execution_id.lower())[:KEPT]
