"""Auctions: the one price at which most trades, and the trades at that price."""

from __future__ import annotations

from typing import Any

import numpy as np

from engine.book import ASKS, BIDS, HEAD, LEVELS, next_above, next_below
from engine.codes import EXEC_CANCELED, FLAG_REDUCE_ONLY, MARKET, REDUCE_ONLY
from engine.endings import end_order, fit_display
from engine.jit import compiled, entry
from engine.matching import after_fill, own, prevent, reducible, trade
from engine.state import NOW, ROOM, UNCROSS_LEVEL, Batch, Engine, Output

NO_LEVEL = -1


@compiled
def level_lots(engine: Engine, instrument: int, queue: int, level: int) -> Any:
    """Leaves of all orders at a level, hidden ones too."""
    slot = np.int64(engine.books.queues[instrument, queue, level, HEAD])
    lots = 0
    while slot != 0:
        lots += engine.books.orders["leaves"][slot]
        slot = np.int64(engine.books.orders["next"][slot])
    return lots


@compiled
def is_asked(engine: Engine, instrument: int, level: int) -> bool:
    """Whether somebody asked for the price, or the last trade had it; market orders stand at the band's edges without
    asking."""
    books = engine.books
    base = books.instruments["base"][instrument]
    if level != 0 and level != books.instruments["levels"][instrument] - 1:
        return True
    if books.instruments["last_price"][instrument] == base + level:
        return True
    for queue in (BIDS, ASKS):
        slot = np.int64(books.queues[instrument, queue, level, HEAD])
        while slot != 0:
            if books.orders["order_type"][slot] != MARKET:
                return True
            slot = np.int64(books.orders["next"][slot])
    return False


@compiled
def best_level(engine: Engine, instrument: int, found: Any, everything: bool) -> None:
    """`uncross_price` of crossed bids and asks, among the prices that `is_asked`, or among all (`everything`)."""
    books = engine.books
    lowest = books.best[instrument, ASKS]
    highest = books.best[instrument, BIDS]
    bids = books.bitmaps[instrument, BIDS]
    asks = books.bitmaps[instrument, ASKS]
    last_price = books.instruments["last_price"][instrument]
    last = last_price - books.instruments["base"][instrument]
    bought = 0
    level = highest
    while level >= lowest:
        bought += level_lots(engine, instrument, BIDS, level)
        level = next_below(bids, level - 1)
    sold = 0
    best_volume = 0
    best_gap = 0
    buyers = True
    sellers = True
    first = 0
    final = 0
    nearest = 0
    distance = 0
    level = lowest
    while level <= highest:
        sold += level_lots(engine, instrument, ASKS, level)
        volume = min(bought, sold)
        gap = bought - sold if bought > sold else sold - bought
        away = level - last if level > last else last - level
        if not everything and not is_asked(engine, instrument, level):
            pass
        elif volume > best_volume or (volume == best_volume and gap < best_gap):
            best_volume = volume
            best_gap = gap
            buyers = bought > sold
            sellers = sold > bought
            first = level
            final = level
            nearest = level
            distance = away
        elif volume == best_volume and gap == best_gap:
            buyers = buyers and bought > sold
            sellers = sellers and sold > bought
            final = level
            if away <= distance:
                nearest = level
                distance = away
        bought -= level_lots(engine, instrument, BIDS, level)
        above = min(next_above(bids, level + 1), next_above(asks, level + 1))
        if last_price > 0 and level < last and last < above:
            above = last
        level = above
    found[1] = best_volume
    if best_volume == 0:
        found[0] = NO_LEVEL
    elif buyers:
        found[0] = final
    elif sellers or last_price == 0:
        found[0] = first
    else:
        found[0] = nearest


@entry
def uncross_price(engine: Engine, instrument: int, found: Any) -> None:
    """Sets `found` to the level at which the auction would trade and the lots it would trade: (NO_LEVEL, 0) where bids
    and asks do not cross.

    Among the prices of limit orders and of the last trade (of market orders, where there is no other): most volume,
    then least imbalance. Of those that remain the highest, where buyers are left over at all of them, the lowest, where
    sellers are, else the one nearest to the last trade (the higher of two)."""
    found[0] = NO_LEVEL
    found[1] = 0
    lowest = engine.books.best[instrument, ASKS]
    if lowest < LEVELS and engine.books.best[instrument, BIDS] >= lowest:
        best_level(engine, instrument, found, False)
        if found[1] == 0:
            best_level(engine, instrument, found, True)


@compiled
def start_uncross(engine: Engine, instrument: int) -> None:
    """Finds the level of the next trades of the auction."""
    uncross_price(engine, instrument, engine.work[UNCROSS_LEVEL : UNCROSS_LEVEL + 2])


@compiled
def match_at(engine: Engine, batch: Batch, maker: int, taker: int, out: Output, n: int, lots: Any, price: Any) -> int:
    """One match of the auction, and what follows for both. Returns the next report's number."""
    n = trade(engine, batch, maker, taker, out, n, lots, price)
    fit_display(engine, maker)
    fit_display(engine, taker)
    n = after_fill_cold(engine, batch, maker, out, n, lots)
    return after_fill_cold(engine, batch, taker, out, n, lots)


@compiled
def after_fill_cold(engine: Engine, batch: Batch, slot: int, out: Output, n: int, lots: Any) -> int:
    """`after_fill`, called rather than copied."""
    return after_fill(engine, batch, slot, out, n, lots)


@compiled
def uncross(engine: Engine, batch: Batch, out: Output, n: int) -> int:
    """Trades the best bid with the best ask at the auction's level, and again at another while they still cross, as
    there is room for reports. `work[UNCROSS_LEVEL]` is NO_LEVEL at the end. Returns the next report's number."""
    books = engine.books
    orders = books.orders
    instrument = engine.work[NOW]
    room = out.reports.shape[0] - ROOM
    while n <= room and engine.work[UNCROSS_LEVEL] != NO_LEVEL:
        level = engine.work[UNCROSS_LEVEL]
        bid_level = books.best[instrument, BIDS]
        ask_level = books.best[instrument, ASKS]
        if bid_level < level or ask_level > level:
            start_uncross(engine, instrument)
            continue
        taker = np.int64(books.queues[instrument, BIDS, bid_level, HEAD])
        maker = np.int64(books.queues[instrument, ASKS, ask_level, HEAD])
        if orders["order_id"][maker] > orders["order_id"][taker]:
            maker, taker = taker, maker
        if own(engine, taker, maker):
            n = prevent(engine, batch, maker, taker, out, n)
            continue
        lots = min(orders["leaves"][maker], orders["leaves"][taker])
        if (orders["flags"][maker] | orders["flags"][taker]) & FLAG_REDUCE_ONLY:
            most = reducible(engine, maker, lots)
            if most == 0:
                n = end_order(engine, batch, maker, out, n, EXEC_CANCELED, REDUCE_ONLY, False)
                continue
            lots = reducible(engine, taker, most)
            if lots == 0:
                n = end_order(engine, batch, taker, out, n, EXEC_CANCELED, REDUCE_ONLY, False)
                continue
        price = books.instruments["base"][instrument] + level
        n = match_at(engine, batch, maker, taker, out, n, lots, price)
    return n
