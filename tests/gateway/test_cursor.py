"""Resume positions as text."""

from __future__ import annotations

import pytest

from engine.refusal import Refusal
from gateway import channels, cursor


def position(*names: str) -> cursor.Position:
    chosen = channels.parse(list(names))
    return cursor.Position(cursor.checksum(chosen, ["demo"]), chosen)


def test_comes_back_as_it_went() -> None:
    place = position("orders", "book:AAPL", "book:MSFT")
    place.place("orders", [5, 0, 2**40, 15])
    place.place("book", [1])
    covered, offsets = cursor.decode(place.text())
    assert covered == cursor.checksum(channels.parse(["book:MSFT", "orders", "book:AAPL"]), ["demo"])
    assert offsets == {"orders": [5, 0, 2**40, 15], "book": [1]}


def test_is_compact() -> None:
    place = position("orders", "fills", "positions", "pnl", "book:AAPL", "trades:AAPL")
    for feed in channels.FEEDS:
        place.place(feed.name, [1_000_000] * 4)
    assert len(place.text()) < 160


def test_never_goes_back() -> None:
    place = position("orders")
    place.place("orders", [5, 7])
    place.advance("orders", 0, 3)
    place.advance("orders", 1, 8)
    assert place.offsets == {"orders": [5, 8]}
    assert place.text().endswith("~o5.8")


@pytest.mark.parametrize(
    ("channels_now", "accounts_now", "same"),
    [
        (["orders", "fills"], ["demo"], True),
        (["fills", "orders"], ["demo"], True),
        (["orders"], ["demo"], False),
        (["orders", "fills"], ["demo", "other"], False),
        (["orders", "fills"], ["*"], False),
    ],
)
def test_is_good_for_the_same_subscription_only(channels_now: list[str], accounts_now: list[str], same: bool) -> None:
    before = cursor.checksum(channels.parse(["orders", "fills"]), ["demo"])
    assert (cursor.checksum(channels.parse(channels_now), accounts_now) == before) is same


@pytest.mark.parametrize(
    "text",
    [
        "",
        "0",
        "zzzzzzzz~o1",
        "00000000~x1",
        "00000000~o",
        "00000000~o1..2",
        "00000000~o-1",
        "00000000~o1\n",
        "0" * 5000,
    ],
)
def test_other_texts_are_refused(text: str) -> None:
    with pytest.raises(Refusal, match="Last-Event-ID"):
        cursor.decode(text)
