"""What the reference keeps as it goes, found once more from its orders alone."""

from __future__ import annotations

from collections import Counter
from typing import Final

from engine.reference.instruments import Instrument
from engine.reference.orders import Order, Place
from engine.reference.state import State
from engine.words import ListType, OrderStatus, Side

WAITING: Final = (Place.PARKED, Place.HELD)


def check_state(state: State) -> None:
    """Raises AssertionError where a sum, a place or a link is wrong."""
    orders = list(state.working.values())
    assert all(order.works and order.leaves > 0 for order in orders)
    assert len(orders) <= state.max_orders
    _check_counts(state, orders)
    for instrument in state.instruments:
        _check_places(instrument, [order for order in orders if order.instrument == instrument.number])
    for order in orders:
        _check_links(order)
        assert state.remembered[order.account, order.client_order_id] is order, "a working order is remembered"


def _check_counts(state: State, orders: list[Order]) -> None:
    for account in state.accounts:
        mine = [order for order in orders if order.account == account.number]
        assert account.reserved == sum(order.reserved for order in mine)
        assert account.reserved >= 0
        holdings = account.holdings.values()
        assert account.realized == sum(holding.realized for holding in holdings)
        assert account.fees == sum(holding.fees for holding in holdings)
        assert account.cost_used == sum(abs(holding.cost) for holding in holdings)
        for number, holding in account.holdings.items():
            here = [order for order in mine if order.instrument == number]
            assert holding.open_orders == len(here)
            for side in Side:
                counted = [order for order in here if order.side == side and order.counted]
                assert holding.open_lots[side] == sum(order.leaves for order in counted)
    for order in orders:
        assert 0 <= order.reserved_lots <= order.leaves
        assert order.counted == _should_count(state, order)
        assert order.counted or not order.reserved_lots


def _should_count(state: State, order: Order) -> bool:
    if order.place == Place.HELD:
        return False
    first = order.order_id == order.list_id
    if order.list_type == ListType.OCO:
        return first
    parent = state.by_number.get(order.list_id)
    if order.list_type == ListType.BRACKET and not first and parent is not None:
        return parent.children[0] is order
    return order.list_type != ListType.BRACKET or first or order.counted


def _check_places(instrument: Instrument, orders: list[Order]) -> None:
    places = {
        Place.BOOK: instrument.bids + instrument.asks,
        Place.STOPS: instrument.buy_stops + instrument.sell_stops,
        Place.ACTIVATION: instrument.activation,
        Place.PARKED: instrument.parked,
    }
    for place, stands in places.items():
        assert Counter(id(order) for order in stands) == Counter(id(o) for o in orders if o.place == place)
    assert all(order.place != Place.NOWHERE for order in orders)
    assert all((order.place == Place.HELD) <= (order.status == OrderStatus.PENDING_NEW) for order in orders)
    for side in Side:
        prices = [order.book_price for order in instrument.queue(side)]
        stops = [order.stop_price for order in instrument.stops(side)]
        assert prices == sorted(prices, reverse=side == Side.BUY)
        assert stops == sorted(stops, reverse=side == Side.SELL)
    for order in places[Place.BOOK]:
        assert 0 < order.shown <= min(order.display_quantity or order.leaves, order.leaves)
    if instrument.is_continuous:
        assert not instrument.is_crossed
        assert not instrument.activation, "what can come to the market has come"


def _check_links(order: Order) -> None:
    if order.sibling is not None and order.sibling.works:
        assert order.sibling.sibling is order
        assert order.sibling.side == order.side
    for child in order.children:
        assert child.place == Place.HELD or not child.works, "children wait until their parent has ended"
