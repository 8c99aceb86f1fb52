"""What commands are answered with: leaves that write one report or one reply each, in place."""

from __future__ import annotations

from typing import Any

import numpy as np

from engine.clients import ID_WORDS, STRATEGY_WORD
from engine.codes import (
    COMMAND_STRATEGY,
    DUPLICATE,
    EXEC_REJECTED,
    EXEC_TRADE,
    MAKER,
    MARKET,
    NONE,
    REPORT_STRATEGY,
    STATUS_FILLED,
    STATUS_NEW,
    STATUS_PARTIAL,
    STATUS_REJECTED,
)
from engine.jit import compiled
from engine.state import Batch, Engine, Output

MILLION = 1_000_000


@compiled
def copy_words(target: Any, row: int, first: int, source: Any, source_row: int, source_first: int, count: int) -> None:
    for k in range(count):
        target[row, first + k] = source[source_row, source_first + k]


@compiled
def report_order(
    engine: Engine,
    batch: Batch,
    i: int,
    slot: int,
    out: Output,
    n: int,
    first: int,
    exec_type: int,
    status: int,
) -> None:
    """Writes report n: the order in `slot` as it stands, changed by command i."""
    orders = engine.books.orders
    client = np.int64(orders["client"][slot])
    instrument = np.int64(orders["instrument"][slot])
    out.reports["seq"][n] = batch.commands["seq"][i]
    out.reports["ts_ns"][n] = batch.commands["ts_ns"][i]
    out.reports["transact_ns"][n] = batch.commands["transact_ns"][i]
    out.reports["order_id"][n] = orders["order_id"][slot]
    out.reports["quantity"][n] = orders["quantity"][slot]
    out.reports["filled"][n] = engine.clients.records["filled"][client]
    out.reports["leaves"][n] = orders["leaves"][slot]
    out.reports["notional"][n] = orders["notional"][slot]
    if orders["order_type"][slot] == MARKET:
        out.reports["limit_price"][n] = 0
    else:
        out.reports["limit_price"][n] = engine.books.instruments["base"][instrument] + np.int64(orders["level"][slot])
    out.reports["last_quantity"][n] = 0
    out.reports["last_price"][n] = 0
    out.reports["fee"][n] = 0
    out.reports["index"][n] = n - first
    out.reports["match"][n] = 0
    out.reports["account"][n] = orders["account"][slot]
    out.reports["instrument"][n] = orders["instrument"][slot]
    out.reports["exec_type"][n] = exec_type
    out.reports["order_status"][n] = status
    out.reports["reason"][n] = NONE
    out.reports["field"][n] = 0
    out.reports["side"][n] = orders["side"][slot]
    out.reports["order_type"][n] = orders["order_type"][slot]
    out.reports["time_in_force"][n] = orders["time_in_force"][slot]
    out.reports["liquidity"][n] = 0
    out.reports["source"][n] = orders["source"][slot]
    copy_words(out.report_words, n, REPORT_STRATEGY, engine.clients.words, client, STRATEGY_WORD, 2 + ID_WORDS)


@compiled
def report_refused_new(batch: Batch, i: int, out: Output, n: int, reason: int, field: int) -> None:
    """Writes report n: command i, an order that never was."""
    out.reports["seq"][n] = batch.commands["seq"][i]
    out.reports["ts_ns"][n] = batch.commands["ts_ns"][i]
    out.reports["transact_ns"][n] = batch.commands["transact_ns"][i]
    out.reports["order_id"][n] = batch.commands["seq"][i]
    out.reports["quantity"][n] = batch.commands["quantity"][i]
    out.reports["filled"][n] = 0
    out.reports["leaves"][n] = 0
    out.reports["notional"][n] = 0
    out.reports["limit_price"][n] = batch.commands["limit_price"][i]
    out.reports["last_quantity"][n] = 0
    out.reports["last_price"][n] = 0
    out.reports["fee"][n] = 0
    out.reports["index"][n] = 0
    out.reports["match"][n] = 0
    out.reports["account"][n] = batch.commands["account"][i]
    out.reports["instrument"][n] = batch.commands["instrument"][i]
    out.reports["exec_type"][n] = EXEC_REJECTED
    out.reports["order_status"][n] = STATUS_REJECTED
    out.reports["reason"][n] = reason
    out.reports["field"][n] = field
    out.reports["side"][n] = batch.commands["side"][i]
    out.reports["order_type"][n] = batch.commands["order_type"][i]
    out.reports["time_in_force"][n] = batch.commands["time_in_force"][i]
    out.reports["liquidity"][n] = 0
    out.reports["source"][n] = batch.commands["source"][i]
    copy_words(out.report_words, n, REPORT_STRATEGY, batch.words, i, COMMAND_STRATEGY, 2 + ID_WORDS)


@compiled
def working_status(engine: Engine, client: int) -> int:
    if engine.clients.records["filled"][client] > 0:
        return STATUS_PARTIAL
    return STATUS_NEW


