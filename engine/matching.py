"""Price-time matching: one order against the book, and what each match does to the two orders. Pure integers."""

from __future__ import annotations

from typing import Any

import numpy as np

from engine.book import HEAD, LEVELS, append, next_above, next_below, unlink
from engine.codes import (
    BUY,
    CANCEL_BOTH,
    CANCEL_NEWEST,
    CANCEL_OLDEST,
    DECREMENT,
    EXEC_CANCELED,
    EXEC_RESTATED,
    EXEC_TRADE,
    FLAG_REDUCE_ONLY,
    FOK,
    IOC,
    LIMIT,
    MAKER,
    NO_LIQUIDITY,
    NO_PREVENTION,
    NONE,
    PRICE_COLLAR,
    REDUCE_ONLY,
    SELF_TRADE,
    STATUS_FILLED,
    STATUS_PARTIAL,
    STOP_LIMIT,
    TAKER,
)
from engine.endings import close, end_order, leave, release_both, shrink, shrink_sibling
from engine.jit import compiled, inlined, merged
from engine.ledger import book_fill, closable, fee, same_owner
from engine.orders import BOOK, ICEBERG, LISTED
from engine.reports import report_order, working_status, write_report
from engine.risk import count_down, worst_price
from engine.state import FIRST_PRICE, MATCHES, ROOM, Batch, Engine, Output
from engine.state import TAKER as WORK_TAKER
from engine.stops import observe

# ------------------------------------------------------------------------------------------------------ one match


@inlined
def fill(
    engine: Engine, batch: Batch, slot: int, out: Output, n: int, lots: Any, price: Any, ppm: Any, liquidity: int
) -> None:
    """Books one side of a match, and writes report n."""
    orders = engine.books.orders
    reports = out.reports
    instrument = np.int64(orders["instrument"][slot])
    unit = price * engine.books.instruments["money"][instrument]
    paid = fee(lots * unit, np.int64(ppm), 500_000)
    book_fill(
        engine.ledger, np.int64(orders["account"][slot]), instrument, np.int64(orders["side"][slot]), lots, unit, paid
    )
    leaves = orders["leaves"][slot] - lots
    orders["leaves"][slot] = leaves
    orders["notional"][slot] += lots * price
    count_down(engine, slot, lots)
    write_report(engine, batch, slot, out, n, EXEC_TRADE, STATUS_PARTIAL if leaves > 0 else STATUS_FILLED, NONE)
    reports["last_quantity"][n] = lots
    reports["last_price"][n] = price
    reports["fee"][n] = paid
    reports["match"][n] = engine.work[MATCHES]
    reports["liquidity"][n] = liquidity


@compiled
def follow_links(
    engine: Engine, batch: Batch, out: Output, n: int, sibling: int, first: int, second: int, lots: Any, filled: Any
) -> int:
    """After a fill of `lots`: the sibling has less to do; the children (none where the order is not `filled`) are
    released. Returns the next report's number."""
    if sibling != 0:
        n = shrink_sibling(engine, batch, sibling, out, n, lots)
    release_both(engine, first, second, filled)
    return n


@inlined
def after_fill(engine: Engine, batch: Batch, slot: int, out: Output, n: int, lots: Any) -> int:
    """What a fill of `lots` does to its order and to those linked with it. Returns the next report's number."""
    orders = engine.books.orders
    listed = orders["traits"][slot] & LISTED
    done = orders["leaves"][slot] == 0
    sibling = 0
    first = 0
    second = 0
    filled = orders["quantity"][slot]
    if listed:
        terms = engine.books.terms
        sibling = np.int64(terms["sibling"][slot])
        if done:
            first = np.int64(terms["first_child"][slot])
            second = np.int64(terms["second_child"][slot])
    if done:
        leave(engine, slot)
        close(engine, slot, STATUS_FILLED)
    if listed:
        n = follow_links(engine, batch, out, n, sibling, first, second, lots, filled)
    if not done and orders["flags"][slot] & FLAG_REDUCE_ONLY:
        n = end_if_closed(engine, batch, slot, out, n)
    return n


