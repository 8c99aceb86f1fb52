"""What venues elsewhere do with orders that work here: their fills, and their ends. Compiled; the checks are in
`engine.venues`.

A fill has two sides like every other: the order's, and that of the account that stands for the venue."""

from __future__ import annotations

from typing import Any

import numpy as np

from engine.codes import (
    BUY,
    EXEC_CANCELED,
    EXEC_TRADE,
    EXEC_TRIGGERED,
    NONE,
    OPENING_AUCTION,
    REFUSAL,
    SELL,
    STATUS_FILLED,
    STATUS_NEW,
    STATUS_PARTIAL,
    TAKER,
)
from engine.endings import close, end_order, fit_display, leave
from engine.entering import enter_special
from engine.jit import entry
from engine.ledger import book_fill
from engine.matching import follow_links
from engine.orders import CHECKED, LISTED, NOWHERE, RELEASED
from engine.reports import report_order, write_report
from engine.risk import count_down
from engine.running import check_child
from engine.state import FIRST, ROOM, ROW, Batch, Engine, Output
from engine.stops import deactivate


@entry
def execute(
    engine: Engine, batch: Batch, client: int, venue: int, lots: Any, price: Any, paid: Any, out: Output, n: int
) -> Any:
    """Books a fill of both sides. What the order in the record still works for is reported in report n, and after it
    what that does to the other exit of its list; `out.written` is the next report's number. Returns these lots: the
    rest has come too late, and its report is the caller's. `paid` is the order's fee, the venue gets it."""
    if client == 0:
        return np.int64(0)
    orders = engine.books.orders
    terms = engine.books.terms
    records = engine.clients.records
    slot = np.int64(records["slot"][client])
    account = np.int64(records["account"][client])
    instrument = np.int64(records["instrument"][client])
    side = np.int64(records["side"][client])
    unit = price * engine.books.instruments["money"][instrument]
    engine.books.instruments["last_price"][instrument] = price
    other = SELL if side == BUY else BUY
    working = min(lots, orders["leaves"][slot]) if slot != 0 else np.int64(0)
    first = lots if working == 0 else working
    book_fill(engine.ledger, venue, instrument, other, first, unit, -paid)
    book_fill(engine.ledger, account, instrument, side, first, unit, paid)
    if slot != 0:
        engine.work[ROW] = 0
        engine.work[FIRST] = 0
        leaves = orders["leaves"][slot] - working
        orders["leaves"][slot] = leaves
        orders["notional"][slot] += working * price
        count_down(engine, slot, working)
        fit_display(engine, slot)
        write_report(engine, batch, slot, out, n, EXEC_TRADE, STATUS_PARTIAL if leaves > 0 else STATUS_FILLED, NONE)
        reports = out.reports
        reports["last_quantity"][n] = working
        reports["last_price"][n] = price
        reports["fee"][n] = paid
        reports["match"][n] = 1
        reports["liquidity"][n] = TAKER
        n += 1
        sibling = 0
        child = 0
        second = 0
        filled = orders["quantity"][slot]
        if orders["traits"][slot] & LISTED:
            sibling = np.int64(terms["sibling"][slot])
            if leaves == 0:
                child = np.int64(terms["first_child"][slot])
                second = np.int64(terms["second_child"][slot])
        if leaves == 0:
            leave(engine, slot)
            close(engine, slot, STATUS_FILLED)
        n = follow_links(engine, batch, out, n, sibling, child, second, working, filled)
    if lots > first:  # two fills are reported, and whoever adds them up rounds twice
        book_fill(engine.ledger, venue, instrument, other, lots - first, unit, np.int64(0))
        book_fill(engine.ledger, account, instrument, side, lots - first, unit, np.int64(0))
    out.written[0] = n
    return working


@entry
def enter_released(engine: Engine, batch: Batch, instrument: int, out: Output, n: int) -> int:
    """In an auction that is held for a venue nothing waits for its end: children of orders that are done enter, as far
    as there is room for their reports. Returns the next report's number."""
    orders = engine.books.orders
    instruments = engine.books.instruments
    engine.work[ROW] = 0
    engine.work[FIRST] = 0
    while instruments["phase"][instrument] == OPENING_AUCTION and n <= out.reports.shape[0] - ROOM:
        slot = np.int64(instruments["activation_head"][instrument])
        if slot == 0:
            break
        if orders["traits"][slot] & CHECKED:
            refused = check_child(engine, slot)
            if refused != 0:
                n = end_order(engine, batch, slot, out, n, EXEC_CANCELED, refused & ((1 << REFUSAL) - 1), False)
                continue
        deactivate(engine, slot)
        orders["place"][slot] = NOWHERE
        orders["traits"][slot] &= np.uint8(255 - RELEASED - CHECKED)
        report_order(engine, batch, slot, out, n, EXEC_TRIGGERED, STATUS_NEW, NONE)
        n += 1
        enter_special(engine, slot)
    return n


@entry
def end(engine: Engine, batch: Batch, client: int, exec_type: int, reason: int, out: Output) -> int:
    """Ends the working order of a record, and the rest of its list; returns how many reports that made: none where it
    had ended before."""
    slot = np.int64(engine.clients.records["slot"][client])
    if slot == 0:
        return 0
    engine.work[ROW] = 0
    engine.work[FIRST] = 0
    return end_order(engine, batch, slot, out, 0, exec_type, reason, True)
