"""What a returning client has missed."""

from __future__ import annotations

import msgspec
import pytest

from gateway import channels
from gateway.backlog import LONGEST, Span, Wants, folded, latest_only, readable, unknown_orders
from tests.gateway.records import canceled, order, order_event, record, report

BOUNDS = {("order-events", 0): (10, 200_000), ("order-events", 1): (0, 50), ("books", 0): (10, 20)}


@pytest.mark.parametrize(
    ("first", "last", "readable_"),
    [
        ([10, 0], [60, 50], True),
        ([60, 50], [60, 50], True),
        ([70, 50], [60, 50], True),  # another gateway was ahead of this one
        ([9, 0], [60, 50], False),  # deleted
        ([200_001, 0], [60, 50], False),  # another log
        ([10, 0], [11 + LONGEST, 0], False),  # too much
    ],
)
def test_which_spans_can_be_resumed(first: list[int], last: list[int], readable_: bool) -> None:
    assert readable(Span(channels.ORDERS, first, last), BOUNDS) is readable_


def test_a_compacted_topic_can_be_resumed_from_before_its_beginning() -> None:
    assert readable(Span(channels.BOOK, [0], [20]), BOUNDS)


def test_only_what_was_subscribed_to() -> None:
    wants = Wants(channels.parse(["orders", "book:AAPL"]), frozenset({"demo"}))
    assert wants(order_event(0, report(1)))
    assert not wants(order_event(0, report(1, account="other")))
    assert not wants(record(channels.FILLS, 0))
    assert wants(record(channels.BOOK, 0))
    assert not wants(record(channels.BOOK, 0, symbol="MSFT"))


def test_books_conflate_and_orders_come_in_the_order_of_the_engine() -> None:
    found = [
        order_event(0, report(5), partition=1),
        record(channels.BOOK, 0),
        order_event(0, report(3)),
        record(channels.BOOK, 1),
        order_event(1, report(6)),
    ]
    kept = latest_only(found)
    assert [(event.feed.name, event.seq) for event in kept] == [
        ("orders", 3),
        ("orders", 5),
        ("orders", 6),
        ("book", 1),
    ]


def test_orders_are_folded_from_what_is_known_of_them() -> None:
    found = [
        order_event(0, canceled(20, 7)),
        order_event(1, report(21)),
        order_event(2, report(22, order_id=8, exec_type="rejected", order_status="filled", reason="too_late")),
        order_event(3, canceled(23, 21)),
        order_event(4, report(24, order_id=0, exec_type="rejected", order_status="rejected")),
    ]
    assert unknown_orders(found) == ["7", "8"]
    # Known in a later state than the backlog's: only what an order keeps for life is taken from it.
    known = {"7": order(7, created_ns=1, status="canceled", last_seq=20), "8": order(8, status="filled")}
    shown = [msgspec.json.decode(event.json) for event in folded(found, known)]
    assert [(row["order_id"], row["status"], row["created_ns"]) for row in shown] == [
        ("7", "canceled", "1"),
        ("21", "new", "1021"),
        ("21", "canceled", "1021"),
    ]
