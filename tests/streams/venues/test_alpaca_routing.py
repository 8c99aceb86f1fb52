"""What Alpaca says of orders, and what follows from it: without a network."""

from __future__ import annotations

import re
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from engine.messages import Order
from engine.words import ExecType, OrderStatus, Reason
from streams.feeds.alpaca.messages import MessageError
from streams.venues.alpaca import reconciliation, routing, wire
from streams.venues.alpaca.routing import Change, End, Look, Restore, Route, Submit, TakeBack, Terms
from streams.venues.alpaca.statuses import EVENTS, STATUSES
from streams.venues.alpaca.wire import Balance

PAGE = Path(__file__).parents[3] / "docs" / "alpaca.md"
ROW = re.compile(r"^\| `([a-z_]+)` \| ([^|]+) \|(?: (yes|no) \|)?", re.MULTILINE)
ORDER = Order(
    order_id="7",
    client_order_id="mine",
    account="demo",
    symbol="AAPL",
    side="buy",
    order_type="limit",
    time_in_force="day",
    quantity="10",
    limit_price="100.00",
    status="new",
    filled_quantity="0",
    leaves_quantity="10",
    average_price=None,
    reason=None,
    field=None,
    text=None,
    strategy=None,
    source="rest",
    created_ns=5,
    updated_ns=5,
    last_seq=7,
    last_index=0,
)


def their(revision: int = 0, **more: Any) -> wire.TheirOrder:
    raw = {
        **{"id": f"id-{revision}", "client_order_id": f"hft-7-5-{revision}", "symbol": "AAPL", "side": "buy"},
        **{"status": "new", "qty": "10", "filled_qty": "0", "limit_price": "100", "type": "limit"},
        **{"submitted_at": "2026-01-02T03:04:05Z"},
    }
    return wire.order({**raw, **more})


def filled(revision: int, cumulative: int, quantity: int) -> wire.TheirFill:
    return wire.TheirFill(f"id-{revision}", Decimal(cumulative), Decimal(quantity), Decimal(100), 1)


def test_the_tables_have_all_that_alpaca_knows_and_the_page_has_the_tables() -> None:
    from alpaca.trading.enums import OrderStatus as TheirStatus
    from alpaca.trading.enums import TradeEvent

    assert STATUSES.keys() == {one.value for one in TheirStatus}
    # The stream documents more than the client's own enum has.
    assert EVENTS.keys() >= {one.value for one in TradeEvent}
    ours = OrderStatus.words().keys()
    assert {one.here for one in STATUSES.values()} <= ours
    assert {one.here for one in EVENTS.values()} <= {"", *ExecType.words()}
    statuses, events = PAGE.read_text().split("### Messages of `trade_updates`")
    assert {name: (here.strip("` "), work) for name, here, work in ROW.findall(statuses)} == {
        name: (one.here, "yes" if one.is_open else "no") for name, one in STATUSES.items()
    }
    assert {name: here.strip("` ") for name, here, _ in ROW.findall(events)} == {
        name: one.here or "–" for name, one in EVENTS.items()
    }


def test_an_update() -> None:
    raw = {"event": "partial_fill", "timestamp": "2026-01-02T03:04:05.123456789-05:00", "price": "100.5", "qty": "3"}
    order = {
        **{"id": "x", "client_order_id": "y", "symbol": "AAPL", "side": "sell", "status": "partially_filled"},
        **{"qty": "10", "filled_qty": "7", "limit_price": None, "type": "market", "created_at": "2026-01-02T03:04:05Z"},
    }
    found = wire.update({**raw, "order": order})
    assert found.fill == ("x", Decimal(7), Decimal(3), Decimal("100.5"), 1_767_341_045_123_456_789)
    assert found.fill is not None
    assert found.fill.name == "x:7"
    for change, field in (
        ({"qty": "9"}, "qty"),
        ({"price": "0"}, "qty, price"),
        ({"timestamp": 3}, "timestamp"),
        ({"event": "merged"}, "event"),
        ({"order": {**order, "status": "asleep"}}, "status"),
        ({"order": {**order, "qty": None}}, "qty"),
        ({"order": {**order, "filled_qty": "many"}}, "filled_qty"),
        ({"order": None}, "order"),
    ):
        with pytest.raises(MessageError, match=rf"^{field}\b"):
            wire.update({**raw, "order": order, **change})


