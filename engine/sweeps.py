"""Commands that end many orders at once: which ones, in the order of their numbers, and one after another."""

from __future__ import annotations

from typing import Any

import numpy as np

from engine.book import USED
from engine.checks import known_account
from engine.codes import (
    CLS,
    CORPORATE_ACTION,
    DAY,
    DAY_ENDED,
    DISCONNECTED,
    EXEC_CANCELED,
    EXEC_EXPIRED,
    F_ACCOUNT,
    FLAG_DISCONNECTED,
    GTD,
    KILL_SWITCH,
    MARKET,
    NEVER,
    NO_LIQUIDITY,
    NONE,
    OPENING_AUCTION,
    OPG,
    REJECTED,
    UNKNOWN_ACCOUNT,
)
from engine.endings import end_order
from engine.jit import compiled
from engine.orders import BOOK, PARKED
from engine.reports import reply_bare, report_refused_change
from engine.state import (
    AFFECTED,
    AFTER,
    DRIVE,
    FINISH,
    FIRST,
    FOUND,
    LAST,
    NEXT_EXPIRY,
    NOW,
    ROOM,
    STEP,
    SWEEP,
    SWEEP_EXEC,
    SWEEP_REASON,
    SWEEP_WHOLE,
    SWEPT,
    Batch,
    Engine,
    Output,
)


@compiled
def sort_found(engine: Engine) -> None:
    """Shell sort, in place, by order number, of the slots that were found."""
    slots = engine.scratch
    order_ids = engine.books.orders["order_id"]
    count = engine.work[FOUND]
    gap = count // 2
    while gap > 0:
        for k in range(gap, count):
            slot = slots[k]
            order_id = order_ids[slot]
            j = k
            while j >= gap and order_ids[slots[j - gap]] > order_id:
                slots[j] = slots[j - gap]
                j -= gap
            slots[j] = slot
        gap //= 2


@compiled
def start_sweep(engine: Engine, exec_type: int, reason: int, whole: bool, after: int) -> None:
    """The orders in `scratch` are to end, then comes the step `after`."""
    sort_found(engine)
    work = engine.work
    work[SWEPT] = 0
    work[SWEEP_EXEC] = exec_type
    work[SWEEP_REASON] = reason
    work[SWEEP_WHOLE] = 1 if whole else 0
    work[AFTER] = after
    work[STEP] = SWEEP


@compiled
def sweep(engine: Engine, batch: Batch, out: Output, n: int) -> int:
    """Ends the orders found, as there is room for reports; those that ended by a link meanwhile are passed over.
    Returns the next report's number."""
    work = engine.work
    room = out.reports.shape[0] - ROOM
    while n <= room and work[SWEPT] < work[FOUND]:
        slot = np.int64(engine.scratch[work[SWEPT]])
        work[SWEPT] += 1
        if engine.books.orders["leaves"][slot] != 0:
            n = end_order(engine, batch, slot, out, n, work[SWEEP_EXEC], work[SWEEP_REASON], work[SWEEP_WHOLE] == 1)
    if work[SWEPT] == work[FOUND]:
        work[STEP] = work[AFTER]
        if work[SWEEP_WHOLE] == 1:
            work[AFFECTED] = n - work[FIRST]
    return n


@compiled
def find_of_account(engine: Engine, account: Any, instrument: Any, side: Any) -> None:
    """The working orders of an account, of an instrument, of a side; 0: of all of them."""
    orders = engine.books.orders
    found = 0
    for slot in range(1, engine.books.pool[USED] + 1):
        if orders["leaves"][slot] == 0 or (account != 0 and orders["account"][slot] != account):
            continue
        if instrument != 0 and orders["instrument"][slot] != instrument:
            continue
        if side != 0 and orders["side"][slot] != side:
            continue
        engine.scratch[found] = slot
        found += 1
    engine.work[FOUND] = found


@compiled
def cancel_all(engine: Engine, batch: Batch, i: int, out: Output, n: int) -> int:
    """Sets the next step. Returns the next report's number."""
    if not known_account(engine, batch, i):
        reply_bare(batch, i, out, REJECTED, UNKNOWN_ACCOUNT, F_ACCOUNT)
        report_refused_change(engine, batch, i, 0, out, n, UNKNOWN_ACCOUNT, F_ACCOUNT)
        return n + 1
    commands = batch.commands
    find_of_account(
        engine, np.int64(commands["account"][i]), np.int64(commands["instrument"][i]), np.int64(commands["side"][i])
    )
    reason = DISCONNECTED if commands["flags"][i] & FLAG_DISCONNECTED else NONE
    start_sweep(engine, EXEC_CANCELED, reason, True, FINISH)
    return n


