"""Order lists at Alpaca, without a network: what can be routed, and what has to be done next."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from engine.layout import FIELDS
from engine.messages import Order
from engine.words import Reason
from streams.venues.alpaca import wire
from streams.venues.alpaca.groups import Group
from streams.venues.alpaca.routing import Change, End, Refresh, Restore, Route, Submit, TakeBack, Terms
from streams.venues.alpaca.trading import request
from tests.streams.venues.test_alpaca_routing import ORDER, PAGE

ENTRY = {"order_type": "market", "limit_price": None, "time_in_force": "gtc"}
PROFIT = {"side": "sell", "limit_price": "110.00", "time_in_force": "gtc"}
STOP = {"side": "sell", "order_type": "stop", "limit_price": None, "stop_price": "95.00", "time_in_force": "gtc"}


def group_of(*legs: dict[str, Any], oco: bool = False) -> Group:
    """A list as it came in, of a first order and its exits, or of two exits."""
    group = Group("7")
    for number, leg in enumerate(legs):
        status = "new" if oco or number == 0 else "pending_new"
        group.add(Route(msgspec.structs.replace(ORDER, order_id=str(7 + number), list_id="7", status=status, **leg)))
    group.is_complete = True
    return group


def bracket() -> tuple[Group, Route, Route, Route]:
    group = group_of(ENTRY, PROFIT, STOP)
    return (group, *group.legs)


def saw(route: Route, status: str, number: int = 0, **more: Any) -> None:
    """Alpaca's own order for one of ours, with a name of Alpaca's."""
    order = route.order
    raw = {
        **{"id": f"{order.order_id}/{number}", "client_order_id": "of-alpaca", "symbol": "AAPL", "side": order.side},
        **{"status": status, "qty": order.quantity, "filled_qty": "0", "type": order.order_type},
        **{"limit_price": order.limit_price, "stop_price": order.stop_price, "order_class": "bracket"},
        **{"submitted_at": f"2026-01-02T03:04:{number:02}Z"},
    }
    route.saw(wire.order({**raw, **more}))


def now(route: Route, **changes: Any) -> None:
    route.order = msgspec.structs.replace(route.order, **changes)


def count(route: Route, lots: int) -> None:
    assert route.theirs is not None
    route.count(wire.TheirFill(route.theirs.id, route.own + lots, Decimal(lots), Decimal(100), 1))


LISTS: dict[str, tuple[Group, str]] = {
    "`bracket` of a market order": (group_of(ENTRY, PROFIT, STOP), "bracket"),
    "`bracket` of a limit order, the stop-loss a `stop_limit`": (
        group_of({"time_in_force": "gtc"}, PROFIT, {**STOP, "order_type": "stop_limit", "limit_price": "94.00"}),
        "bracket",
    ),
    "`oto` whose second is a take-profit or a stop-loss": (group_of(ENTRY, STOP), "oto"),
    "`oco` of a limit order and a stop": (group_of(STOP, PROFIT, oco=True), "oco"),
    "`oto` whose second is of the same side": (group_of(ENTRY, {**PROFIT, "side": "buy"}), "side"),
    "`oto` whose second is of another quantity": (group_of(ENTRY, {**PROFIT, "quantity": "5"}), "quantity"),
    "`oco` of two limit orders, or of two stops": (group_of(PROFIT, PROFIT, oco=True), "order_type"),
    "a stop as the entry": (group_of({**STOP, "side": "buy"}, PROFIT, STOP), "order_type"),
    "a `trailing_stop`, or a market order, as an exit": (
        group_of(ENTRY, PROFIT, {**STOP, "order_type": "trailing_stop", "stop_price": None, "trail_amount": "1"}),
        "order_type",
    ),
    "another time in force than `day` or `gtc`": (
        group_of(*({**leg, "time_in_force": "gtd"} for leg in (ENTRY, PROFIT, STOP))),
        "time_in_force",
    ),
    "orders of different times in force": (group_of({**ENTRY, "time_in_force": "day"}, PROFIT, STOP), "time_in_force"),
    "a part of a share": (group_of(*({**leg, "quantity": "1.5"} for leg in (ENTRY, PROFIT, STOP))), "quantity"),
    "`reduce_only`": (group_of(ENTRY, PROFIT, {**STOP, "reduce_only": True}), "reduce_only"),
}


def test_each_row_of_what_lists_can_be_routed() -> None:
    text = PAGE.read_text().split("### Order lists")[1].split("###")[0]
    rows = dict(re.findall(r"^\| ([^|]+) \| (yes|no)[^|]* \|$", text, re.MULTILINE))
    assert rows.keys() == LISTS.keys()
    for name, (group, what) in LISTS.items():
        actions = [action for leg in group.legs if (action := leg.next()) is not None]
        (action,) = actions
        if rows[name] == "no":
            assert isinstance(action, End), name
            assert (action.reason, action.field) == (Reason.UNSUPPORTED, what), name
            assert what in FIELDS
            continue
        assert isinstance(action, Submit), name
        assert action.order_class == what, name


@pytest.mark.parametrize("kind", ["bracket", "oto", "oco"])
def test_what_alpacas_client_sends(kind: str) -> None:
    group = {"bracket": bracket()[0], "oto": group_of(ENTRY, STOP), "oco": group_of(PROFIT, STOP, oco=True)}[kind]
    action = group.legs[0].next()
    assert isinstance(action, Submit)
    sent = request(group.legs[0].order, action).to_request_fields()
    assert (sent["order_class"], sent["qty"], sent["client_order_id"]) == (kind, 10.0, "hft-7-5-0")
    assert sent["type"] == ("limit" if kind == "oco" else "market")
    assert sent["stop_loss"] == {"stop_price": 95.0}
    assert sent.get("take_profit") == (None if kind == "oto" else {"limit_price": 110.0})


def test_the_way_of_a_bracket() -> None:
    _, entry, profit, stop = bracket()
    saw(entry, "new")
    saw(profit, "held")
    saw(stop, "held")
    assert [leg.next() for leg in (entry, profit, stop)] == [None, None, None]
    saw(entry, "filled", filled_qty="10")
    count(entry, 10)
    now(entry, status="filled", filled_quantity="10")
    now(profit, status="new")
    now(stop, status="new", stop_price="96.00")
    saw(profit, "new")
    assert (entry.next(), profit.next()) == (None, None)
    assert stop.next() == Change("9/0", "hft-9-5-1", Terms(Decimal(10), None, Decimal("96.00")))
    # The take-profit is filled; what becomes of the stop-loss the stream does not tell.
    saw(profit, "filled", filled_qty="10")
    count(profit, 10)
    now(profit, status="filled")
    now(stop, status="canceled")
    assert stop.next() == TakeBack("9/0")
    stop.asked = TakeBack("9/0")
    assert stop.next() is None


def test_an_exit_that_ends_there_is_not_ended_here_before_the_other_is_known() -> None:
    _, entry, profit, stop = bracket()
    for leg, status in ((entry, "filled"), (profit, "new"), (stop, "held")):
        saw(leg, status, filled_qty="10" if leg is entry else "0")
        now(leg, status="filled" if leg is entry else "new")
    count(entry, 10)
    saw(stop, "canceled")
    assert stop.next() == Refresh("8"), "it may be that the take-profit has filled"
    saw(profit, "canceled")
    assert isinstance(stop.next(), End), "somebody has canceled it there"
    saw(profit, "replaced", 1)
    saw(stop, "replaced", 1)
    assert (profit.next(), stop.next()) == (None, None), "a stop-loss that trades replaces the other"
    saw(stop, "new", 2)
    assert stop.theirs is not None
    assert stop.theirs.id == "9/2"


def test_exits_of_an_entry_that_was_canceled_in_part_are_entered_by_themselves() -> None:
    group, entry, profit, stop = bracket()
    for leg in group.legs:
        saw(leg, "new" if leg is entry else "held")
    saw(entry, "partially_filled", filled_qty="4")
    count(entry, 4)
    now(entry, status="canceled", filled_quantity="4")
    assert group.waits_in_vain
    assert entry.next() == TakeBack("7/0")
    for leg in (profit, stop):
        now(leg, status="new", quantity="4")
        assert leg.next() is None, "they are held there until the entry is over"
    assert not group.waits_in_vain
    saw(entry, "canceled", filled_qty="4")
    assert (profit.next(), stop.next()) == (Refresh("8"), Refresh("9")), "the stream may not have told"
    saw(profit, "canceled")
    assert profit.next() == Refresh("9")
    saw(stop, "canceled")
    assert stop.next() is None
    anew = Submit("hft-8-5-1", Decimal(4), "oco", profit.order, stop.order)
    assert profit.next() == anew
    saw(profit, "new", 1, client_order_id="hft-8-5-1", order_class="oco")
    saw(stop, "held", 1, order_class="oco")
    assert (profit.next(), stop.next()) == (None, None)
    saw(profit, "canceled", 1, client_order_id="hft-8-5-1", order_class="oco")
    saw(stop, "canceled", 1, order_class="oco")
    assert isinstance(profit.next(), End), "once only"


def test_prices_of_orders_that_have_traded() -> None:
    """A part-filled entry stays as it is there; exits are canceled and what is left is entered anew."""
    _, entry, profit, stop = bracket()
    now(entry, order_type="limit", limit_price="100.00")
    saw(entry, "partially_filled", filled_qty="4")
    count(entry, 4)
    now(entry, limit_price="101.00")
    assert entry.next() == Restore(Terms(Decimal(10), Decimal("100.00"), None))
    saw(entry, "filled", filled_qty="10")
    count(entry, 6)
    now(entry, status="filled")
    saw(profit, "partially_filled", filled_qty="4")
    count(profit, 4)
    saw(stop, "held", qty="6")
    now(stop, status="new", quantity="6")
    now(profit, status="partially_filled", limit_price="109.00")
    assert (stop.next(), profit.next()) == (None, TakeBack("8/0"))
    for leg in (profit, stop):
        leg.enters_again = True
        saw(leg, "canceled", filled_qty="4" if leg is profit else "0")
    assert profit.next() == Submit("hft-8-5-1", Decimal(6), "oco", profit.order, stop.order)


def test_what_is_canceled_here_is_canceled_there_by_one_request() -> None:
    group, entry, *_ = bracket()
    for leg in group.legs:
        saw(leg, "new" if leg is entry else "held")
        now(leg, status="canceled")
    assert [leg.next() for leg in group.legs] == [TakeBack("7/0"), None, None]
    pair = group_of(PROFIT, STOP, oco=True)
    for leg in pair.legs:
        saw(leg, "held" if leg is pair.stop_loss else "new")
        now(leg, status="canceled")
    assert pair.legs[0].next() == TakeBack("7/0")
    pair.legs[0].asked = TakeBack("7/0")
    assert [leg.next() for leg in pair.legs] == [None, None]


def test_a_list_that_is_not_known_whole_waits() -> None:
    group = group_of(ENTRY, PROFIT)
    group.is_complete = False
    assert [leg.next() for leg in group.legs] == [None, None]
    assert group.third_id == "9"
    third: Order = msgspec.structs.replace(ORDER, order_id="9", list_id="7", status="pending_new", **STOP)
    group.add(Route(third))
    action = group.legs[0].next()
    assert isinstance(action, Submit)
    assert action.order_class == "bracket"
