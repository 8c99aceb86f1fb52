"""What venues elsewhere do with orders that work here: their fills, and their ends. Compiled; the checks are in
`engine.venues`.

A fill has two sides like every other: the order's, and that of the account that stands for the venue."""

from __future__ import annotations

from typing import Any

import numpy as np

from engine.codes import BUY, EXEC_TRADE, NONE, SELL, STATUS_FILLED, STATUS_PARTIAL, TAKER
from engine.endings import close, end_order, fit_display, leave
from engine.jit import entry
from engine.ledger import book_fill
from engine.reports import write_report
from engine.risk import count_down
from engine.state import FIRST, ROW, Batch, Engine, Output


@entry
def execute(
    engine: Engine, batch: Batch, client: int, venue: int, lots: Any, price: Any, paid: Any, out: Output, n: int
) -> Any:
    """Books a fill of both sides. What the order in the record still works for is reported in report n; returns these
    lots: the rest has come too late, and its report is the caller's. `paid` is the order's fee, the venue gets it."""
    if client == 0:
        return np.int64(0)
    orders = engine.books.orders
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
    if lots > first:  # two fills are reported, and whoever adds them up rounds twice
        book_fill(engine.ledger, venue, instrument, other, lots - first, unit, np.int64(0))
        book_fill(engine.ledger, account, instrument, side, lots - first, unit, np.int64(0))
    if slot == 0:
        return np.int64(0)
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
    if leaves == 0:
        leave(engine, slot)
        close(engine, slot, STATUS_FILLED)
    return working


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
