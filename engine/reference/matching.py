"""What happens where a buyer and a seller meet, and the walk of an order through the book."""

from __future__ import annotations

from engine.reference import risk
from engine.reference.endings import end, release, shrink
from engine.reference.instruments import Instrument
from engine.reference.orders import AT_ONCE, Order, other_side
from engine.reference.state import State
from engine.words import Liquidity, OrderStatus, Reason, SelfTrade, SelfTradeScope, TimeInForce


def execute(state: State, order: Order) -> None:
    """The order comes to the market in continuous trading: it trades, and what is left rests or is canceled."""
    limit = order.limit_price if order.is_priced else risk.market_limit(state, order)
    instrument = state.instrument(order)
    if order.time_in_force == TimeInForce.FOK and not _can_be_filled(state, order, limit):
        end(state, order, Reason.NO_LIQUIDITY)
        return
    _match(state, instrument, order, limit)
    if not order.works:
        return
    if order.is_priced and order.time_in_force not in AT_ONCE:
        instrument.rest(order)
        return
    stands_beyond = not order.is_priced and instrument.queue(other_side(order.side))
    end(state, order, Reason.PRICE_COLLAR if stands_beyond else Reason.NO_LIQUIDITY)


def _match(state: State, instrument: Instrument, taker: Order, limit: int) -> None:
    """Meets the best order of the other side, at its price, as long as the taker takes that price."""
    makers = instrument.queue(other_side(taker.side))
    prices = []
    while taker.works and makers and taker.takes(makers[0].book_price, limit):
        maker = makers[0]
        price = maker.book_price
        traded = meet(state, maker, taker, price, maker.shown)
        if traded:
            prices.append(price)
            maker.shown -= traded
            if maker.works and maker.shown == 0:
                instrument.show_again(maker)
    if prices:
        instrument.observe(prices[0])
        if prices[-1] != prices[0]:
            instrument.observe(prices[-1])


def meet(state: State, maker: Order, taker: Order, price: int, most: int) -> int:
    """Two orders that could trade with each other do so, for at most `most` lots, or one gives way. Returns how many
    lots they traded."""
    if taker.self_trade_prevention != SelfTrade.NONE and same_owner(state, taker, maker):
        _prevent(state, maker, taker)
        return 0
    for order in (maker, taker):
        if order.reduce_only and not state.holding(order).closable(order.side):
            end(state, order, Reason.REDUCE_ONLY)
            return 0
    quantity = min(most, taker.leaves)
    for order in (maker, taker):
        if order.reduce_only:
            quantity = min(quantity, state.holding(order).closable(order.side))
    _trade(state, maker, taker, quantity, price)
    for order in (maker, taker):
        _after_the_fill(state, order, quantity)
    return quantity


def same_owner(state: State, taker: Order, maker: Order) -> bool:
    if taker.account == maker.account:
        return True
    account = state.account(taker)
    return (
        account.scope == SelfTradeScope.FIRM
        and account.firm is not None
        and account.firm == state.account(maker).firm
    )  # fmt: skip


def _prevent(state: State, maker: Order, taker: Order) -> None:
    match taker.self_trade_prevention:
        case SelfTrade.CANCEL_NEWEST:
            end(state, taker, Reason.SELF_TRADE)
        case SelfTrade.CANCEL_OLDEST:
            end(state, maker, Reason.SELF_TRADE)
        case SelfTrade.CANCEL_BOTH:
            end(state, maker, Reason.SELF_TRADE)
            end(state, taker, Reason.SELF_TRADE)
        case SelfTrade.DECREMENT:
            lots = min(maker.leaves, taker.leaves)
            shrink(state, maker, lots, Reason.SELF_TRADE)
            shrink(state, taker, lots, Reason.SELF_TRADE)


def _trade(state: State, maker: Order, taker: Order, quantity: int, price: int) -> None:
    instrument = state.instrument(taker)
    instrument.last_price = price
    match_number = state.answers.next_match()
    for order, liquidity, ppm in (
        (maker, Liquidity.MAKER, maker.maker_ppm),
        (taker, Liquidity.TAKER, taker.taker_ppm),
    ):
        fee = instrument.fee(quantity, price, ppm)
        order.filled += quantity
        order.notional += quantity * price
        order.status = OrderStatus.PARTIALLY_FILLED
        account = state.account(order)
        account.less(order, quantity)
        account.trade(order, quantity, price * instrument.money_per_tick_lot, fee)
        if order.leaves == 0:
            state.finish(order, OrderStatus.FILLED)
        state.answers.trade(
            order,
            match=match_number,
            last_quantity=quantity,
            last_price=price,
            fee=fee,
            liquidity=liquidity,
        )


def _after_the_fill(state: State, order: Order, quantity: int) -> None:
    sibling = order.sibling
    if sibling is not None and sibling.works:
        shrink(state, sibling, min(quantity, sibling.leaves), Reason.LINKED_ORDER)
    if order.status == OrderStatus.FILLED:
        release(state, order)
    elif order.reduce_only and order.works and not state.holding(order).closable(order.side):
        end(state, order, Reason.REDUCE_ONLY)


def _can_be_filled(state: State, taker: Order, limit: int) -> bool:
    """Whether the orders of others are enough for all of it."""
    if taker.reduce_only and state.holding(taker).closable(taker.side) < taker.leaves:
        return False
    covered = 0
    for maker in state.instrument(taker).queue(other_side(taker.side)):
        if covered >= taker.leaves or not taker.takes(maker.book_price, limit):
            break
        if taker.self_trade_prevention != SelfTrade.NONE and same_owner(state, taker, maker):
            if taker.self_trade_prevention == SelfTrade.CANCEL_OLDEST:
                continue
            break
        if not maker.reduce_only:
            covered += maker.leaves
    return covered >= taker.leaves


def would_meet_its_owner(state: State, taker: Order) -> bool:
    """Whether an order comes to one of the same owner before it is filled."""
    if taker.self_trade_prevention == SelfTrade.NONE:
        return False
    covered = 0
    for maker in state.instrument(taker).queue(other_side(taker.side)):
        if covered >= taker.leaves or not taker.takes(maker.book_price, taker.limit_price):
            break
        if same_owner(state, taker, maker):
            return True
        covered += maker.leaves
    return False
