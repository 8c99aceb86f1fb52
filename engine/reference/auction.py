"""Call auctions: orders collect, and trade all at one price."""

from __future__ import annotations

from engine.reference.instruments import Instrument
from engine.reference.matching import meet
from engine.reference.state import State


def indicative(instrument: Instrument) -> tuple[int, int]:
    """Price and lots of what an uncross would trade now, (0, 0) where nothing."""
    if not instrument.is_crossed:
        return 0, 0
    offers = []
    for price in _candidates(instrument):
        bought = sum(order.leaves for order in instrument.bids if order.book_price >= price)
        sold = sum(order.leaves for order in instrument.asks if order.book_price <= price)
        offers.append((price, bought, sold))
    volume = max(min(bought, sold) for _, bought, sold in offers)
    offers = [offer for offer in offers if min(offer[1:]) == volume]
    surplus = min(abs(bought - sold) for _, bought, sold in offers)
    offers = [offer for offer in offers if abs(offer[1] - offer[2]) == surplus]
    left = [price for price, _, _ in offers]
    if all(bought > sold for _, bought, sold in offers):
        price = left[-1]
    elif all(sold > bought for _, bought, sold in offers):
        price = left[0]
    else:
        wanted = instrument.last_price or left[0]
        price = min(left, key=lambda p: (abs(p - wanted), -p))
    return price, volume


def _candidates(instrument: Instrument) -> list[int]:
    """The prices that somebody asked for, and that of the last trade; the band's edges, where market orders stand, only
    if there is no other. Lowest first."""
    orders = instrument.bids + instrument.asks
    asked = {order.book_price for order in orders if order.is_priced} | {instrument.last_price}
    for prices in (asked, {order.book_price for order in orders}):
        crossed = [p for p in prices if instrument.asks[0].book_price <= p <= instrument.bids[0].book_price]
        if crossed:
            return sorted(crossed)
    return []


def uncross(state: State, instrument: Instrument) -> None:
    """Trades at the price of the greatest volume. Where orders of one owner gave way to each other, or a position was
    used up, what is left can still be crossed: then it is done again."""
    while instrument.is_crossed:
        price, _ = indicative(instrument)
        while instrument.is_crossed and instrument.bids[0].book_price >= price >= instrument.asks[0].book_price:
            pair = sorted((instrument.bids[0], instrument.asks[0]), key=lambda order: order.order_id)
            maker, taker = pair
            if meet(state, maker, taker, price, maker.leaves):
                for order in pair:
                    order.shown = min(order.shown, order.leaves)
