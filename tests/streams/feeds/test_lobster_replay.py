"""Real NASDAQ days through the matcher: after every message the ten best levels are the file's."""

from __future__ import annotations

import signal

import pytest

from engine.words import Side
from streams.feeds.lobster import offline, replay
from streams.feeds.lobster.reader import DELETE, HALT, NEW, Message
from tests.streams.feeds.lobster_day import AAPL_BOOK, AAPL_MESSAGES, GOOG, day_of, needs

BUY = int(Side.BUY)


@pytest.mark.marketdata
@needs(AAPL_BOOK)
def test_aapl_999_rows() -> None:
    result = replay(AAPL_MESSAGES, AAPL_BOOK, symbol=None, speed=None, address=None, secret=None)
    assert (result.symbol, result.plan.rows) == ("AAPL", 999)
    assert (result.compared, result.equal) == (999, 999), result.report()
    assert result.ok
    assert sum(result.refused.values()) == 0
    assert result.printed == len(result.plan.prints) == 61


@pytest.mark.marketdata
@needs(GOOG)
def test_goog_the_whole_day() -> None:
    result = replay(GOOG, None, symbol=None, speed=None, address=None, secret=None)
    assert (result.symbol, result.plan.rows) == ("GOOG", 147_916)
    assert (result.compared, result.equal) == (147_916, 147_916), result.report()
    assert result.ok
    assert sum(result.refused.values()) == 0
    assert result.printed == len(result.plan.prints) == 3_913
    assert result.counts.contradictions == 0
    # The shared README knows of 5 among the orders that it follows; one more names an order seeded with its level.
    assert result.counts.displaced <= 6


def test_a_book_file_that_its_messages_do_not_explain_is_found_unequal() -> None:
    """The reference comes from the book file, whatever the translation thinks: here row 2's best bid is a lie."""
    asks = [(200_000, 5)]
    day = day_of(
        [
            (Message(NEW, 1, 10, 199_900, BUY), [(199_900, 10)], asks),
            (Message(NEW, 2, 7, 199_800, BUY), [(199_900, 10), (199_800, 7)], asks),
            (Message(DELETE, 2, 7, 199_800, BUY), [(199_900, 11)], asks),
        ],
        levels=3,
    )
    result = offline.play(day, "TEST", "by hand", None)
    assert (result.compared, result.equal, result.first_unequal) == (3, 2, 2)
    assert not result.ok
    assert "first difference    after row 3" in result.report()
    assert "NOT EQUAL" in result.report()


def test_the_report_says_every_count() -> None:
    day = day_of([(Message(NEW, 1, 10, 199_900, BUY), [(199_900, 10)], [(200_000, 5)])], levels=3)
    report = offline.play(day, "TEST", "by hand", None).report()
    for line in (
        "rows in file        1",
        "rows compared       1 (100.00 %)",
        "rows equal          1",
        "rows excluded       0",
        "levels seeded       0 at the window's far edge, 1 to open",
        "day                 not in the file's name",
        "result              every row compared is equal",
    ):
        assert line in report


def test_progress_is_told_and_an_interrupt_stops_cleanly() -> None:
    book = ([(199_900, 10)], [(200_000, 5)])
    rows = [(Message(NEW, 1, 10, 199_900, BUY), *book), *[(Message(HALT, 0, 0, 0, 0), *book)] * 2]
    day, told = day_of(rows, levels=3), []

    def interrupt(done: int, total: int) -> None:
        told.append((done, total))
        signal.raise_signal(signal.SIGINT)

    before = signal.getsignal(signal.SIGINT)
    result = offline.play(day, "TEST", "by hand", interrupt)
    assert told == [(0, 3)]
    assert result.stopped
    assert not result.ok
    assert (result.compared, result.equal) == (1, 1)
    assert result.excluded == {"not reached before it was stopped": 2}
    assert "stopped before the end; every row compared is equal" in result.report()
    assert signal.getsignal(signal.SIGINT) is before
