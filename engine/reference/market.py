"""How an order comes to the market, at once or when its time has come."""

from __future__ import annotations

from engine.reference import risk
from engine.reference.answers import Refused
from engine.reference.endings import end
from engine.reference.instruments import Instrument
from engine.reference.matching import execute
from engine.reference.orders import Order
from engine.reference.state import State
from engine.words import ExecType, ListType, OrderStatus, OrderType, Phase, TimeInForce


def enter(state: State, order: Order) -> None:
    """The order, which is in no place, goes to where it belongs."""
    instrument = state.instrument(order)
    if order.is_stop:
        if order.order_type == OrderType.TRAILING_STOP:
            instrument.begin_to_trail(order)
        wait_for_the_stop(instrument, order)
    elif order.time_in_force == TimeInForce.CLS and instrument.phase != Phase.CLOSING_AUCTION:
        instrument.park(order)
    elif instrument.is_in_auction:
        instrument.rest(order)
    else:
        execute(state, order)


def wait_for_the_stop(instrument: Instrument, order: Order) -> None:
    """A stop that is reached already comes to the market next."""
    if instrument.is_continuous and instrument.stop_is_reached(order):
        instrument.activate(order)
    else:
        instrument.wait(order)


def drive(state: State, instrument: Instrument) -> None:
    """Brings the orders to the market whose time has come, one after another, and those whose time comes by that."""
    while instrument.is_continuous and instrument.activation:
        order = instrument.activation[0]
        if order.is_released:
            _begin(state, instrument, order)
        else:
            instrument.take_out(order)
            state.answers.report(order, ExecType.TRIGGERED)
            execute(state, order)


def _begin(state: State, instrument: Instrument, order: Order) -> None:
    """The child of an order that has traded enters. That of an OTO list is weighed again: it may be of any size and
    side, and much may have changed since."""
    if order.list_type == ListType.OTO:
        try:
            risk.check_would_trade(instrument, order)
            risk.check_position(state, order, instead_of=order)
            risk.check_buying_power(state, order, instead_of=order)
        except Refused as refused:
            end(state, order, refused.reason)
            return
        risk.count(state, order, instead_of=order)
    instrument.take_out(order)
    order.status = OrderStatus.NEW
    state.answers.report(order, ExecType.TRIGGERED)
    enter(state, order)


def enter_released(state: State, instrument: Instrument) -> None:
    """In an auction that is held for a venue nothing waits for its end."""
    while instrument.phase == Phase.OPENING_AUCTION and instrument.activation:
        _begin(state, instrument, instrument.activation[0])


def drive_all(state: State) -> None:
    for instrument in state.instruments:
        drive(state, instrument)
