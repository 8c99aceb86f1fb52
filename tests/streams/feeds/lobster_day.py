"""LOBSTER files made by hand, and the real ones where they are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from streams.feeds.lobster.reader import Day, Message

MARKETDATA = Path(__file__).parents[4] / "shared" / "marketdata"
GOOG = MARKETDATA / "LOBSTER_SampleFile_GOOG_2012-06-21_10.zip"
AAPL = MARKETDATA / "lobster_aapl_999"
AAPL_MESSAGES = AAPL / "AAPL_2012-06-21_34200000_57600000_message_10.csv"
AAPL_BOOK = AAPL / "AAPL_2012-06-21_34200000_57600000_orderbook_10.csv"

NAME = "TEST_2012-06-21_34200000_57600000_{}_2.csv"


def needs(path: Path) -> pytest.MarkDecorator:
    return pytest.mark.skipif(not path.exists(), reason=f"shared market data is not here: {path}")


def write_day(folder: Path, messages: str, book: str) -> tuple[Path, Path]:
    """A pair of files from their text."""
    paths = folder / NAME.format("message"), folder / NAME.format("orderbook")
    for path, text in zip(paths, (messages, book), strict=True):
        path.write_text(text)
    return paths


def day_of(rows: list[tuple[Message, list[tuple[int, int]], list[tuple[int, int]]]], levels: int) -> Day:
    """A day from (message, bids, asks) a row; the levels are (price, size), best first."""

    def side(index: int) -> np.ndarray:
        return np.array([[*row[index], *[(0, 0)] * (levels - len(row[index]))] for row in rows], np.int64)

    times = np.arange(len(rows), dtype=np.int64) * 10**9
    return Day("TEST", None, times, [row[0] for row in rows], side(1), side(2))
