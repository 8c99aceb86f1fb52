"""The trading day: phases, halts, time that passes, and the kill switch."""

from __future__ import annotations

from collections.abc import Callable

from engine.reference.auction import uncross
from engine.reference.endings import end, sweep
from engine.reference.instruments import Instrument
from engine.reference.market import drive, drive_all
from engine.reference.orders import AUCTION_ONLY, Order, Place
from engine.reference.state import State
from engine.words import OrderStatus, OrderType, Phase, Reason, TimeInForce


def set_phase(state: State, instrument: Instrument, phase: Phase, day_ends_ns: int) -> None:
    """`day_ends_ns` 0: as it was."""
    instrument.day_ends_ns = day_ends_ns or instrument.day_ends_ns
    if phase == instrument.phase:
        return
    if instrument.is_in_auction:
        uncross(state, instrument)
        _clear_auction(state, instrument)
    instrument.phase = phase
    if phase == Phase.CLOSED:
        _cancel(state, instrument, lambda order: order.time_in_force in AUCTION_ONLY)
    if phase == Phase.CLOSING_AUCTION:
        for order in sorted(instrument.parked, key=lambda order: order.order_id):
            instrument.take_out(order)
            instrument.rest(order)
    _go_on(state, instrument)


def _clear_auction(state: State, instrument: Instrument) -> None:
    """Cancels what cannot stay in the book when an auction is over."""
    ended = TimeInForce.OPG if instrument.phase == Phase.OPENING_AUCTION else TimeInForce.CLS
    _cancel(
        state,
        instrument,
        lambda order: (
            order.place == Place.BOOK and (order.order_type == OrderType.MARKET or order.time_in_force == ended)
        ),
    )


def _cancel(state: State, instrument: Instrument, unwanted: Callable[[Order], bool]) -> None:
    for order in state.working_orders(lambda order: order.instrument == instrument.number and unwanted(order)):
        if order.works:
            end(state, order, Reason.NO_LIQUIDITY)


def _go_on(state: State, instrument: Instrument) -> None:
    """In continuous trading, what has waited for it comes to the market."""
    if instrument.is_continuous and instrument.last_price:
        instrument.observe(instrument.last_price)
    drive(state, instrument)


def halt(instrument: Instrument) -> None:
    if instrument.phase != Phase.HALTED:
        instrument.phase_before_halt = instrument.phase
        instrument.phase = Phase.HALTED


def resume(state: State, instrument: Instrument) -> None:
    if instrument.phase == Phase.HALTED:
        instrument.phase = instrument.phase_before_halt
        _go_on(state, instrument)


def expire(state: State, now_ns: int) -> None:
    """Ends the orders whose time is over."""
    for order in state.working_orders(lambda order: 0 < expires_ns(state, order) <= now_ns):
        if order.works:  # one before it may have taken it along
            end(state, order, Reason.DAY_ENDED, status=OrderStatus.EXPIRED)
    drive_all(state)


def expires_ns(state: State, order: Order) -> int:
    """When the order's time is over, 0 for never."""
    if order.waits_until_ns:
        return order.waits_until_ns
    if order.time_in_force == TimeInForce.GTD:
        return order.expires_ns
    return state.instrument(order).day_ends_ns if order.time_in_force == TimeInForce.DAY else 0


def kill(state: State, accounts: list[int], active: bool) -> int:
    """Returns how many orders were canceled."""
    for account in accounts:
        state.accounts[account - 1].killed = active
    if not active:
        return 0
    return sweep(state, state.working_orders(lambda order: order.account in accounts), Reason.KILL_SWITCH)