@compiled
def report_refused_change(
    engine: Engine,
    batch: Batch,
    i: int,
    client: int,
    out: Output,
    n: int,
    reason: int,
    field: int,
) -> None:
    """Writes report n: a cancel or replace that was refused. It shows the order as it is (`client` = its record), or
    no order at all (order_id 0) where the command names none of the account's."""
    report_refused_new(batch, i, out, n, reason, field)
    if client == 0:
        out.reports["order_id"][n] = 0
        out.reports["quantity"][n] = 0
        out.reports["limit_price"][n] = 0
        out.reports["side"][n] = 0
        out.reports["order_type"][n] = 0
        out.reports["time_in_force"][n] = 0
        for k in range(2):
            out.report_words[n, REPORT_STRATEGY + k] = 0
        return
    slot = np.int64(engine.clients.records["slot"][client])
    if slot != 0:
        report_order(
            engine,
            batch,
            i,
            slot,
            out,
            n,
            n,
            EXEC_REJECTED,
            working_status(engine, client),
        )
        out.reports["reason"][n] = reason
        out.reports["field"][n] = field
        return
    records = engine.clients.records
    out.reports["order_id"][n] = records["order_id"][client]
    out.reports["quantity"][n] = records["quantity"][client]
    out.reports["filled"][n] = records["filled"][client]
    out.reports["notional"][n] = records["notional"][client]
    out.reports["limit_price"][n] = records["limit_price"][client]
    out.reports["instrument"][n] = records["instrument"][client]
    out.reports["order_status"][n] = records["status"][client]
    out.reports["side"][n] = records["side"][client]
    out.reports["order_type"][n] = records["order_type"][client]
    out.reports["time_in_force"][n] = records["time_in_force"][client]
    out.reports["source"][n] = records["source"][client]
    copy_words(out.report_words, n, REPORT_STRATEGY, engine.clients.words, client, STRATEGY_WORD, 2 + ID_WORDS)


@compiled
def reply_order(
    engine: Engine, batch: Batch, i: int, client: int, out: Output, outcome: int, reason: int, field: int
) -> None:
    """Writes reply i: the order of record `client` as it stands."""
    records = engine.clients.records
    slot = np.int64(records["slot"][client])
    out.replies["seq"][i] = batch.commands["seq"][i]
    out.replies["order_id"][i] = records["order_id"][client]
    out.replies["filled"][i] = records["filled"][client]
    out.replies["outcome"][i] = outcome
    out.replies["reason"][i] = reason
    out.replies["field"][i] = field
    out.replies["affected"][i] = 0
    out.replies["instrument"][i] = records["instrument"][client]
    if slot != 0:
        out.replies["quantity"][i] = engine.books.orders["quantity"][slot]
        out.replies["leaves"][i] = engine.books.orders["leaves"][slot]
        out.replies["notional"][i] = engine.books.orders["notional"][slot]
        out.replies["order_status"][i] = working_status(engine, client)
    else:
        out.replies["quantity"][i] = records["quantity"][client]
        out.replies["leaves"][i] = 0
        out.replies["notional"][i] = records["notional"][client]
        out.replies["order_status"][i] = records["status"][client]


@compiled
def reply_bare(batch: Batch, i: int, out: Output, outcome: int, reason: int, field: int) -> None:
    """Writes reply i: no order."""
    out.replies["seq"][i] = batch.commands["seq"][i]
    out.replies["order_id"][i] = 0
    out.replies["quantity"][i] = 0
    out.replies["filled"][i] = 0
    out.replies["leaves"][i] = 0
    out.replies["notional"][i] = 0
    out.replies["outcome"][i] = outcome
    out.replies["order_status"][i] = 0
    out.replies["reason"][i] = reason
    out.replies["field"][i] = field
    out.replies["affected"][i] = 0
    out.replies["instrument"][i] = 0


@compiled
def fee(money: Any, tick_lots: Any, ppm: Any) -> Any:
    """floor((notional × ppm + 500,000) / 10^6) in money units, without a product that could pass 2^63."""
    notional = money * tick_lots
    millions = notional // MILLION
    rest = notional - millions * MILLION
    return millions * ppm + (rest * ppm + 500_000) // MILLION


@compiled
def report_trade(
    engine: Engine, batch: Batch, i: int, slot: int, out: Output, n: int, first: int,
    match_number: int, quantity: Any, price: Any, liquidity: int
) -> None:  # fmt: skip
    """Writes report n: one side of a match."""
    orders = engine.books.orders
    instrument = np.int64(orders["instrument"][slot])
    status = STATUS_FILLED
    if orders["leaves"][slot] > 0:
        status = STATUS_PARTIAL
    report_order(engine, batch, i, slot, out, n, first, EXEC_TRADE, status)
    ppm = engine.books.instruments["taker_fee_ppm"][instrument]
    if liquidity == MAKER:
        ppm = engine.books.instruments["maker_fee_ppm"][instrument]
    out.reports["last_quantity"][n] = quantity
    out.reports["last_price"][n] = price
    out.reports["fee"][n] = fee(engine.books.instruments["money"][instrument], quantity * price, ppm)
    out.reports["match"][n] = match_number
    out.reports["liquidity"][n] = liquidity


@compiled
def repeat_first(engine: Engine, batch: Batch, i: int, client: int, out: Output) -> None:
    """The reply to a repeat: what was said the first time."""
    records = engine.clients.records
    out.replies["seq"][i] = batch.commands["seq"][i]
    out.replies["order_id"][i] = records["order_id"][client]
    out.replies["filled"][i] = records["first_filled"][client]
    out.replies["notional"][i] = records["first_notional"][client]
    out.replies["quantity"][i] = batch.commands["quantity"][i]
    status = np.int64(records["first_status"][client])
    out.replies["leaves"][i] = 0
    if status == STATUS_NEW or status == STATUS_PARTIAL:
        out.replies["leaves"][i] = batch.commands["quantity"][i] - records["first_filled"][client]
    out.replies["outcome"][i] = DUPLICATE
    out.replies["order_status"][i] = status
    out.replies["reason"][i] = records["reason"][client]
    out.replies["field"][i] = records["field"][client]
    out.replies["affected"][i] = 0
    out.replies["instrument"][i] = records["instrument"][client]
