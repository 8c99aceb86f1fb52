"""The state of an order, report by report."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.messages import Order, OrderEvent, as_json
from engine.words import WORKING_WORDS
from streams.orders import fold, last_states
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


STOP = {
    "order_type": "trailing_stop",
    "time_in_force": "gtd",
    "limit_price": None,
    "stop_price": "189.00",
    "trail_percent": "0.5",
    "expires_ns": 99,
    "list_id": "6",
    "reduce_only": True,
    "self_trade_prevention": "decrement",
}


def test_what_an_order_is_beside_its_price() -> None:
    order = folded(report(7, 0, "new", "new", **STOP, display_quantity="2", trail_amount="1.00", post_only=True))
    assert order is not None
    for field in ("stop_price", "trail_percent", "expires_ns", "list_id", "reduce_only"):
        assert getattr(order, field) == STOP[field]
    assert (order.display_quantity, order.trail_amount, order.post_only) == ("2", "1.00", True)


def test_a_refused_change_leaves_what_it_could_not_change() -> None:
    """Its report says zeros of the order."""
    order = folded(report(7, 0, "new", "new", **STOP))
    refused = report(9, 0, "rejected", "new", reason="kill_switch", field="account", limit_price=None)
    assert fold(order, refused) is order


def test_a_replace_moves_the_stop() -> None:
    order = folded(report(7, 0, "new", "new", **STOP), report(9, 0, "replaced", "new", **{**STOP, "stop_price": "188"}))
    assert order is not None
    assert (order.stop_price, order.trail_percent, order.status) == ("188", "0.5", "new")


def test_the_life_of_a_child_of_a_bracket() -> None:
    """It waits for its parent, is released with what the parent bought, is triggered, restated by its sibling's fill,
    and expires."""
    child = {**STOP, "side": "sell", "list_id": "6"}
    life = [
        (report(7, 0, "new", "pending_new", **child), ("pending_new", "10", "10", True)),
        (report(8, 4, "triggered", "new", **child, quantity="8", leaves_quantity="8"), ("new", "8", "8", True)),
        (
            report(9, 2, "restated", "new", **child, quantity="5", leaves_quantity="5", reason="linked_order"),
            ("new", "5", "5", True),
        ),
        (
            report(10, 0, "expired", "expired", **child, quantity="5", leaves_quantity="0", reason="day_ended"),
            ("expired", "5", "0", False),
        ),
    ]
    order = None
    for event, (status, quantity, leaves, works) in life:
        order = fold(order, event)
        assert order is not None
        assert (order.status, order.quantity, order.leaves_quantity) == (status, quantity, leaves)
        assert (order.status in WORKING_WORDS) is works
        assert order.reason == event.reason
    assert order is not None
    assert order.created_ns == START_NS + 7_000


def test_records_of_before_there_were_such_orders_can_be_read() -> None:
    """Kafka and Redis keep them."""
    written = msgspec.json.decode(as_json(NEW))
    for field in ("list_id", "orig_client_order_id", "expires_ns", "display_quantity", "stop_price", "trail_amount"):
        del written[field]
    for field in ("trail_percent", "post_only", "reduce_only", "self_trade_prevention"):
        del written[field]
    assert msgspec.json.decode(msgspec.json.encode(written), type=OrderEvent) == NEW


def test_a_log_that_begins_later_still_gives_the_state() -> None:
    order = folded(PART)
    assert order is not None
    assert (order.status, order.created_ns) == ("partially_filled", START_NS + 8_000)


def reports() -> st.SearchStrategy[OrderEvent]:
    kinds = st.sampled_from(
        [("new", "new"), ("trade", "filled"), ("rejected", "rejected"), ("rejected", "new"), ("canceled", "canceled")]
    )
    return st.builds(
        lambda seq, index, kind, order_id: report(
            seq, index, *kind, order_id=str(order_id), source=f"s{seq}", strategy=f"{index}"
        ),
        st.integers(1, 6),
        st.integers(0, 2),
        kinds,
        st.integers(0, 3),
    )


@given(st.lists(reports(), max_size=12))
def test_the_last_states_are_the_fold_of_every_report(events: list[OrderEvent]) -> None:
    expected: dict[str, Order] = {}
    for event in events:
        order = fold(expected.get(event.order_id), event)
        if order is not None:
            expected[event.order_id] = order
    assert last_states(events) == expected
