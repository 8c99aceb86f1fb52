"""What Alpaca says of orders, and what follows from it: without a network."""

from __future__ import annotations

import re
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from engine.layout import FIELDS
from engine.messages import Order
from engine.words import ExecType, OrderStatus, Reason
from streams.feeds.alpaca.messages import MessageError
from streams.venues.alpaca import reconciliation, routing, wire
from streams.venues.alpaca.corrections import Execution, bookings, corrected
from streams.venues.alpaca.routing import Change, End, Look, Restore, Route, Submit, TakeBack, Terms
from streams.venues.alpaca.statuses import EVENTS, STATUSES
from streams.venues.alpaca.trading import request
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
    statuses, events = PAGE.read_text().split("### Status of an order")[1].split("### Messages of `trade_updates`")
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
    assert found.fill == ("x", Decimal(7), Decimal(3), Decimal("100.5"), 1_767_341_045_123_456_789, "")
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
    at_once = Route(msgspec.structs.replace(ORDER, time_in_force="ioc"))
    at_once.saw(their(status=status))
    reason = Reason.UNSUPPORTED if status == "rejected" else Reason.NO_LIQUIDITY
    assert at_once.next() == action._replace(outcome="canceled", reason=reason), "as the engine itself says it"


WANTS: dict[str, dict[str, Any]] = {
    "`order_type` `market`": {"order_type": "market", "limit_price": None},
    "`order_type` `limit`": {},
    "`order_type` `stop`": {"order_type": "stop", "limit_price": None, "stop_price": "101"},
    "`order_type` `stop_limit`": {"order_type": "stop_limit", "stop_price": "101"},
    "`order_type` `trailing_stop`": {"order_type": "trailing_stop", "limit_price": None, "trail_percent": "1.5"},
    "`time_in_force` `day`": {"time_in_force": "day"},
    "`time_in_force` `gtc`": {"time_in_force": "gtc"},
    "`time_in_force` `opg`": {"time_in_force": "opg"},
    "`time_in_force` `cls`": {"time_in_force": "cls"},
    "`time_in_force` `gtd`": {"time_in_force": "gtd"},
    "`time_in_force` `ioc`": {"time_in_force": "ioc"},
    "`time_in_force` `fok`": {"time_in_force": "fok"},
    "`display_quantity`": {"display_quantity": "1"},
    "`post_only`": {"post_only": True},
    "`reduce_only`": {"reduce_only": True},
    "`quantity` with a part of a share": {"quantity": "1.5"},
}


def test_each_row_of_what_can_be_routed() -> None:
    """The page says of each order what is done, and of one that Alpaca cannot have which field is why."""
    text = PAGE.read_text().split("### What can be routed")[1].split("###")[0]
    rows = dict(re.findall(r"^\| (`[^|]+) \| ([^|]+) \|$", text, re.MULTILINE))
    assert rows.keys() == WANTS.keys()
    for name, more in WANTS.items():
        action = Route(msgspec.structs.replace(ORDER, **more)).next()
        if rows[name].startswith("yes"):
            assert isinstance(action, Submit), name
            asked = request(msgspec.structs.replace(ORDER, **more), action).to_request_fields()
            assert asked["time_in_force"] == routing.TIMES_IN_FORCE[more.get("time_in_force", "day")]
            assert asked["type"] == more.get("order_type", "limit")
        else:
            assert isinstance(action, End), name
            assert (action.reason, action.field) == (Reason.UNSUPPORTED, name.split("`")[1])
            assert action.text.startswith(f"{action.field}: Alpaca does not take ")
            assert action.field in FIELDS


@pytest.mark.parametrize("status", STATUSES)
def test_each_status_does_what_the_table_says(status: str) -> None:
    """Open there: the order stands here, also where a change is under way. Over there: it is over here, unless another
    order has taken its place."""
    route = Route(ORDER)
    route.saw(their(status=status, filled_qty="10" if status == "filled" else "0"))
    if status == "filled":
        assert route.next() == Look(), "the fill is not known yet"
        return
    action = route.next()
    if STATUSES[status].is_open or status == "replaced":
        assert action is None
        route.order = msgspec.structs.replace(ORDER, status="canceled")
        waits = STATUSES[status].is_pending or status == "replaced"
        assert route.next() == (None if waits else TakeBack("id-0"))
    else:
        assert isinstance(action, End)
        assert action.outcome == STATUSES[status].here


def test_what_a_correction_trades() -> None:
    before, after = Execution("A1b2-C3d4-" * 4, Decimal(4), Decimal("100.5")), Execution("e5", Decimal(3), Decimal(99))
    (bust,) = bookings("7", 2, "buy", before, None)
    assert bust == ("bust-7-2-a1b2c3d4a1b2c3d4", "sell", Decimal(4), Decimal("100.5"))
    assert bookings("7", 2, "sell", before, after) == [
        bust._replace(side="buy"),
        ("fix-7-2-e5", "sell", Decimal(3), Decimal(99)),
    ]
    assert corrected(bust.name) == corrected("fix-7-2-e5") == ("7", 2)
    assert len(f"bust-{2**63}-999-{'x' * 16}") <= 48
    for name in ("bust-7-2", "busted-7-2-e5", "fix-7-2-e5-1", "mine"):
        assert corrected(name) is None


def test_what_is_said_of_a_bust() -> None:
    """Alpaca's documented example has a negative quantity."""
    order = {
        **{"id": "x", "client_order_id": "y", "symbol": "JTAI", "side": "buy", "status": "filled", "qty": "2"},
        **{"filled_qty": "0", "type": "market", "created_at": "2024-09-23T15:30:48Z"},
    }
    raw = {
        **{"event": "trade_bust", "order": order, "price": "0.107703", "qty": "-2", "position_qty": "0"},
        **{"execution_id": "new", "previous_execution_id": "old"},
    }
    assert wire.update(raw).correction == ("new", "old", Decimal(2), Decimal("0.107703"))
    for change, field in (({"qty": "0"}, "qty, price"), ({"previous_execution_id": None}, "previous_execution_id")):
        with pytest.raises(MessageError, match=rf"^{field}\b"):
            wire.update({**raw, **change})


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