@compiled
def kill(engine: Engine, batch: Batch, i: int) -> None:
    """Ends all orders of an account, or of every one (0)."""
    find_of_account(engine, np.int64(batch.commands["account"][i]), 0, 0)
    start_sweep(engine, EXEC_CANCELED, KILL_SWITCH, True, FINISH)


@compiled
def cancel_split(engine: Engine, batch: Batch, i: int) -> None:
    """Ends all orders of an instrument that is split."""
    find_of_account(engine, 0, np.int64(batch.commands["instrument"][i]), 0)
    start_sweep(engine, EXEC_CANCELED, CORPORATE_ACTION, True, FINISH)


# ------------------------------------------------------------------------------------------------------ the timer


@compiled
def expiry(engine: Engine, slot: int) -> Any:
    """When the order expires, NEVER where nothing says so."""
    orders = engine.books.orders
    time_in_force = orders["time_in_force"][slot]
    if time_in_force == GTD:
        return engine.books.terms["expires_ns"][slot]
    if time_in_force == DAY:
        ends = engine.books.instruments["day_ends_ns"][np.int64(orders["instrument"][slot])]
        if ends > 0:
            return ends
    return np.int64(NEVER)


@compiled
def next_expiry(engine: Engine) -> None:
    """Finds the next time at which an order expires."""
    soonest = np.int64(NEVER)
    for slot in range(1, engine.books.pool[USED] + 1):
        if engine.books.orders["leaves"][slot] != 0:
            soonest = min(soonest, expiry(engine, slot))
    engine.work[NEXT_EXPIRY] = soonest


@compiled
def timer(engine: Engine, batch: Batch, i: int) -> None:
    """Ends the orders whose time is over, of every instrument, then drives each."""
    now = batch.commands["ts_ns"][i]
    found = 0
    soonest = np.int64(NEVER)
    for slot in range(1, engine.books.pool[USED] + 1):
        if engine.books.orders["leaves"][slot] == 0:
            continue
        ends = expiry(engine, slot)
        if ends <= now:
            engine.scratch[found] = slot
            found += 1
        else:
            soonest = min(soonest, ends)
    engine.work[FOUND] = found
    engine.work[NEXT_EXPIRY] = soonest
    engine.work[NOW] = 1
    engine.work[LAST] = engine.books.instruments.shape[0] - 1
    start_sweep(engine, EXEC_EXPIRED, DAY_ENDED, False, DRIVE)


# --------------------------------------------------------------------------------------- at the borders of phases


@compiled
def find_leftovers(engine: Engine, instrument: int, phase: int) -> None:
    """What may not stay in the book after the auction `phase`."""
    orders = engine.books.orders
    wanted = OPG if phase == OPENING_AUCTION else CLS
    found = 0
    for slot in range(1, engine.books.pool[USED] + 1):
        if orders["leaves"][slot] == 0 or orders["instrument"][slot] != instrument:
            continue
        if orders["place"][slot] != BOOK:
            continue
        if orders["order_type"][slot] == MARKET or orders["time_in_force"][slot] == wanted:
            engine.scratch[found] = slot
            found += 1
    engine.work[FOUND] = found


@compiled
def find_auction_orders(engine: Engine, instrument: int) -> None:
    """The orders that were for an auction only."""
    orders = engine.books.orders
    found = 0
    for slot in range(1, engine.books.pool[USED] + 1):
        if orders["leaves"][slot] == 0 or orders["instrument"][slot] != instrument:
            continue
        if orders["time_in_force"][slot] == OPG or orders["time_in_force"][slot] == CLS:
            engine.scratch[found] = slot
            found += 1
    engine.work[FOUND] = found


@compiled
def find_parked(engine: Engine, instrument: int) -> None:
    """The orders that wait for the closing auction, by order number."""
    orders = engine.books.orders
    found = 0
    for slot in range(1, engine.books.pool[USED] + 1):
        if orders["leaves"][slot] == 0 or orders["instrument"][slot] != instrument:
            continue
        if orders["place"][slot] == PARKED:
            engine.scratch[found] = slot
            found += 1
    engine.work[FOUND] = found
    sort_found(engine)


@compiled
def sweep_leftovers(engine: Engine, after: int) -> None:
    """Ends the orders that were found, because nothing was left to trade against."""
    start_sweep(engine, EXEC_CANCELED, NO_LIQUIDITY, False, after)
