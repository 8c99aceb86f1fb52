"""What a new order must be, whatever the market is like. Each check raises `Refused`."""

from __future__ import annotations

from typing import Any, Final

from engine.reference import risk
from engine.reference.answers import Refused
from engine.reference.instruments import MILLION, Instrument
from engine.reference.orders import AT_ONCE, AUCTION_ONLY, PRICED, Order
from engine.reference.state import State
from engine.words import Flag, OrderType, Phase, Reason, SelfTrade, Side, TimeInForce

KNOWN_FLAGS: Final = int(Flag.POST_ONLY | Flag.REDUCE_ONLY | Flag.TRAIL_PERCENT) | 0x30
"""The last are the list's."""
MOST_TRAIL: Final = 2**18
"""Ticks."""
MAY_REST: Final = (TimeInForce.DAY, TimeInForce.GTC, TimeInForce.GTD)


def check_account(state: State, command: Any) -> None:
    if not 1 <= command.account <= len(state.accounts):
        raise Refused(Reason.UNKNOWN_ACCOUNT, "account")


def check_client_order_id(client_order_id: bytes) -> None:
    if not client_order_id:
        raise Refused(Reason.MISSING_FIELD, "client_order_id")
    if not all(ord("!") <= byte <= ord("~") for byte in client_order_id):
        raise Refused(Reason.INVALID_FIELD, "client_order_id")


def check_may_send(state: State, command: Any, messages: int = 1) -> None:
    """The account's message rate, which these messages count for, and its kill switch."""
    account = state.accounts[command.account - 1]
    if not account.may_send(messages, command.ts_ns):
        raise Refused(Reason.RATE_LIMIT)
    if account.killed:
        raise Refused(Reason.KILL_SWITCH, "account")


def check_fields(state: State, command: Any) -> None:
    """Everything that the command says."""
    if not 1 <= command.instrument <= len(state.instruments):
        raise Refused(Reason.UNKNOWN_SYMBOL, "symbol")
    instrument = state.instruments[command.instrument - 1]
    for name, words in (("side", Side), ("order_type", OrderType), ("time_in_force", TimeInForce)):
        if getattr(command, name) not in tuple(words):
            raise Refused(Reason.INVALID_FIELD, name)
    trails_by_percent = bool(command.flags & Flag.TRAIL_PERCENT)
    if command.flags & ~KNOWN_FLAGS or (trails_by_percent and command.order_type != OrderType.TRAILING_STOP):
        raise Refused(Reason.INVALID_FIELD, "flags")
    if command.self_trade_prevention not in (0, *SelfTrade):
        raise Refused(Reason.INVALID_FIELD, "self_trade_prevention")
    if not 0 < command.quantity <= instrument.max_quantity:
        raise Refused(Reason.INVALID_QUANTITY, "quantity")
    _check_price_fields(instrument, command)
    _check_display(command)
    if command.expires_ns <= command.ts_ns if command.time_in_force == TimeInForce.GTD else command.expires_ns:
        raise Refused(Reason.INVALID_FIELD, "expires_ns")
    if command.time_in_force in AUCTION_ONLY and (
        command.order_type not in (OrderType.MARKET, OrderType.LIMIT)
        or command.display_quantity
        or command.flags & Flag.POST_ONLY
    ):
        raise Refused(Reason.INVALID_FIELD, "time_in_force")
    may_rest = command.order_type == OrderType.LIMIT and command.time_in_force in MAY_REST
    if command.flags & Flag.POST_ONLY and not may_rest:
        raise Refused(Reason.INVALID_FIELD, "post_only")


def _check_price_fields(instrument: Instrument, command: Any) -> None:
    for name, types in (("limit_price", PRICED), ("stop_price", (OrderType.STOP, OrderType.STOP_LIMIT))):
        if command.order_type in types:
            check_price(instrument, getattr(command, name), name)
        elif getattr(command, name) != 0:
            raise Refused(Reason.INVALID_FIELD, name)
    if command.order_type != OrderType.TRAILING_STOP:
        least, most = 0, 0
    elif command.flags & Flag.TRAIL_PERCENT:
        least, most = 1, MILLION - 1
    else:
        least, most = 1, MOST_TRAIL
    if not least <= command.trail <= most:
        raise Refused(Reason.INVALID_FIELD, "trail")


def _check_display(command: Any) -> None:
    may_hide = command.order_type in PRICED and command.time_in_force not in AT_ONCE
    if not 0 <= command.display_quantity <= (command.quantity if may_hide else 0):
        raise Refused(Reason.INVALID_FIELD, "display_quantity")


def check_price(instrument: Instrument, price: int, name: str) -> None:
    if price <= 0:
        raise Refused(Reason.INVALID_PRICE, name)
    if not instrument.price_min <= price <= instrument.price_max:
        raise Refused(Reason.PRICE_BAND, name)


def check_is_open(instrument: Instrument) -> None:
    if instrument.phase == Phase.CLOSED:
        raise Refused(Reason.MARKET_CLOSED, "symbol")
    if instrument.phase == Phase.HALTED:
        raise Refused(Reason.HALTED, "symbol")


def check_phase(instrument: Instrument, order: Order) -> None:
    """Whether the phase takes such an order, and whether there is a last trade for it to trail."""
    check_is_open(instrument)
    if instrument.is_in_auction and order.time_in_force in AT_ONCE and not waits_for_venue(instrument, order):
        raise Refused(Reason.TRADING_PHASE, "time_in_force")
    if instrument.is_in_auction and order.post_only:
        raise Refused(Reason.TRADING_PHASE, "post_only")
    if order.time_in_force == TimeInForce.OPG and instrument.phase != Phase.OPENING_AUCTION:
        raise Refused(Reason.TRADING_PHASE, "time_in_force")
    if order.order_type == OrderType.TRAILING_STOP and instrument.last_price == 0:
        raise Refused(Reason.NO_REFERENCE_PRICE, "trail")


def waits_for_venue(instrument: Instrument, order: Order) -> bool:
    """Whether it is an order that trades at once, elsewhere."""
    simple = order.order_type in (OrderType.MARKET, OrderType.LIMIT) and not order.list_type
    return instrument.is_traded_elsewhere and simple and order.time_in_force in AT_ONCE


def check_reduces(state: State, order: Order) -> None:
    if order.reduce_only and not state.holding(order).closable(order.side):
        raise Refused(Reason.REDUCE_ONLY, "reduce_only")


def check_entry(state: State, order: Order, more_orders: int = 0) -> None:
    """Whether the market and the account's limits take the order, and `more_orders` that come with it."""
    instrument = state.instrument(order)
    check_phase(instrument, order)
    if order.order_type == OrderType.TRAILING_STOP:
        instrument.begin_to_trail(order)
    if instrument.is_continuous:
        risk.check_would_trade(instrument, order)
    check_reduces(state, order)
    risk.check_quantity(state, order)
    risk.check_collar(state, order)
    risk.check_notional(state, order, risk.risk_price(state, order))
    risk.check_open_orders(state, order, more_orders)
    risk.check_position(state, order)
    risk.check_buying_power(state, order)


def check_room(state: State, orders: int = 1) -> None:
    if len(state.working) + orders > state.max_orders:
        raise Refused(Reason.CAPACITY)
