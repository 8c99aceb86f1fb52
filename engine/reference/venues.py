"""Orders that work at a venue elsewhere too: their fills there, and their ends."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import Any

from engine.layout import FIELDS
from engine.messages import VenueEnd, VenueFill
from engine.reference.accounts import Account
from engine.reference.answers import AT_WORK, Refused
from engine.reference.endings import end as end_order
from engine.reference.endings import release, shrink
from engine.reference.market import enter_released
from engine.reference.orders import Order, other_side
from engine.reference.reference_data import MONEY, find_account, steps
from engine.reference.state import State
from engine.words import ExecType, Liquidity, OrderStatus, OrderType, Reason, TimeInForce


def fill(state: State, command: VenueFill) -> int:
    """Returns 1, or 0 where it was counted before."""
    order = _find(state, command.order_id)
    if order.status == OrderStatus.PENDING_NEW:
        raise Refused(Reason.UNSUPPORTED, "order_id")
    if order.works and order.list_id and state.instrument(order).is_continuous:
        raise Refused(Reason.TRADING_PHASE, "order_id")
    venue = find_account(state, command.venue)
    if venue is state.account(order):
        raise Refused(Reason.INVALID_FIELD, "account")
    instrument = state.instrument(order)
    lots = _lots(state, order, command.quantity)
    total = _lots(state, order, command.filled_quantity)
    tick = Fraction(instrument.definition.tick_size)
    if (
        not command.price.is_finite()
        or abs(command.price) > 10**18
        or (Fraction(command.price) / tick).denominator != 1
    ):
        raise Refused(Reason.PRICE_INCREMENT, "price")
    price = int(Fraction(command.price) / tick)
    if not instrument.price_min <= price <= instrument.price_max:
        raise Refused(Reason.PRICE_BAND, "price")
    fee = steps(command.fee, MONEY, "fee")
    if abs(fee) > lots * price * instrument.money_per_tick_lot:
        raise Refused(Reason.INVALID_FIELD, "fee")
    if not 0 <= command.transact_ns < 2**63:
        raise Refused(Reason.INVALID_FIELD, "transact_ns")
    if total <= order.filled:
        return 0
    if order.filled + lots != total:
        raise Refused(Reason.INVALID_QUANTITY, "quantity")

    state.answers.stamp(command.transact_ns)
    instrument.last_price = price
    working = min(lots, order.leaves)
    done = 0
    for match, part in enumerate((lots,) if working in (0, lots) else (working, lots - working), 1):
        done += part
        shared: dict[str, Any] = {
            "match": match,
            "last_quantity": part,
            "last_price": price,
            "exec_type": ExecType.TRADE,
        }
        _say_venue(state, order, venue, command.execution_id, (lots, done, price), shared, -fee if match == 1 else 0)
        forgotten: dict[str, Any] = {} if order.works else dict.fromkeys(AT_WORK, 0)
        _take(state, order, part, price)
        paid = fee if match == 1 else 0
        state.answers.report(order, liquidity=Liquidity.TAKER, fee=paid, **shared, **forgotten)
        unit = price * instrument.money_per_tick_lot
        _book(order, state.account(order), order.side, part, unit, paid)
        _book(order, venue, other_side(order.side), part, unit, -paid)
        if not forgotten:
            _follow(state, order, part)
    enter_released(state, instrument)
    return 1


def _follow(state: State, order: Order, lots: int) -> None:
    """The other exit of its list has less to do; the orders that waited for it are to enter."""
    if order.sibling is not None and order.sibling.works:
        shrink(state, order.sibling, min(lots, order.sibling.leaves), Reason.LINKED_ORDER)
    if not order.works:
        release(state, order)


def end(state: State, command: VenueEnd) -> int:
    """Returns how many orders ended: those of its list, or none where it had ended before."""
    order = _find(state, command.order_id)
    statuses = {"canceled": OrderStatus.CANCELED, "expired": OrderStatus.EXPIRED}
    if command.outcome not in statuses:
        raise Refused(Reason.INVALID_FIELD, "outcome")
    if (command.reason or "none") not in Reason.words():
        raise Refused(Reason.INVALID_FIELD, "reason")
    if command.field is not None and (command.reason in (None, "none") or command.field not in FIELDS[1:]):
        raise Refused(Reason.INVALID_FIELD)
    if not 0 <= command.transact_ns < 2**63:
        raise Refused(Reason.INVALID_FIELD, "transact_ns")
    if not order.works:
        return 0
    state.answers.stamp(command.transact_ns)
    before = len(state.answers.rows)
    reason = Reason[(command.reason or "none").upper()]
    end_order(state, order, reason, status=statuses[command.outcome], swept=True)
    state.answers.rows[before]["field"] = FIELDS.index(command.field or "")
    return len(state.answers.rows) - before


def _find(state: State, order_id: str) -> Order:
    order = state.by_number.get(int(order_id))
    if order is None or order.status == OrderStatus.REJECTED:
        raise Refused(Reason.UNKNOWN_ORDER, "order_id")
    return order


def _lots(state: State, order: Order, quantity: Decimal) -> int:
    instrument = state.instrument(order)
    lots = steps(quantity, instrument.lot, "quantity", Reason.QUANTITY_INCREMENT)
    if not 0 < lots <= instrument.max_quantity:
        raise Refused(Reason.INVALID_QUANTITY, "quantity")
    return lots


def _take(state: State, order: Order, lots: int, price: int) -> None:
    """A working order fills; one that has ended has the lots too, be they more than it was for."""
    order.filled += lots
    order.notional += lots * price
    if order.works:
        order.status = OrderStatus.PARTIALLY_FILLED
        order.shown = min(order.shown, order.leaves)
        state.account(order).less(order, lots)
        if order.leaves == 0:
            state.finish(order, OrderStatus.FILLED)
        return
    order.quantity = max(order.quantity, order.filled)
    if order.filled == order.quantity:
        order.status = OrderStatus.FILLED


def _book(order: Order, account: Account, side: int, lots: int, unit: int, fee: int) -> None:
    holding = account.holding(order.instrument)
    account.cost_used -= abs(holding.cost)
    account.realized += holding.trade(side, lots, unit, fee)
    account.cost_used += abs(holding.cost)
    account.fees += fee


def _say_venue(
    state: State,
    order: Order,
    venue: Account,
    execution_id: str,
    numbers: tuple[int, int, int],
    shared: dict[str, Any],
    fee: int,
) -> None:
    """`numbers`: lots in all, lots done, price."""
    lots, done, price = numbers
    state.answers.say(
        account=venue.number,
        instrument=order.instrument,
        order_id=state.answers.seq,
        client_order_id=execution_id.encode(),
        side=other_side(order.side),
        order_type=OrderType.LIMIT,
        time_in_force=TimeInForce.IOC,
        quantity=lots,
        filled=done,
        leaves=lots - done,
        order_status=OrderStatus.FILLED if done == lots else OrderStatus.PARTIALLY_FILLED,
        notional=done * price,
        limit_price=price,
        liquidity=Liquidity.MAKER,
        source=order.source,
        fee=fee,
        **shared,
    )
