"""Plays a LOBSTER day through the matcher as orders, and compares the book with the file after every message."""

from __future__ import annotations

import time
from pathlib import Path

from streams.feeds.lobster import offline, online
from streams.feeds.lobster.plan import Progress
from streams.feeds.lobster.reader import LobsterError, read
from streams.feeds.lobster.result import Result

__all__ = ["LobsterError", "Result", "replay"]


def replay(
    messages: Path,
    book: Path | None,
    *,
    symbol: str | None,
    speed: float | None,
    address: str | None,
    secret: str | None,
    progress: Progress | None = None,
) -> Result:
    """Replays a day and compares every row.

    `book` None: `messages` is LOBSTER's zip with both files. `symbol` None: the one in the file's name.
    `speed`: multiple of real time, None = as fast as it goes. `address` None: on a matcher in this process; else
    through the running engine there, whose tokens `secret` signs.

    Raises:
        LobsterError: the files, the symbol or the engine's state do not allow it; one line that says what to do.
    """
    started_s = time.monotonic()
    day = read(messages, book)
    name = symbol or day.symbol
    if name is None:
        raise LobsterError(f"{messages.name}: no symbol in its name; say it with --symbol")
    if address is None and speed is not None:
        raise LobsterError("--speed needs the running engine: without it the day goes as fast as it can")
    if address is None:
        result = offline.play(day, name, messages.name, progress)
    else:
        result = online.play(day, name, messages.name, address, secret or "", speed, progress)
    result.seconds = time.monotonic() - started_s
    return result