@compiled
def end_if_closed(engine: Engine, batch: Batch, slot: int, out: Output, n: int) -> int:
    """Cancels a reduce-only order when there is nothing left to reduce. Returns the next report's number."""
    orders = engine.books.orders
    account = np.int64(orders["account"][slot])
    instrument = np.int64(orders["instrument"][slot])
    if closable(engine.ledger, account, instrument, np.int64(orders["side"][slot])) == 0:
        return end_order(engine, batch, slot, out, n, EXEC_CANCELED, REDUCE_ONLY, False)
    return n


@inlined
def trade(engine: Engine, batch: Batch, maker: int, taker: int, out: Output, n: int, lots: Any, price: Any) -> int:
    """One match, as far as its two reports. Returns the next report's number."""
    terms = engine.books.terms
    instrument = np.int64(engine.books.orders["instrument"][maker])
    engine.books.instruments["last_price"][instrument] = price
    engine.work[MATCHES] += 1
    fill(engine, batch, maker, out, n, lots, price, terms["maker_fee_ppm"][maker], MAKER)
    fill(engine, batch, taker, out, n + 1, lots, price, terms["taker_fee_ppm"][taker], TAKER)
    return n + 2


@compiled
def reducible(engine: Engine, slot: int, lots: Any) -> Any:
    """How many of so many lots a reduce-only order may trade now; all of them where it is none."""
    orders = engine.books.orders
    if not orders["flags"][slot] & FLAG_REDUCE_ONLY:
        return lots
    account = np.int64(orders["account"][slot])
    instrument = np.int64(orders["instrument"][slot])
    return min(lots, closable(engine.ledger, account, instrument, np.int64(orders["side"][slot])))


@compiled
def decrement(engine: Engine, batch: Batch, slot: int, out: Output, n: int, lots: Any) -> int:
    """A self-trade takes so many lots off an order. Returns the next report's number."""
    orders = engine.books.orders
    shrink(engine, slot, lots)
    if orders["leaves"][slot] == 0:
        return end_order(engine, batch, slot, out, n, EXEC_CANCELED, SELF_TRADE, False)
    report_order(engine, batch, slot, out, n, EXEC_RESTATED, working_status(engine, slot), SELF_TRADE)
    return n + 1


@compiled
def prevent(engine: Engine, batch: Batch, maker: int, taker: int, out: Output, n: int) -> int:
    """Two orders of one owner meet, by the taker's rule. Returns the next report's number; an order that has ended
    has no leaves."""
    orders = engine.books.orders
    mode = orders["self_trade_prevention"][taker]
    if mode == DECREMENT:
        lots = min(orders["leaves"][maker], orders["leaves"][taker])
        n = decrement(engine, batch, maker, out, n, lots)
        return decrement(engine, batch, taker, out, n, lots)
    if mode == CANCEL_OLDEST or mode == CANCEL_BOTH:
        n = end_order(engine, batch, maker, out, n, EXEC_CANCELED, SELF_TRADE, False)
    if mode == CANCEL_NEWEST or mode == CANCEL_BOTH:
        n = end_order(engine, batch, taker, out, n, EXEC_CANCELED, SELF_TRADE, False)
    return n


@inlined
def own(engine: Engine, taker: int, maker: int) -> bool:
    """Whether self-trade prevention keeps the two from trading."""
    orders = engine.books.orders
    if orders["self_trade_prevention"][taker] == NO_PREVENTION:
        return False
    return same_owner(engine.ledger, np.int64(orders["account"][taker]), np.int64(orders["account"][maker]))


# ------------------------------------------------------------------------------------------------- a whole round