def test_the_way_of_an_order() -> None:
    route = Route(ORDER)
    assert route.next() == Submit("hft-7-5-0", Decimal(10))
    route.saw(their())
    assert route.next() is None
    route.order = msgspec.structs.replace(ORDER, limit_price="100.50")
    wanted = Terms(Decimal(10), Decimal("100.50"), None)
    assert route.next() == Change("id-0", "hft-7-5-1", wanted)
    for status in ("accepted", "pending_new", "pending_cancel", "pending_replace"):
        waiting = Route(route.order)
        waiting.saw(their(status=status))
        assert waiting.next() is None, f"Alpaca would refuse it while {status}"
    route.saw(their(1, limit_price="100.5"))
    route.saw(their(0, status="replaced"))
    assert (route.theirs, route.next()) == (their(1, limit_price="100.5"), None)
    route.saw(their(1, limit_price="100.5", status="partially_filled", filled_qty="4"))
    assert route.next() == Look(), "the fill is not known yet"
    route.count(filled(1, 4, 4))
    assert route.next() is None
    route.order = msgspec.structs.replace(route.order, status="canceled")
    assert route.next() == TakeBack("id-1")


def test_part_of_a_replaced_order_may_count_twice_nowhere() -> None:
    """Whether a replacement's numbers have the fills of what it replaced or not, ten are bought and no more."""
    for carried in (True, False):
        route = Route(ORDER)
        route.saw(their())
        route.count(filled(0, 4, 4))
        route.saw(their(1, filled_qty="4" if carried else "0"))
        assert route.earlier == (0 if carried else 4)
        wanted = route.next()
        if carried:
            assert wanted is None, "ten in all is what it is for"
        else:
            assert wanted == Change("id-1", "hft-7-5-2", Terms(Decimal(6), Decimal("100.00"), None))


def test_terms_that_alpaca_would_not_have_are_taken_back_here() -> None:
    route = Route(msgspec.structs.replace(ORDER, limit_price="101.00"))
    route.saw(their())
    route.unchanged = route.wanted
    assert route.next() == Restore(Terms(Decimal(10), Decimal(100), None))


@pytest.mark.parametrize(
    ("status", "outcome"), [("canceled", "canceled"), ("expired", "expired"), ("rejected", "canceled")]
)
def test_what_ends_there_ends_here(status: str, outcome: str) -> None:
    route = Route(ORDER)
    route.saw(their(status=status))
    action = route.next()
    assert isinstance(action, End)
    assert action.outcome == outcome


@pytest.mark.parametrize(
    "more",
    [
        {"time_in_force": "gtd"},
        {"display_quantity": "1"},
        {"post_only": True},
        {"reduce_only": True},
        {"list_id": "7"},
        {"quantity": "1.5"},
    ],
)
def test_what_alpaca_cannot_have_is_not_entered(more: dict[str, Any]) -> None:
    action = Route(msgspec.structs.replace(ORDER, **more)).next()
    assert isinstance(action, End)
    assert action.reason is Reason.UNSUPPORTED


def test_another_systems_order_of_the_same_number_is_none_of_ours() -> None:
    route = Route(ORDER)
    for name in ("hft-7-6-0", "hft-8-5-0", "hft-7-5", "by hand", "hft-7-x-0"):
        route.saw(their(client_order_id=name))
    assert route.theirs is None


def test_the_comparison_names_what_differs() -> None:
    working, lost = Route(ORDER), Route(msgspec.structs.replace(ORDER, order_id="8"))
    working.saw(their())
    ours = reconciliation.books(Decimal(1000), [("AAPL", Decimal(-3), Decimal("300.00"), Decimal("0.01"))])
    assert ours == ({"AAPL": Decimal(3)}, Decimal("700.01"))
    stray = their(id="stray", client_order_id="by hand")
    found = reconciliation.compare(
        ours, [working, lost], {"AAPL": Decimal(3)}, [their()], Balance("1", Decimal("700.01"), False)
    )
    assert [one.text for one in found.differences] == ["order 8 of demo works here and not there"]
    found = reconciliation.compare(
        ours, [working], {"MSFT": Decimal(1)}, [their(), stray], Balance("1", Decimal("690.01"), True)
    )
    assert [one.text for one in found.differences] == [
        "AAPL: 0 there, 3 by our fills",
        "MSFT: 1 there, 0 by our fills",
        "AAPL: order stray was not entered by this system",
        "cash: 690.01 there, 700.01 by our fills and deposits",
        "Alpaca has blocked the account for trading",
    ]


def test_refusals() -> None:
    for code, text, reason in (
        (403, "insufficient buying power", Reason.BUYING_POWER),
        (403, "forbidden.", Reason.NOT_AUTHORIZED),
        (422, "market is closed", Reason.MARKET_CLOSED),
        (422, "trading is halted", Reason.HALTED),
        (422, "qty must be > 0", Reason.UNSUPPORTED),
    ):
        assert routing.refusal(code, text) == End("canceled", reason, f"Alpaca: {text}")
