"""Puts the same commands through two engines and finds the first difference."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

LEVELS: Final = 64
"""Levels a side that are compared: more than the streams of `order_flow` have prices."""


def rows_text(rows: NDArray[Any]) -> str:
    """Records as text, without the fields that are zero."""
    lines = []
    for row in rows:
        fields = zip(rows.dtype.names or (), row.item(), strict=True)
        shown = [f"{name}={value!r}" for name, value in fields if value not in (0, b"") and name not in ("pad", "tail")]
        lines.append("    " + " ".join(shown))
    return "\n".join(lines) or "    nothing"


def same(left: NDArray[Any], right: NDArray[Any]) -> bool:
    """Bit for bit."""
    return left.shape == right.shape and left.tobytes() == right.tobytes()


class Answer(NamedTuple):
    """What an engine answered to a batch of commands, and how its books look afterwards."""

    reports: NDArray[Any]
    replies: NDArray[Any]
    books: list[tuple[NDArray[Any], NDArray[Any], int]]
    """Bids, asks and last price of each instrument."""


def answer(engine: Any, commands: NDArray[Any], instruments: int) -> Answer:
    """Applies `commands` as one batch."""
    applied = engine.apply(commands)
    reports, replies = applied.reports.copy(), applied.replies.copy()
    numbers = range(1, instruments + 1)
    return Answer(reports, replies, [(*engine.depth(n, LEVELS), engine.last_price(n)) for n in numbers])


def difference(got: Answer, wanted: Answer, commands: NDArray[Any]) -> str | None:
    """What is not the same in two answers to `commands`; None where all is."""
    asked = f"commands\n{rows_text(commands[:20])}"
    for what, mine, other in (
        ("reports", got.reports, wanted.reports),
        ("replies", got.replies, wanted.replies),
    ):
        if not same(mine, other):
            return f"{what}: {asked}\ngot\n{rows_text(mine[:40])}\nexpected\n{rows_text(other[:40])}"
    for number, (mine_book, other_book) in enumerate(zip(got.books, wanted.books, strict=True), 1):
        for what, mine, other in zip(("bids", "asks", "last price"), mine_book, other_book, strict=True):
            if not same(np.asarray(mine), np.asarray(other)):
                return f"{what} of instrument {number}: {asked}\ngot\n{mine}\nexpected\n{other}"
    return None


def compare(fast: Any, slow: Any, commands: NDArray[Any], instruments: int) -> str | None:
    """Applies `commands` to both engines as one batch, and gives their first difference."""
    return difference(answer(fast, commands, instruments), answer(slow, commands, instruments), commands)


def compare_stream(fast: Any, slow: Any, commands: NDArray[Any], instruments: int) -> str | None:
    """The first difference over a stream of single commands, with its place in it."""
    for start in range(len(commands)):
        found = compare(fast, slow, commands[start : start + 1], instruments)
        if found:
            return f"after {start} commands: {found}"
    return None