@inlined
def requeue(engine: Engine, slot: int, lots: Any) -> None:
    """A fill took `lots` off what an iceberg shows; when that is gone it shows more, at the end of its level."""
    terms = engine.books.terms
    terms["shown"][slot] -= lots
    if terms["shown"][slot] == 0:
        terms["shown"][slot] = min(terms["display"][slot], engine.books.orders["leaves"][slot])
        queue = np.int64(engine.books.orders["side"][slot]) - 1
        unlink(engine.books, slot, queue)
        append(engine.books, slot, queue)


@merged
def match(engine: Engine, batch: Batch, out: Output, n: int) -> int:
    """Trades the taker at work, which stands nowhere, against the other side as far as its level allows, or as there
    is room for reports. `work[TAKER]` is 0 once it has ended. Returns the next report's number."""
    books = engine.books
    orders = books.orders
    work = engine.work
    slot = work[WORK_TAKER]
    if slot == 0:
        return n
    room = out.reports.shape[0] - ROOM
    instrument = np.int64(orders["instrument"][slot])
    side = np.int64(orders["side"][slot])
    limit = np.int64(orders["level"][slot])
    queue = 2 - side
    guarded = orders["self_trade_prevention"][slot] != NO_PREVENTION
    reduces = orders["flags"][slot] & FLAG_REDUCE_ONLY
    while n <= room:
        level = books.best[instrument, queue]
        if side == BUY:
            if level > limit:
                break
        elif level < limit:
            break
        maker = np.int64(books.queues[instrument, queue, level, HEAD])
        if guarded and own(engine, slot, maker):
            n = prevent(engine, batch, maker, slot, out, n)
            if orders["leaves"][slot] == 0:
                work[WORK_TAKER] = 0
                break
            continue
        lots = orders["leaves"][maker]
        iceberg = orders["traits"][maker] & ICEBERG
        if iceberg:
            lots = books.terms["shown"][maker]
        lots = min(lots, orders["leaves"][slot])
        if orders["flags"][maker] & FLAG_REDUCE_ONLY:
            lots = reducible(engine, maker, lots)
            if lots == 0:
                n = end_order(engine, batch, maker, out, n, EXEC_CANCELED, REDUCE_ONLY, False)
                continue
        if reduces:
            lots = reducible(engine, slot, lots)
            if lots == 0:
                n = end_order(engine, batch, slot, out, n, EXEC_CANCELED, REDUCE_ONLY, False)
                work[WORK_TAKER] = 0
                break
        price = books.instruments["base"][instrument] + level
        if work[FIRST_PRICE] == 0:
            work[FIRST_PRICE] = price
        n = trade(engine, batch, maker, slot, out, n, lots, price)
        if iceberg and orders["leaves"][maker] > 0:
            requeue(engine, maker, lots)
        n = after_fill(engine, batch, maker, out, n, lots)
        n = after_fill(engine, batch, slot, out, n, lots)
        if orders["leaves"][slot] == 0:
            work[WORK_TAKER] = 0
            break
    return n


@inlined
def end_round(engine: Engine, instrument: int) -> None:
    """The round's first and last price are seen by the stops."""
    first = engine.work[FIRST_PRICE]
    if first != 0:
        last = engine.books.instruments["last_price"][instrument]
        observe(engine, instrument, first)
        if last != first:
            observe(engine, instrument, last)


@inlined
def rest(engine: Engine, slot: int) -> None:
    """Puts an order, which stands nowhere and whose level is set, in the book."""
    orders = engine.books.orders
    if orders["traits"][slot] & ICEBERG:
        terms = engine.books.terms
        terms["shown"][slot] = min(terms["display"][slot], orders["leaves"][slot])
    orders["place"][slot] = BOOK
    append(engine.books, slot, np.int64(orders["side"][slot]) - 1)


@inlined
def at_market(order_type: int) -> bool:
    """Whether an order, once triggered, has no limit."""
    return order_type != LIMIT and order_type != STOP_LIMIT


