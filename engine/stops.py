"""Stops: where they wait, how trailing ones follow the market, and the queue of what is to enter next."""

from __future__ import annotations

from typing import Any

import numpy as np

from engine.book import BUY_STOPS, LEVELS, NO_BID, SELL_STOPS, append_cold, unlink_cold
from engine.book import HEAD as QUEUE_HEAD
from engine.codes import BUY, FLAG_TRAIL_PERCENT, SELL, TRAILING_STOP
from engine.jit import compiled, inlined
from engine.orders import ACTIVATION, NOWHERE, STOPS, TRIGGERED
from engine.risk import part, within_band
from engine.state import Engine

# -------------------------------------------------------------------------------------------- activation queue


@compiled
def activate(engine: Engine, slot: int) -> None:
    """Puts an order, which stands nowhere, at the end of its instrument's activation queue."""
    orders = engine.books.orders
    instruments = engine.books.instruments
    instrument = np.int64(orders["instrument"][slot])
    last = instruments["activation_tail"][instrument]
    orders["prev"][slot] = last
    orders["next"][slot] = 0
    if last != 0:
        orders["next"][last] = slot
    else:
        instruments["activation_head"][instrument] = slot
    instruments["activation_tail"][instrument] = slot
    orders["place"][slot] = ACTIVATION


@compiled
def deactivate(engine: Engine, slot: int) -> None:
    """Takes an order out of the activation queue."""
    orders = engine.books.orders
    instruments = engine.books.instruments
    instrument = np.int64(orders["instrument"][slot])
    before = orders["prev"][slot]
    after = orders["next"][slot]
    if before != 0:
        orders["next"][before] = after
    else:
        instruments["activation_head"][instrument] = after
    if after != 0:
        orders["prev"][after] = before
    else:
        instruments["activation_tail"][instrument] = before
    orders["place"][slot] = NOWHERE


# ----------------------------------------------------------------------------------------------- trailing stops


@compiled
def follow(engine: Engine, slot: int) -> None:
    """Links a trailing stop among those of its instrument, by order number: most often it is the last."""
    orders = engine.books.orders
    terms = engine.books.terms
    instruments = engine.books.instruments
    instrument = np.int64(orders["instrument"][slot])
    before = np.int64(instruments["trailing_tail"][instrument])
    after = 0
    while before != 0 and orders["order_id"][before] > orders["order_id"][slot]:
        after = before
        before = np.int64(terms["trailing_prev"][before])
    terms["trailing_prev"][slot] = before
    terms["trailing_next"][slot] = after
    if before != 0:
        terms["trailing_next"][before] = slot
    else:
        instruments["trailing_head"][instrument] = slot
    if after != 0:
        terms["trailing_prev"][after] = slot
    else:
        instruments["trailing_tail"][instrument] = slot


@compiled
def unfollow(engine: Engine, slot: int) -> None:
    """Takes a trailing stop out of those of its instrument."""
    terms = engine.books.terms
    instruments = engine.books.instruments
    instrument = np.int64(engine.books.orders["instrument"][slot])
    before = np.int64(terms["trailing_prev"][slot])
    after = np.int64(terms["trailing_next"][slot])
    if before != 0:
        terms["trailing_next"][before] = after
    else:
        instruments["trailing_head"][instrument] = after
    if after != 0:
        terms["trailing_prev"][after] = before
    else:
        instruments["trailing_tail"][instrument] = before


@compiled
def trailing_price(engine: Engine, instrument: int, side: int, flags: int, trail: Any, extreme: Any) -> Any:
    """Where a trailing stop stands when the best price that it has seen is `extreme`, in ticks."""
    distance = trail
    if flags & FLAG_TRAIL_PERCENT:
        distance = max(part(extreme, trail), 1)
    price = extreme + distance if side == BUY else extreme - distance
    return within_band(engine, instrument, price)


