"""Orders that trade at once or not at all (`ioc`, `fok`), in an instrument that is traded elsewhere.

An auction takes none. Where the auction is held for a venue (`SetPhase.venue`) they wait for what that says: in the
books as good till a moment soon after, and in all that is said of them as what they are. The matcher knows nothing of
it."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from engine.checks import content_hash
from engine.jit import entry
from engine.layout import COMMAND
from engine.state import Batch
from engine.words import CommandType, Flag, OrderType, TimeInForce

WAITS_NS: Final = 10 * 10**9
"""How long one stands here without a word from the venue; then it expires. What has traded there all the same is booked
when it is told."""
AT_ONCE: Final = (int(TimeInForce.IOC), int(TimeInForce.FOK))
LIST_FLAGS: Final = 0x30


def rows(commands: NDArray[Any], elsewhere: NDArray[np.bool_]) -> list[int]:
    """Which commands are such orders. `elsewhere`: by number, the instruments whose auction is held for a venue; the
    last one stands for all that are not known."""
    numbers = np.minimum(commands["instrument"], len(elsewhere) - 1)
    found = elsewhere[numbers] & (commands["type"] == CommandType.NEW)
    if not found.any():
        return []
    found &= (commands["order_type"] == OrderType.MARKET) | (commands["order_type"] == OrderType.LIMIT)
    found &= np.isin(commands["time_in_force"], AT_ONCE)
    found &= (commands["flags"] & (Flag.POST_ONLY | LIST_FLAGS)) == 0
    found &= (commands["expires_ns"] == 0) & (commands["display_quantity"] == 0)
    return [int(row) for row in np.flatnonzero(found)]


def waiting(command: NDArray[Any]) -> NDArray[Any]:
    """The order (one COMMAND record) as the books have it."""
    kept = command.copy()
    kept["time_in_force"] = int(TimeInForce.GTD)
    kept["expires_ns"] = command["ts_ns"] + WAITS_NS
    return kept


def show(reports: NDArray[Any], time_in_force: int) -> None:
    """Reports of one such order say what it is."""
    reports["time_in_force"] = time_in_force
    reports["expires_ns"] = 0


def content(command: NDArray[Any]) -> int:
    """What a repeat of the order (one COMMAND record) must have in common with it."""
    with np.errstate(over="ignore"):
        return int(_content(Batch(command, command.view("<u8").reshape(1, COMMAND.itemsize // 8))))


@entry
def _content(batch: Batch) -> Any:
    return content_hash(batch, 0)