@merged
def settle(engine: Engine, batch: Batch, out: Output, n: int) -> int:
    """After matching: what is left of the taker is canceled, or rests. Returns the next report's number."""
    orders = engine.books.orders
    slot = engine.work[WORK_TAKER]
    if slot == 0:
        return n
    engine.work[WORK_TAKER] = 0
    time_in_force = orders["time_in_force"][slot]
    market = at_market(np.int64(orders["order_type"][slot]))
    if not market and time_in_force != IOC and time_in_force != FOK:
        rest(engine, slot)
        return n
    queue = 2 - np.int64(orders["side"][slot])
    level = engine.books.best[np.int64(orders["instrument"][slot]), queue]
    reason = PRICE_COLLAR if market and 0 <= level < LEVELS else NO_LIQUIDITY
    return end_order(engine, batch, slot, out, n, EXEC_CANCELED, reason, False)


# ------------------------------------------------------------------------------------------------------- the walk

COVERED = 1
SHORT = 0
OWN = -1


@compiled
def walk(engine: Engine, slot: int, side: int, limit: int, wanted: Any, replacing: bool) -> int:
    """Whether the other side, up to level `limit`, has `wanted` lots for the order in `slot`: COVERED or SHORT; or OWN
    where a `replacing` order would first meet one of its owner's."""
    books = engine.books
    orders = books.orders
    instrument = np.int64(orders["instrument"][slot])
    queue = 2 - side
    bits = books.bitmaps[instrument, queue]
    level = books.best[instrument, queue]
    skips = orders["self_trade_prevention"][slot] == CANCEL_OLDEST
    while 0 <= level < LEVELS:
        if (side == BUY and level > limit) or (side != BUY and level < limit):
            break
        maker = np.int64(books.queues[instrument, queue, level, HEAD])
        while maker != 0:
            if own(engine, slot, maker):
                if replacing:
                    return OWN
                if not skips:
                    return SHORT
            elif replacing or not orders["flags"][maker] & FLAG_REDUCE_ONLY:
                wanted -= orders["leaves"][maker]
                if wanted <= 0:
                    return COVERED
            maker = np.int64(orders["next"][maker])
        if side == BUY:
            level = next_above(bits, level + 1)
        else:
            level = next_below(bits, level - 1)
    return SHORT


@compiled
def fillable(engine: Engine, slot: int) -> bool:
    """Whether a fill-or-kill order, whose level is set, can be filled whole now."""
    orders = engine.books.orders
    leaves = orders["leaves"][slot]
    if reducible(engine, slot, leaves) < leaves:
        return False
    side = np.int64(orders["side"][slot])
    return walk(engine, slot, side, np.int64(orders["level"][slot]), leaves, False) == COVERED


@compiled
def start_special(engine: Engine, batch: Batch, slot: int, out: Output, n: int) -> int:
    """`start_match` of an order that is no plain limit order."""
    orders = engine.books.orders
    instrument = np.int64(orders["instrument"][slot])
    base = engine.books.instruments["base"][instrument]
    order_type = np.int64(orders["order_type"][slot])
    if order_type == STOP_LIMIT:
        orders["level"][slot] = engine.books.terms["limit_price"][slot] - base
    elif order_type != LIMIT:
        account = np.int64(orders["account"][slot])
        side = np.int64(orders["side"][slot])
        orders["level"][slot] = worst_price(engine, instrument, account, side) - base
    if orders["time_in_force"][slot] == FOK and not fillable(engine, slot):
        engine.work[WORK_TAKER] = 0
        return end_order(engine, batch, slot, out, n, EXEC_CANCELED, NO_LIQUIDITY, False)
    return n


@inlined
def start_match(engine: Engine, batch: Batch, slot: int, out: Output, n: int) -> int:
    """An order, which stands nowhere, begins to trade in continuous trading. Returns the next report's number."""
    orders = engine.books.orders
    engine.work[WORK_TAKER] = slot
    engine.work[FIRST_PRICE] = 0
    if orders["order_type"][slot] != LIMIT or orders["time_in_force"][slot] == FOK:
        return start_special(engine, batch, slot, out, n)
    return n
