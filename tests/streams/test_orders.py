"""The state of an order, report by report."""

from __future__ import annotations

import pytest

from engine.messages import Order, OrderEvent
from streams.orders import fold
from tests.streams.flow import START_NS, report

NEW = report(7, 0, "new", "new")
PART = report(8, 1, "trade", "partially_filled", filled_quantity="4", leaves_quantity="6", source="zeromq")
REPLACED = report(9, 0, "replaced", "partially_filled", quantity="20", filled_quantity="4", leaves_quantity="16")
CANCELED = report(10, 0, "canceled", "canceled", filled_quantity="4", leaves_quantity="0", source="zeromq")


def folded(*events: OrderEvent) -> Order | None:
    order = None
    for event in events:
        order = fold(order, event)
    return order


def test_an_order_from_entry_to_its_end() -> None:
    order = folded(NEW, PART, REPLACED, CANCELED)
    assert order is not None
    assert (order.status, order.quantity, order.filled_quantity, order.leaves_quantity) == ("canceled", "10", "4", "0")
    assert (order.last_seq, order.last_index, order.updated_ns) == (10, 0, START_NS + 10_000)
    assert (order.created_ns, order.source, order.strategy) == (START_NS + 7_000, "rest", "maker")


def test_a_replace_changes_the_quantity() -> None:
    order = folded(NEW, PART, REPLACED)
    assert order is not None
    assert (order.quantity, order.leaves_quantity, order.status) == ("20", "16", "partially_filled")


@pytest.mark.parametrize("repeat", [NEW, PART])
def test_a_report_is_counted_once(repeat: OrderEvent) -> None:
    order = folded(NEW, PART)
    assert fold(order, repeat) is order


@pytest.mark.parametrize(
    "refusal",
    [
        report(9, 0, "rejected", "partially_filled", reason="invalid_quantity", field="quantity"),
        report(9, 0, "rejected", "rejected", order_id="0", reason="unknown_order", field="order_id"),
    ],
)
def test_a_refused_cancel_or_replace_changes_no_order(refusal: OrderEvent) -> None:
    order = folded(NEW, PART)
    assert fold(order, refusal) is order
    assert fold(None, refusal) is None


def test_a_refused_entry_is_a_rejected_order() -> None:
    order = folded(report(7, 0, "rejected", "rejected", reason="price_band", field="limit_price", leaves_quantity="0"))
    assert order is not None
    assert (order.status, order.reason, order.field) == ("rejected", "price_band", "limit_price")


def test_a_log_that_begins_later_still_gives_the_state() -> None:
    order = folded(PART)
    assert order is not None
    assert (order.status, order.created_ns) == ("partially_filled", START_NS + 8_000)
