"""What an order may cost: its price for the purpose of risk, what is reserved for it, and the account's limits. All
integers; no product here passes 2^63 (docs/risk.md has the formulas)."""

from __future__ import annotations

from typing import Any

import numpy as np

from engine.book import HEAD, LEVELS, next_above, next_below
from engine.codes import (
    BUY,
    BUYING_POWER,
    CONTINUOUS,
    F_LIMIT_PRICE,
    F_QUANTITY,
    FLAG_REDUCE_ONLY,
    LIMIT,
    MARKET,
    MAX_OPEN_ORDERS,
    MAX_ORDER_NOTIONAL,
    MAX_ORDER_QUANTITY,
    MILLION,
    POSITION_LIMIT,
    PRICE_COLLAR,
    REFUSAL,
    STOP,
    STOP_LIMIT,
    TRAILING_STOP,
)
from engine.jit import compiled, inlined
from engine.ledger import fee
from engine.orders import COUNTED
from engine.state import OPENING, RATE, Engine


@inlined
def refusal(reason: int, field: int) -> int:
    return reason | (field << REFUSAL)


@inlined
def part(price: Any, ppm: Any) -> Any:
    """floor(price × ppm / 10^6)."""
    return (price // MILLION) * ppm + ((price % MILLION) * ppm) // MILLION


@inlined
def within_band(engine: Engine, instrument: int, price: Any) -> Any:
    """The price, or the edge of the band where it lies outside."""
    lowest = engine.books.instruments["base"][instrument]
    highest = lowest + engine.books.instruments["levels"][instrument] - 1
    return min(max(price, lowest), highest)


@inlined
def edge(engine: Engine, instrument: int, side: int) -> Any:
    """The band's highest price for buyers, its lowest for sellers."""
    lowest = engine.books.instruments["base"][instrument]
    if side == BUY:
        return lowest + engine.books.instruments["levels"][instrument] - 1
    return lowest


@inlined
def collared(engine: Engine, instrument: int, account: int) -> bool:
    """Whether the account's price collar has a price to go by."""
    has_collar = engine.ledger.pairs["collar_bound"][instrument, account] != 0
    return has_collar and engine.books.instruments["last_price"][instrument] > 0


@inlined
def collar_price(engine: Engine, instrument: int, account: int, side: int) -> Any:
    """The worst price that a `collared` account may ask for."""
    last = engine.books.instruments["last_price"][instrument]
    reach = part(last, engine.ledger.pairs["collar_bound"][instrument, account] - 1)
    return last + reach if side == BUY else last - reach


@inlined
def worst_price(engine: Engine, instrument: int, account: int, side: int) -> Any:
    """How far a market order goes: to its collar, or to the edge of the band."""
    if collared(engine, instrument, account):
        return within_band(engine, instrument, collar_price(engine, instrument, account, side))
    return edge(engine, instrument, side)


@compiled
def reached_price(engine: Engine, instrument: int, account: int, side: int, quantity: Any) -> Any:
    """Price of the last order that a market order of so many lots would reach now; the last trade's where there is
    none."""
    books = engine.books
    base = books.instruments["base"][instrument]
    limit = worst_price(engine, instrument, account, side) - base
    queue = 2 - side
    bits = books.bitmaps[instrument, queue]
    level = books.best[instrument, queue]
    price = books.instruments["last_price"][instrument]
    while quantity > 0 and 0 <= level < LEVELS:
        if (side == BUY and level > limit) or (side != BUY and level < limit):
            break
        price = base + level
        slot = np.int64(books.queues[instrument, queue, level, HEAD])
        while slot != 0 and quantity > 0:
            quantity -= books.orders["leaves"][slot]
            slot = np.int64(books.orders["next"][slot])
        if side == BUY:
            level = next_above(bits, level + 1)
        else:
            level = next_below(bits, level - 1)
    return price


@compiled
def market_price(engine: Engine, instrument: int, account: int, side: int, quantity: Any) -> Any:
    """The price of a market order for the purpose of risk."""
    if engine.books.instruments["phase"][instrument] == CONTINUOUS:
        return reached_price(engine, instrument, account, side, quantity)
    if collared(engine, instrument, account):
        return worst_price(engine, instrument, account, side)
    last = engine.books.instruments["last_price"][instrument]
    return last if last > 0 else edge(engine, instrument, side)


@inlined
def risk_price(
    engine: Engine, instrument: int, account: int, side: int, order_type: int, limit_price: Any, stop_price: Any,
    quantity: Any
) -> Any:  # fmt: skip
    """What a lot of the order may cost, in ticks."""
    if order_type == LIMIT or order_type == STOP_LIMIT:
        return limit_price
    if order_type == STOP or order_type == TRAILING_STOP:
        return stop_price
    return market_price(engine, instrument, account, side, quantity)


@inlined
def reserve_rate(engine: Engine, instrument: int, price: Any, maker_ppm: Any, taker_ppm: Any) -> Any:
    """Money units to reserve for a lot."""
    notional = price * engine.books.instruments["money"][instrument]
    return notional + fee(notional, max(np.int64(maker_ppm), np.int64(taker_ppm), np.int64(0)), MILLION - 1)


@inlined
def opening_lots(engine: Engine, instrument: int, account: int, side: int, flags: int, lots: Any) -> Any:
    """How many lots of a new order could open a position, past what the others already close."""
    if flags & FLAG_REDUCE_ONLY:
        return 0
    pairs = engine.ledger.pairs
    if side == BUY:
        closes = -pairs["quantity"][instrument, account] - pairs["open_buys"][instrument, account]
    else:
        closes = pairs["quantity"][instrument, account] - pairs["open_sells"][instrument, account]
    if closes > 0:
        return max(lots - closes, 0)
    return lots


@inlined
def available(engine: Engine, account: int) -> Any:
    """Money units of buying power that are left."""
    accounts = engine.ledger.accounts
    equity = accounts["deposits"][account] + accounts["realized"][account] - accounts["fees"][account]
    margin = accounts["margin"][account]
    power = (equity // 100) * margin + ((equity % 100) * margin) // 100
    return power - accounts["cost_used"][account] - accounts["reserved"][account]


@inlined
def check_size(engine: Engine, instrument: int, account: int, quantity: Any, price: Any) -> int:
    """The limits on one order: quantity (11a) and notional (11c). A refusal, or 0."""
    pairs = engine.ledger.pairs
    bound = pairs["order_quantity_bound"][instrument, account]
    if bound != 0 and quantity >= bound:
        return refusal(MAX_ORDER_QUANTITY, F_QUANTITY)
    bound = pairs["order_notional_bound"][instrument, account]
    if bound != 0 and quantity * price * engine.books.instruments["money"][instrument] >= bound:
        return refusal(MAX_ORDER_NOTIONAL, F_QUANTITY)
    return 0


@inlined
def check_collar(engine: Engine, instrument: int, account: int, side: int, order_type: int, limit_price: Any) -> int:
    """A refusal, or 0."""
    if order_type != LIMIT or not collared(engine, instrument, account):
        return 0
    bound = collar_price(engine, instrument, account, side)
    if (side == BUY and limit_price > bound) or (side != BUY and limit_price < bound):
        return refusal(PRICE_COLLAR, F_LIMIT_PRICE)
    return 0


@inlined
def check_position(engine: Engine, instrument: int, account: int, side: int, flags: int, lots: Any) -> int:
    """Whether the position could pass its limit with so many working lots more. A refusal, or 0."""
    if flags & FLAG_REDUCE_ONLY:
        return 0
    pairs = engine.ledger.pairs
    if side == BUY:
        bound = pairs["long_bound"][instrument, account]
        held = pairs["quantity"][instrument, account] + pairs["open_buys"][instrument, account]
    else:
        bound = pairs["short_bound"][instrument, account]
        held = pairs["open_sells"][instrument, account] - pairs["quantity"][instrument, account]
    if bound != 0 and held + lots >= bound:
        return refusal(POSITION_LIMIT, F_QUANTITY)
    return 0


@inlined
def check_power(engine: Engine, account: int, opening: Any, rate: Any) -> int:
    """A refusal, or 0."""
    if engine.ledger.accounts["margin"][account] > 0 and opening * rate > available(engine, account):
        return refusal(BUYING_POWER, F_QUANTITY)
    return 0


@inlined
def check_risk(
    engine: Engine, instrument: int, account: int, side: int, order_type: int, flags: int, quantity: Any,
    limit_price: Any, stop_price: Any, maker_ppm: Any, taker_ppm: Any, legs: int,
    parked: bool
) -> int:  # fmt: skip
    """All limits of an order that would enter now, as the first of so many legs (11a–f). A refusal, or 0 with what to
    reserve in `work[OPENING]` and `work[RATE]`."""
    pairs = engine.ledger.pairs
    bound = pairs["order_quantity_bound"][instrument, account]
    if bound != 0 and quantity >= bound:
        return refusal(MAX_ORDER_QUANTITY, F_QUANTITY)
    refused = check_collar(engine, instrument, account, side, order_type, limit_price)
    if refused != 0:
        return refused
    price = limit_price
    # Nobody else looks at what a market order reserves: in continuous trading it is gone before the next check, unless
    # it is parked. So the orders on the other side are counted only where the account's own limits ask for the price.
    asked = pairs["order_notional_bound"][instrument, account] != 0 or engine.ledger.accounts["margin"][account] > 0
    if order_type != MARKET or asked or parked or engine.books.instruments["phase"][instrument] != CONTINUOUS:
        price = risk_price(engine, instrument, account, side, order_type, limit_price, stop_price, quantity)
    refused = check_size(engine, instrument, account, quantity, price)
    if refused != 0:
        return refused
    bound = pairs["open_orders_bound"][instrument, account]
    if bound != 0 and pairs["open_orders"][instrument, account] + legs >= bound:
        return refusal(MAX_OPEN_ORDERS, 0)
    refused = check_position(engine, instrument, account, side, flags, quantity)
    if refused != 0:
        return refused
    opening = opening_lots(engine, instrument, account, side, flags, quantity)
    rate = reserve_rate(engine, instrument, price, maker_ppm, taker_ppm)
    engine.work[OPENING] = opening
    engine.work[RATE] = rate
    return check_power(engine, account, opening, rate)


# --------------------------------------------------------------------------------------- open lots and reservation


@inlined
def count_in(engine: Engine, slot: int, opening: Any, rate: Any) -> None:
    """The order's leaves count among the account's open lots, and money is reserved for it."""
    orders = engine.books.orders
    instrument = np.int64(orders["instrument"][slot])
    account = np.int64(orders["account"][slot])
    if orders["side"][slot] == BUY:
        engine.ledger.pairs["open_buys"][instrument, account] += orders["leaves"][slot]
    else:
        engine.ledger.pairs["open_sells"][instrument, account] += orders["leaves"][slot]
    engine.books.terms["reserved_lots"][slot] = opening
    engine.books.terms["reserve_rate"][slot] = rate
    engine.ledger.accounts["reserved"][account] += opening * rate
    orders["traits"][slot] |= COUNTED


@inlined
def count_down(engine: Engine, slot: int, lots: Any) -> None:
    """The order, if it counts, has so many lots less; its leaves are what is left already."""
    orders = engine.books.orders
    if not orders["traits"][slot] & COUNTED:
        return
    instrument = np.int64(orders["instrument"][slot])
    account = np.int64(orders["account"][slot])
    if orders["side"][slot] == BUY:
        engine.ledger.pairs["open_buys"][instrument, account] -= lots
    else:
        engine.ledger.pairs["open_sells"][instrument, account] -= lots
    terms = engine.books.terms
    over = terms["reserved_lots"][slot] - orders["leaves"][slot]
    if over > 0:
        terms["reserved_lots"][slot] -= over
        engine.ledger.accounts["reserved"][account] -= over * terms["reserve_rate"][slot]


@inlined
def count_out(engine: Engine, slot: int) -> None:
    """The order counts no more: nothing is reserved for it."""
    orders = engine.books.orders
    if not orders["traits"][slot] & COUNTED:
        return
    instrument = np.int64(orders["instrument"][slot])
    account = np.int64(orders["account"][slot])
    if orders["side"][slot] == BUY:
        engine.ledger.pairs["open_buys"][instrument, account] -= orders["leaves"][slot]
    else:
        engine.ledger.pairs["open_sells"][instrument, account] -= orders["leaves"][slot]
    terms = engine.books.terms
    engine.ledger.accounts["reserved"][account] -= terms["reserved_lots"][slot] * terms["reserve_rate"][slot]
    terms["reserved_lots"][slot] = 0
    orders["traits"][slot] &= np.uint8(255 - COUNTED)
