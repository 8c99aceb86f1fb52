"""Pages from the database, made as new as memory."""

from __future__ import annotations

import msgspec
import pytest

from engine.refusal import Refusal
from gateway import paging
from gateway.paging import Page


class Row(msgspec.Struct):
    number: int
    status: str
    newer: bool = False


def page(stored: list[Row], memory: list[Row], *, beyond: int | None = None, limit: int = 3) -> Page[Row]:
    return paging.merge(
        stored,
        memory,
        place=lambda row: (row.number, 0),
        matches=lambda row: row.status == "new",
        beyond=None if beyond is None else (beyond, 0),
        limit=limit,
    )


def numbers(found: Page[Row]) -> list[int]:
    return [row.number for row in found.records]


def test_memory_replaces_what_the_database_has_of_the_same() -> None:
    found = page([Row(2, "new"), Row(1, "new")], [Row(2, "new", newer=True)])
    assert numbers(found) == [2, 1]
    assert found.records[0].newer
    assert found.next_cursor is None


def test_what_no_longer_matches_is_left_out() -> None:
    assert numbers(page([Row(2, "new"), Row(1, "new")], [Row(2, "filled")])) == [1]


def test_what_the_database_does_not_have_yet_is_there() -> None:
    assert numbers(page([Row(1, "new")], [Row(9, "new"), Row(8, "filled")])) == [9, 1]


def test_a_full_page_says_where_the_next_begins() -> None:
    found = page([Row(7, "new"), Row(6, "new"), Row(5, "new")], [Row(9, "new")])
    assert numbers(found) == [9, 7, 6]
    assert found.next_cursor == (6, 0)


def test_nothing_beyond_a_full_page_of_the_database_is_claimed() -> None:
    # 2 lies beyond what the database has shown, and 4 and 3 may lie between: they belong to the next page.
    found = page([Row(7, "new"), Row(6, "new"), Row(5, "new")], [Row(7, "filled"), Row(2, "new")])
    assert numbers(found) == [6, 5]
    assert found.next_cursor == (5, 0)


def test_a_later_page_takes_nothing_from_before_it() -> None:
    assert numbers(page([Row(3, "new")], [Row(9, "new"), Row(4, "new")], beyond=5)) == [4, 3]


def test_pages_together_hold_everything_once() -> None:
    everything = [Row(number, "new" if number % 3 else "filled") for number in range(1, 40)]
    seen: list[int] = []
    before: int | None = None
    while True:
        matching = [row for row in reversed(everything) if row.status == "new"]
        stored = [row for row in matching if before is None or row.number < before][:3]
        found = page(stored, everything[30:], beyond=before)
        seen += numbers(found)
        if found.next_cursor is None:
            break
        before = found.next_cursor[0]
    assert seen == [row.number for row in reversed(everything) if row.status == "new"]


def test_a_cursor_comes_back_as_it_went() -> None:
    assert paging.cursor_place(paging.cursor_text((12, 3))) == (12, 3)
    assert paging.cursor_place(paging.cursor_text(None)) is None


@pytest.mark.parametrize("text", ["", "1", "1.", ".1", "a.1", "1.-1", "1.1.1", "9223372036854775808.0", "²."])
def test_other_cursors_are_refused(text: str) -> None:
    with pytest.raises(Refusal, match="next_cursor"):
        paging.cursor_place(text)
