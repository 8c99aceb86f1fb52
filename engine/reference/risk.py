"""Risk before the match: what an order could cost, and whether its account may have it.

Each check raises `Refused`. `instead_of` is the order as it stands, where the one that is checked is its replacement:
what is open and reserved for it does not count then."""

from __future__ import annotations

from typing import Final

from engine.reference.answers import Refused
from engine.reference.instruments import MILLION, Instrument
from engine.reference.orders import Order, other_side
from engine.reference.state import State
from engine.words import OrderType, Reason, Side

IN_LOTS: Final = ("max_order_quantity", "max_long", "max_short")
MOST: Final = 2**62
"""No limit counts further."""


def limit(state: State, order: Order, name: str) -> int | None:
    """The account's limit for this instrument, or else for all of them; None: there is none."""
    account = state.account(order)
    is_foreign = account.currency != state.instrument(order).definition.currency
    if name in ("max_long", "max_short") and account.margin and is_foreign:
        return 0  # nobody could tell what it costs
    own = state.holding(order).limits.get(name)
    if own is not None:
        return own
    wide = state.account(order).limits.get(name)
    if wide is None:
        return None
    if name in IN_LOTS:
        return min(MOST, wide // state.instrument(order).lot)
    return int(wide)


def collar_bound(state: State, order: Order) -> int | None:
    """How far from the last trade the order may trade on the side that hurts; None: any price."""
    last_price = state.instrument(order).last_price
    collar = limit(state, order, "price_collar_ppm")
    if collar is None or last_price == 0:
        return None
    distance = last_price * collar // MILLION
    return last_price + distance if order.side == Side.BUY else last_price - distance


def market_limit(state: State, order: Order) -> int:
    """The last price that an order without a limit takes."""
    instrument = state.instrument(order)
    bound = collar_bound(state, order)
    return instrument.edge(order.side) if bound is None else instrument.clamp(bound)


def risk_price(state: State, order: Order) -> int:
    """The price at which the order is weighed, 0 where there is nothing to weigh it by."""
    instrument = state.instrument(order)
    if order.is_priced:
        return order.limit_price
    if order.order_type == OrderType.STOP:
        return order.stop_price
    if order.order_type == OrderType.TRAILING_STOP:
        return order.stop_price or instrument.trailing_stop_price(order, instrument.last_price)
    if instrument.is_continuous:
        return _price_reached(state, order)
    if collar_bound(state, order) is not None:
        return market_limit(state, order)
    return instrument.last_price or instrument.edge(order.side)


def _price_reached(state: State, order: Order) -> int:
    """Of the last maker that a market order would come to."""
    instrument = state.instrument(order)
    price, covered = instrument.last_price, 0
    for maker in instrument.queue(other_side(order.side)):
        if covered >= order.leaves or not order.takes(maker.book_price, market_limit(state, order)):
            break
        price = maker.book_price
        covered += maker.leaves
    return price


def opening_lots(state: State, order: Order, instead_of: Order | None = None) -> int:
    """How much of the order could make a position larger rather than smaller."""
    if order.reduce_only:
        return 0
    holding = state.holding(order)
    closing = holding.closable(order.side) - _open_lots(state, order, instead_of)
    return max(0, order.leaves - max(0, closing))


def _open_lots(state: State, order: Order, instead_of: Order | None) -> int:
    lots = state.holding(order).open_lots[order.side]
    return lots - instead_of.leaves if instead_of is not None and instead_of.counted else lots


def rate(state: State, order: Order) -> int:
    """Money units that are reserved for a lot: its price, and the larger fee rounded up."""
    unit = risk_price(state, order) * state.instrument(order).money_per_tick_lot
    ppm = max(order.maker_ppm, order.taker_ppm, 0)
    return unit + -(-unit * ppm // MILLION)


def count(state: State, order: Order, instead_of: Order | None = None) -> None:
    """Counts the order's leaves as open and reserves money for it."""
    reserved_lots, reserve_rate = opening_lots(state, order, instead_of), rate(state, order)
    if instead_of is not None:
        state.account(order).uncount(instead_of)
    state.account(order).count(order, reserved_lots, reserve_rate)


# ---------------------------------------------------------------------------------------------------- checks


def check_quantity(state: State, order: Order) -> None:
    most = limit(state, order, "max_order_quantity")
    if most is not None and order.quantity > most:
        raise Refused(Reason.MAX_ORDER_QUANTITY, "quantity")


def check_collar(state: State, order: Order) -> None:
    bound = collar_bound(state, order)
    if order.order_type == OrderType.LIMIT and bound is not None and not order.takes(order.limit_price, bound):
        raise Refused(Reason.PRICE_COLLAR, "limit_price")


def check_notional(state: State, order: Order, price: int) -> None:
    most = limit(state, order, "max_order_notional")
    if most is not None and order.quantity * price * state.instrument(order).money_per_tick_lot > most:
        raise Refused(Reason.MAX_ORDER_NOTIONAL, "quantity")


def check_open_orders(state: State, order: Order, more: int) -> None:
    """`more` orders come with it."""
    most = limit(state, order, "max_open_orders")
    if most is not None and state.holding(order).open_orders + more >= most:
        raise Refused(Reason.MAX_OPEN_ORDERS)


def check_position(state: State, order: Order, instead_of: Order | None = None) -> None:
    is_buy = order.side == Side.BUY
    most = limit(state, order, "max_long" if is_buy else "max_short")
    if most is None or order.reduce_only:
        return
    quantity = state.holding(order).quantity
    if (quantity if is_buy else -quantity) + _open_lots(state, order, instead_of) + order.leaves > most:
        raise Refused(Reason.POSITION_LIMIT, "quantity")


def check_buying_power(state: State, order: Order, instead_of: Order | None = None) -> None:
    account = state.account(order)
    available = account.available + (instead_of.reserved if instead_of is not None else 0)
    if account.margin > 0 and opening_lots(state, order, instead_of) * rate(state, order) > available:
        raise Refused(Reason.BUYING_POWER, "quantity")


def check_would_trade(instrument: Instrument, order: Order) -> None:
    """A post-only order may not meet the best order of the other side."""
    makers = instrument.queue(other_side(order.side))
    if order.post_only and makers and order.takes(makers[0].book_price, order.limit_price):
        raise Refused(Reason.POST_ONLY, "post_only")