@compiled
def set_trail(engine: Engine, slot: int, extreme: Any) -> None:
    """A trailing stop takes its stop price from `extreme`."""
    orders = engine.books.orders
    terms = engine.books.terms
    terms["extreme"][slot] = extreme
    terms["stop_price"][slot] = trailing_price(
        engine,
        np.int64(orders["instrument"][slot]),
        np.int64(orders["side"][slot]),
        np.int64(orders["flags"][slot]),
        terms["trail"][slot],
        extreme,
    )


# -------------------------------------------------------------------------------------------------------- stops


@inlined
def stop_reached(engine: Engine, slot: int) -> bool:
    """Whether the last trade meets the order's stop condition."""
    orders = engine.books.orders
    last = engine.books.instruments["last_price"][np.int64(orders["instrument"][slot])]
    if last == 0:
        return False
    if orders["side"][slot] == BUY:
        return last >= engine.books.terms["stop_price"][slot]
    return last <= engine.books.terms["stop_price"][slot]


@compiled
def put_stop(engine: Engine, slot: int) -> None:
    """Puts an order, which stands nowhere, among the stops."""
    orders = engine.books.orders
    instrument = np.int64(orders["instrument"][slot])
    base = engine.books.instruments["base"][instrument]
    orders["level"][slot] = engine.books.terms["stop_price"][slot] - base
    orders["place"][slot] = STOPS
    append_cold(engine.books, slot, np.int64(orders["side"][slot]) + 1)
    if orders["order_type"][slot] == TRAILING_STOP:
        follow(engine, slot)


@compiled
def take_stop(engine: Engine, slot: int) -> None:
    """Takes an order out of the stops."""
    orders = engine.books.orders
    unlink_cold(engine.books, slot, np.int64(orders["side"][slot]) + 1)
    if orders["order_type"][slot] == TRAILING_STOP:
        unfollow(engine, slot)
    orders["place"][slot] = NOWHERE


@compiled
def trigger(engine: Engine, slot: int) -> None:
    """A stop, which stands nowhere, waits to enter."""
    engine.books.orders["traits"][slot] |= TRIGGERED
    activate(engine, slot)


@compiled
def follow_price(engine: Engine, instrument: int, price: Any) -> None:
    """The trailing stops of the instrument follow a trade at `price`."""
    books = engine.books
    orders = books.orders
    terms = books.terms
    base = books.instruments["base"][instrument]
    slot = np.int64(books.instruments["trailing_head"][instrument])
    while slot != 0:
        side = np.int64(orders["side"][slot])
        extreme = terms["extreme"][slot]
        if (side == SELL and price > extreme) or (side == BUY and price < extreme):
            before = terms["stop_price"][slot]
            set_trail(engine, slot, price)
            if terms["stop_price"][slot] != before:
                unlink_cold(books, slot, side + 1)
                orders["level"][slot] = terms["stop_price"][slot] - base
                append_cold(books, slot, side + 1)
        slot = np.int64(terms["trailing_next"][slot])


@compiled
def observe_cold(engine: Engine, instrument: int, price: Any) -> None:
    """`observe` where there are stops."""
    books = engine.books
    if books.instruments["trailing_head"][instrument] != 0:
        follow_price(engine, instrument, price)
    level = price - books.instruments["base"][instrument]
    while books.best[instrument, BUY_STOPS] <= level:
        slot = np.int64(books.queues[instrument, BUY_STOPS, books.best[instrument, BUY_STOPS], QUEUE_HEAD])
        take_stop(engine, slot)
        trigger(engine, slot)
    while books.best[instrument, SELL_STOPS] >= level:
        slot = np.int64(books.queues[instrument, SELL_STOPS, books.best[instrument, SELL_STOPS], QUEUE_HEAD])
        take_stop(engine, slot)
        trigger(engine, slot)


@inlined
def observe(engine: Engine, instrument: int, price: Any) -> None:
    """In continuous trading: trailing stops follow a trade at `price`, and the stops that it reaches are to enter."""
    best = engine.books.best
    if best[instrument, BUY_STOPS] < LEVELS or best[instrument, SELL_STOPS] > NO_BID:
        observe_cold(engine, instrument, price)
