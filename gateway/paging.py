"""Lists that come from Postgres, made as new as what is in memory. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Generic, NamedTuple, TypeVar

from engine.messages import Fill, Order
from engine.refusal import Refusal
from engine.words import Reason

T = TypeVar("T")
Place = tuple[int, int]
"""What lists are ordered by: (order number, 0), or a fill's (seq, index)."""


class Page(NamedTuple, Generic[T]):
    records: list[T]
    next_cursor: Place | None
    """The last record's place, which goes into `beyond` for the next page; None at the end."""


def order_place(order: Order) -> Place:
    return int(order.order_id), 0


def fill_place(fill: Fill) -> Place:
    return fill.seq, fill.index


def merge(
    stored: list[T],
    memory: Iterable[T],
    *,
    place: Callable[[T], Place],
    matches: Callable[[T], bool],
    beyond: Place | None,
    limit: int,
    oldest_first: bool = False,
) -> Page[T]:
    """One page, newest first unless `oldest_first`.

    `stored` is the database's page of `limit` records that match and lie beyond `beyond`; `memory` holds records as new
    as any, matching or not, which replace their older selves. Where the database's page is full, what lies beyond its
    last record is not known yet and left to the next page."""
    end = place(stored[-1]) if len(stored) == limit else None
    records = {place(record): record for record in stored}
    for record in memory:
        at = place(record)
        follows = beyond is None or (at > beyond if oldest_first else at < beyond)
        if follows and (end is None or (at <= end if oldest_first else at >= end)):
            records[at] = record
    found = [records[at] for at in sorted(records, reverse=not oldest_first) if matches(records[at])]
    if len(found) > limit:
        return Page(found[:limit], place(found[limit - 1]))
    return Page(found, end)


def cursor_text(place: Place | None) -> str | None:
    return None if place is None else f"{place[0]}.{place[1]}"


def cursor_place(text: str | None) -> Place | None:
    """Raises `Refusal` where the cursor is none of ours."""
    if text is None:
        return None
    first, dot, second = text.partition(".")
    if dot and all(part.isascii() and part.isdigit() and len(part) <= 19 for part in (first, second)):
        place = int(first), int(second)
        if max(place) < 1 << 63:
            return place
    raise not_a_cursor()


def not_a_cursor() -> Refusal:
    return Refusal(Reason.INVALID_FIELD, "cursor", "cursor must be the next_cursor of the page before")
