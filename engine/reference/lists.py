"""Order lists: orders that come together and are taken or refused together (OCO, OTO, bracket)."""

from __future__ import annotations

from typing import Any, Final

from engine.reference import checks, risk
from engine.reference.answers import Refused, accepted
from engine.reference.entry import as_order, content, take_terms
from engine.reference.market import drive, enter
from engine.reference.orders import AUCTION_ONLY, STOPS, Order, Place, list_type
from engine.reference.state import State
from engine.words import (
    LIST_SIZES,
    CommandType,
    ExecType,
    Flag,
    ListType,
    OrderStatus,
    OrderType,
    Outcome,
    Reason,
    TimeInForce,
)

EXITS: Final = (OrderType.LIMIT, *STOPS)
MAY_REST: Final = (TimeInForce.DAY, TimeInForce.GTC, TimeInForce.GTD)


def first_legs(commands: list[Any]) -> list[Any]:
    """The legs of the list that begins with the first command; none where that one begins no whole list."""
    kind = list_type(commands[0].flags)
    legs = commands[: LIST_SIZES[ListType(kind)]] if kind else []
    first = commands[0]
    whole = kind != 0 and len(legs) == LIST_SIZES[ListType(kind)]
    for leg in legs:
        belongs = leg.type == CommandType.NEW and list_type(leg.flags) == kind
        if not belongs or (leg.account, leg.instrument) != (first.account, first.instrument):
            whole = False
    return legs if whole else []


def refuse_part(state: State, command: Any) -> dict[str, Any]:
    """A leg without the others. Returns the reply."""
    state.answers.begin(command.seq, command.ts_ns, command.transact_ns)
    return state.answers.reject_new(command, Refused(Reason.INVALID_LIST, "flags"), order_id=0)


def new_list(state: State, legs: list[Any]) -> list[dict[str, Any]]:
    """Returns a reply for each leg."""
    firsts = [state.remembered.get((leg.account, leg.client_order_id)) for leg in legs]
    if all(first is not None and first.content == content(leg) for first, leg in zip(firsts, legs, strict=True)):
        return [first.first_reply | {"outcome": Outcome.DUPLICATE} for first in firsts if first is not None]
    try:
        orders = _checked(state, legs)
    except Refused as refused:
        replies = []
        for leg in legs:
            state.answers.begin(leg.seq, leg.ts_ns, leg.transact_ns)
            replies.append(state.answers.reject_new(leg, refused, order_id=0))
        return replies
    _link(orders)
    risk.count(state, orders[0])
    for leg, order in zip(legs, orders, strict=True):
        state.remember(order)
        state.begin(order)
        state.answers.begin(leg.seq, leg.ts_ns, leg.transact_ns)
        state.answers.report(order, ExecType.NEW)
    enter(state, orders[0])
    if orders[0].list_type == ListType.OCO and orders[1].works:
        enter(state, orders[1])
    drive(state, state.instrument(orders[0]))
    for order in orders:
        order.first_reply = accepted(order)
    return [order.first_reply for order in orders]


def _link(orders: list[Order]) -> None:
    first, *others = orders
    for order in orders:
        order.list_id = first.order_id
    if first.list_type == ListType.OCO:
        pair = orders
    else:
        first.children = others
        pair = others if first.list_type == ListType.BRACKET else []
        for child in others:
            child.status, child.place = OrderStatus.PENDING_NEW, Place.HELD
            child.stop_price = 0 if child.order_type == OrderType.TRAILING_STOP else child.stop_price
    if pair:
        pair[0].sibling, pair[1].sibling = pair[1], pair[0]


# ---------------------------------------------------------------------------------------------------- checks


def _checked(state: State, legs: list[Any]) -> list[Order]:
    """The orders, if all of them can be taken."""
    ids: set[bytes] = set()
    for leg in legs:
        checks.check_account(state, leg)
        checks.check_client_order_id(leg.client_order_id)
        if leg.client_order_id in ids or (leg.account, leg.client_order_id) in state.remembered:
            raise Refused(Reason.DUPLICATE_CLIENT_ORDER_ID, "client_order_id")
        ids.add(leg.client_order_id)
    checks.check_may_send(state, legs[0], len(legs))
    for leg in legs:
        checks.check_fields(state, leg)
    for number in range(len(legs)):
        _check_structure(legs, number)
    orders = [as_order(leg) for leg in legs]
    for order in orders:
        take_terms(state, order)
    checks.check_entry(state, orders[0], more_orders=len(orders) - 1)
    for order in orders[1:]:
        if order.list_type == ListType.OCO:
            _check_other_exit(state, order)
        else:
            _check_child(state, order)
    checks.check_room(state, len(orders))
    return orders


def _check_structure(legs: list[Any], number: int) -> None:
    """What leg `number`, from 0, must be for its place in the list."""
    first, leg = legs[0], legs[number]
    kind = list_type(first.flags)
    exits = kind == ListType.OCO or (kind == ListType.BRACKET and number > 0)
    types = {
        (ListType.OCO, 0): EXITS,
        (ListType.OCO, 1): EXITS,
        (ListType.BRACKET, 1): (OrderType.LIMIT,),
        (ListType.BRACKET, 2): STOPS,
    }
    if exits and number > 0 and (leg.side == first.side) != (kind == ListType.OCO):
        raise Refused(Reason.INVALID_LIST, "side")
    if leg.quantity > first.quantity or (exits and leg.quantity != first.quantity):
        raise Refused(Reason.INVALID_LIST, "quantity")
    if exits and leg.order_type not in types[ListType(kind), number]:
        raise Refused(Reason.INVALID_LIST, "order_type")
    if leg.time_in_force in AUCTION_ONLY or (exits and leg.time_in_force not in MAY_REST):
        raise Refused(Reason.INVALID_LIST, "time_in_force")
    if exits and leg.flags & Flag.POST_ONLY:
        raise Refused(Reason.INVALID_LIST, "post_only")


def _check_other_exit(state: State, order: Order) -> None:
    """Only one of the two can trade, and the first is weighed."""
    instrument = state.instrument(order)
    checks.check_phase(instrument, order)
    if order.order_type == OrderType.TRAILING_STOP:
        instrument.begin_to_trail(order)
    checks.check_reduces(state, order)
    risk.check_quantity(state, order)
    risk.check_collar(state, order)
    risk.check_notional(state, order, risk.risk_price(state, order))


def _check_child(state: State, order: Order) -> None:
    risk.check_quantity(state, order)
    price = state.instrument(order).last_price
    if order.is_priced or order.order_type == OrderType.STOP:
        price = risk.risk_price(state, order)
    risk.check_notional(state, order, price)
