"""Cancel, replace and cancel-all."""

from __future__ import annotations

from dataclasses import replace as copy_with
from typing import Any

from engine.reference import checks, risk
from engine.reference.answers import Refused, accepted
from engine.reference.endings import end, sweep
from engine.reference.instruments import Instrument
from engine.reference.market import drive, wait_for_the_stop
from engine.reference.matching import execute, would_meet_its_owner
from engine.reference.orders import Order, Place
from engine.reference.state import State
from engine.words import ExecType, Flag, OrderType, Outcome, Reason


def cancel(state: State, command: Any) -> dict[str, Any]:
    """Returns the reply."""
    state.answers.begin(command.seq, command.ts_ns, command.transact_ns)
    order = None
    try:
        checks.check_account(state, command)
        order = _named_order(state, command)
        _check_works(command, order)
    except Refused as refused:
        return state.answers.reject_change(command, order, refused)
    end(state, order, Reason.NONE)
    drive(state, state.instrument(order))
    return accepted(order)


def cancel_all(state: State, command: Any) -> dict[str, Any]:
    """Returns the reply."""
    state.answers.begin(command.seq, command.ts_ns, command.transact_ns)
    try:
        checks.check_account(state, command)
    except Refused as refused:
        return state.answers.reject_change(command, None, refused)
    orders = state.working_orders(
        lambda order: (
            order.account == command.account
            and command.instrument in (0, order.instrument)
            and command.side in (0, order.side)
        )
    )
    reason = Reason.DISCONNECTED if command.flags & Flag.DISCONNECTED else Reason.NONE
    return {"outcome": Outcome.ACCEPTED, "affected": sweep(state, orders, reason)}


def replace(state: State, command: Any) -> dict[str, Any]:
    """Returns the reply."""
    state.answers.begin(command.seq, command.ts_ns, command.transact_ns)
    order = None
    try:
        checks.check_account(state, command)
        checks.check_may_send(state, command)
        order = _named_order(state, command)
        _check_works(command, order)
        instrument = state.instrument(order)
        checks.check_is_open(instrument)
        changed = _changed(instrument, order, command)
        is_decrease = (
            (changed.limit_price, changed.stop_price) == (order.limit_price, order.stop_price)
            and changed.quantity <= order.quantity
        )  # fmt: skip
        if not is_decrease:
            _check_risk(state, instrument, order, changed)
    except Refused as refused:
        return state.answers.reject_change(command, order, refused)
    if is_decrease:
        state.decrease(order, order.quantity - changed.quantity)
        state.answers.report(order, ExecType.REPLACED)
    else:
        _carry_out(state, instrument, order, changed)
    drive(state, instrument)
    return accepted(order)


def _carry_out(state: State, instrument: Instrument, order: Order, changed: Order) -> None:
    is_counted = order.counted
    state.account(order).uncount(order)
    order.quantity, order.limit_price, order.stop_price = changed.quantity, changed.limit_price, changed.stop_price
    if is_counted:
        risk.count(state, order)
    state.answers.report(order, ExecType.REPLACED)
    if order.place == Place.BOOK:
        instrument.take_out(order)
        if instrument.is_continuous:
            execute(state, order)
        else:
            instrument.rest(order)
    elif order.place == Place.STOPS:
        instrument.stops(order.side).remove(order)
        wait_for_the_stop(instrument, order)


def _changed(instrument: Instrument, order: Order, command: Any) -> Order:
    """The order as the command wants it, if it is one that can be."""
    quantity = command.quantity or order.quantity
    if not order.filled < quantity <= instrument.max_quantity:
        raise Refused(Reason.INVALID_QUANTITY, "quantity")
    if order.list_type and quantity != order.quantity:
        raise Refused(Reason.INVALID_FIELD, "quantity")
    limit_price = command.limit_price or order.limit_price
    if order.is_priced:
        checks.check_price(instrument, limit_price, "limit_price")
    elif command.limit_price:
        raise Refused(Reason.INVALID_FIELD, "limit_price")
    stop_price = command.stop_price or order.stop_price
    may_move = order.order_type in (OrderType.STOP, OrderType.STOP_LIMIT) and order.place != Place.BOOK
    if may_move:
        checks.check_price(instrument, stop_price, "stop_price")
    elif command.stop_price:
        raise Refused(Reason.INVALID_FIELD, "stop_price")
    return copy_with(order, quantity=quantity, limit_price=limit_price, stop_price=stop_price)


def _check_risk(state: State, instrument: Instrument, order: Order, changed: Order) -> None:
    risk.check_quantity(state, changed)
    risk.check_collar(state, changed)
    risk.check_notional(state, changed, risk.risk_price(state, changed))
    if order.counted:
        risk.check_position(state, changed, instead_of=order)
        risk.check_buying_power(state, changed, instead_of=order)
    if instrument.is_continuous and order.place == Place.BOOK:
        risk.check_would_trade(instrument, changed)
        if would_meet_its_owner(state, changed):
            raise Refused(Reason.SELF_TRADE, "limit_price")


def _named_order(state: State, command: Any) -> Order:
    """The account's order that a cancel or replace names by its number, or else by its client order id."""
    if command.order_id:
        order = state.by_number.get(command.order_id)
    else:
        order = state.remembered.get((command.account, command.client_order_id))
    if order is not None and order.account == command.account:
        return order
    raise Refused(Reason.UNKNOWN_ORDER, _naming_field(command))


def _check_works(command: Any, order: Order) -> None:
    if not order.works:
        raise Refused(Reason.TOO_LATE, _naming_field(command))


def _naming_field(command: Any) -> str:
    return "order_id" if command.order_id else "client_order_id"
