"""What can be subscribed to."""

from __future__ import annotations

import pytest

from engine.refusal import Refusal
from engine.words import Reason
from gateway import channels


def test_names_are_read_once_each() -> None:
    found = channels.parse(["orders", " book:AAPL", "orders", "", "trades:BRK/B"])
    assert [channel.name for channel in found] == ["orders", "book:AAPL", "trades:BRK/B"]


@pytest.mark.parametrize(
    ("names", "reason", "says"),
    [
        ([], Reason.MISSING_FIELD, "must name"),
        ([""], Reason.MISSING_FIELD, "must name"),
        (["order"], Reason.INVALID_FIELD, "'order' is not one of"),
        (["orders:AAPL"], Reason.INVALID_FIELD, "orders takes no symbol"),
        (["book"], Reason.INVALID_FIELD, "book needs a symbol"),
        (["trades:"], Reason.INVALID_FIELD, "trades needs a symbol"),
        (["book:A B"], Reason.INVALID_FIELD, "book needs a symbol"),
        (["book:" + 17 * "A"], Reason.INVALID_FIELD, "book needs a symbol"),
        ([f"book:S{n}" for n in range(65)], Reason.INVALID_FIELD, "at most 64"),
    ],
)
def test_other_names_are_refused(names: list[str], reason: Reason, says: str) -> None:
    with pytest.raises(Refusal, match=says) as refused:
        channels.parse(names)
    assert (refused.value.reason, refused.value.field) == (reason, "topics")
