"""What commands are answered with: leaves that write one report or one reply each, in place."""

from __future__ import annotations

from typing import Any

import numpy as np

from engine.clients import ID_WORD, ID_WORDS, STRATEGY_WORD, STRATEGY_WORDS
from engine.codes import (
    COMMAND_STRATEGY,
    DUPLICATE,
    EXEC_REJECTED,
    LIMIT,
    REPORT_STRATEGY,
    STATUS_NEW,
    STATUS_PARTIAL,
    STATUS_PENDING,
    STATUS_REJECTED,
)
from engine.jit import compiled, inlined
from engine.orders import EXTENDED, HELD, RELEASED
from engine.state import FIRST, ROW, Batch, Engine, Output


@inlined
def copy_words(target: Any, row: int, first: int, source: Any, source_row: int, source_first: int, count: int) -> None:
    for k in range(count):
        target[row, first + k] = source[source_row, source_first + k]


@inlined
def copy_names(engine: Engine, client: int, out: Output, n: int) -> None:
    """Strategy and client order id of a record go into report n."""
    words = engine.clients.words
    copy_words(out.report_words, n, REPORT_STRATEGY, words, client, STRATEGY_WORD, STRATEGY_WORDS)
    copy_words(out.report_words, n, REPORT_STRATEGY + STRATEGY_WORDS, words, client, ID_WORD, ID_WORDS)


@inlined
def limit_of(engine: Engine, slot: int) -> int:
    """Ticks, 0 where the order has no limit."""
    if engine.books.orders["order_type"][slot] == LIMIT:
        instrument = np.int64(engine.books.orders["instrument"][slot])
        return engine.books.instruments["base"][instrument] + np.int64(engine.books.orders["level"][slot])
    return engine.books.terms["limit_price"][slot]


@inlined
def working_status(engine: Engine, slot: int) -> int:
    orders = engine.books.orders
    if orders["leaves"][slot] < orders["quantity"][slot]:
        return STATUS_PARTIAL
    if orders["place"][slot] == HELD or orders["traits"][slot] & RELEASED:
        return STATUS_PENDING
    return STATUS_NEW


@inlined
def write_report(
    engine: Engine, batch: Batch, slot: int, out: Output, n: int, exec_type: int, status: int, reason: int
) -> None:
    """Writes report n: the order in `slot` as it stands, changed by the command in progress."""
    orders = engine.books.orders
    reports = out.reports
    row = engine.work[ROW]
    quantity = orders["quantity"][slot]
    leaves = orders["leaves"][slot]
    reports["seq"][n] = batch.commands["seq"][row]
    reports["ts_ns"][n] = batch.commands["ts_ns"][row]
    reports["transact_ns"][n] = batch.commands["transact_ns"][row]
    reports["order_id"][n] = orders["order_id"][slot]
    reports["quantity"][n] = quantity
    reports["filled"][n] = quantity - leaves
    reports["leaves"][n] = leaves
    reports["notional"][n] = orders["notional"][slot]
    reports["limit_price"][n] = limit_of(engine, slot)
    if orders["traits"][slot] & EXTENDED:
        terms = engine.books.terms
        reports["list_id"][n] = terms["list_id"][slot]
        reports["stop_price"][n] = terms["stop_price"][slot]
        reports["trail"][n] = terms["trail"][slot]
        reports["display_quantity"][n] = terms["display"][slot]
        reports["expires_ns"][n] = terms["expires_ns"][slot]
    else:
        reports["list_id"][n] = 0
        reports["stop_price"][n] = 0
        reports["trail"][n] = 0
        reports["display_quantity"][n] = 0
        reports["expires_ns"][n] = 0
    reports["last_quantity"][n] = 0
    reports["last_price"][n] = 0
    reports["fee"][n] = 0
    reports["index"][n] = n - engine.work[FIRST]
    reports["match"][n] = 0
    reports["account"][n] = orders["account"][slot]
    reports["instrument"][n] = orders["instrument"][slot]
    reports["exec_type"][n] = exec_type
    reports["order_status"][n] = status
    reports["reason"][n] = reason
    reports["field"][n] = 0
    reports["side"][n] = orders["side"][slot]
    reports["order_type"][n] = orders["order_type"][slot]
    reports["time_in_force"][n] = orders["time_in_force"][slot]
    reports["liquidity"][n] = 0
    reports["source"][n] = orders["source"][slot]
    reports["flags"][n] = orders["flags"][slot]
    reports["self_trade_prevention"][n] = orders["self_trade_prevention"][slot]
    client = np.int64(orders["client"][slot])
    copy_names(engine, client, out, n)


@compiled
def report_order(
    engine: Engine, batch: Batch, slot: int, out: Output, n: int, exec_type: int, status: int, reason: int
) -> None:
    """`write_report`, called rather than copied."""
    write_report(engine, batch, slot, out, n, exec_type, status, reason)


@compiled
def report_refused_new(batch: Batch, i: int, out: Output, n: int, reason: int, field: int) -> None:
    """Writes report n: command i, an order that never was."""
    reports = out.reports
    commands = batch.commands
    reports["seq"][n] = commands["seq"][i]
    reports["ts_ns"][n] = commands["ts_ns"][i]
    reports["transact_ns"][n] = commands["transact_ns"][i]
    reports["order_id"][n] = commands["seq"][i]
    reports["list_id"][n] = 0
    reports["quantity"][n] = commands["quantity"][i]
    reports["filled"][n] = 0
    reports["leaves"][n] = 0
    reports["notional"][n] = 0
    reports["limit_price"][n] = commands["limit_price"][i]
    reports["stop_price"][n] = commands["stop_price"][i]
    reports["trail"][n] = commands["trail"][i]
    reports["display_quantity"][n] = commands["display_quantity"][i]
    reports["expires_ns"][n] = commands["expires_ns"][i]
    reports["last_quantity"][n] = 0
    reports["last_price"][n] = 0
    reports["fee"][n] = 0
    reports["index"][n] = 0
    reports["match"][n] = 0
    reports["account"][n] = commands["account"][i]
    reports["instrument"][n] = commands["instrument"][i]
    reports["exec_type"][n] = EXEC_REJECTED
    reports["order_status"][n] = STATUS_REJECTED
    reports["reason"][n] = reason
    reports["field"][n] = field
    reports["side"][n] = commands["side"][i]
    reports["order_type"][n] = commands["order_type"][i]
    reports["time_in_force"][n] = commands["time_in_force"][i]
    reports["liquidity"][n] = 0
    reports["source"][n] = commands["source"][i]
    reports["flags"][n] = commands["flags"][i]
    reports["self_trade_prevention"][n] = commands["self_trade_prevention"][i]
    copy_words(out.report_words, n, REPORT_STRATEGY, batch.words, i, COMMAND_STRATEGY, STRATEGY_WORDS + ID_WORDS)


@compiled
def report_refused_change(
    engine: Engine, batch: Batch, i: int, client: int, out: Output, n: int, reason: int, field: int
) -> None:
    """Writes report n: a cancel or replace that was refused. It shows the order as it is (`client` = its record), or
    no order at all (order_id 0) where the command names none of the account's."""
    reports = out.reports
    slot = 0
    if client != 0:
        slot = np.int64(engine.clients.records["slot"][client])
    if slot != 0:
        report_order(engine, batch, slot, out, n, EXEC_REJECTED, working_status(engine, slot), reason)
        reports["field"][n] = field
        return
    report_refused_new(batch, i, out, n, reason, field)
    reports["order_id"][n] = 0
    reports["quantity"][n] = 0
    reports["limit_price"][n] = 0
    reports["stop_price"][n] = 0
    reports["trail"][n] = 0
    reports["display_quantity"][n] = 0
    reports["expires_ns"][n] = 0
    reports["side"][n] = 0
    reports["order_type"][n] = 0
    reports["time_in_force"][n] = 0
    reports["flags"][n] = 0
    reports["self_trade_prevention"][n] = 0
    if client == 0:
        for k in range(STRATEGY_WORDS):
            out.report_words[n, REPORT_STRATEGY + k] = 0
        return
    records = engine.clients.records
    reports["order_id"][n] = records["order_id"][client]
    reports["quantity"][n] = records["quantity"][client]
    reports["filled"][n] = records["filled"][client]
    reports["notional"][n] = records["notional"][client]
    reports["limit_price"][n] = records["limit_price"][client]
    reports["instrument"][n] = records["instrument"][client]
    reports["order_status"][n] = records["status"][client]
    reports["side"][n] = records["side"][client]
    reports["order_type"][n] = records["order_type"][client]
    reports["time_in_force"][n] = records["time_in_force"][client]
    reports["source"][n] = records["source"][client]
    copy_names(engine, client, out, n)


@inlined
def reply_order(
    engine: Engine, batch: Batch, i: int, client: int, out: Output, outcome: int, reason: int, field: int
) -> None:
    """Writes reply i: the order of record `client` as it stands."""
    records = engine.clients.records
    replies = out.replies
    slot = np.int64(records["slot"][client])
    replies["seq"][i] = batch.commands["seq"][i]
    replies["order_id"][i] = records["order_id"][client]
    replies["outcome"][i] = outcome
    replies["reason"][i] = reason
    replies["field"][i] = field
    replies["affected"][i] = 0
    replies["instrument"][i] = records["instrument"][client]
    if slot != 0:
        quantity = engine.books.orders["quantity"][slot]
        leaves = engine.books.orders["leaves"][slot]
        replies["quantity"][i] = quantity
        replies["filled"][i] = quantity - leaves
        replies["leaves"][i] = leaves
        replies["notional"][i] = engine.books.orders["notional"][slot]
        replies["order_status"][i] = working_status(engine, slot)
    else:
        replies["quantity"][i] = records["quantity"][client]
        replies["filled"][i] = records["filled"][client]
        replies["leaves"][i] = 0
        replies["notional"][i] = records["notional"][client]
        replies["order_status"][i] = records["status"][client]


@inlined
def keep_first(engine: Engine, i: int, client: int, out: Output) -> None:
    """Reply i is what repeats will be given."""
    records = engine.clients.records
    records["first_quantity"][client] = out.replies["quantity"][i]
    records["first_filled"][client] = out.replies["filled"][i]
    records["first_leaves"][client] = out.replies["leaves"][i]
    records["first_notional"][client] = out.replies["notional"][i]
    records["first_status"][client] = out.replies["order_status"][i]


@compiled
def repeat_first(engine: Engine, batch: Batch, i: int, client: int, out: Output) -> None:
    """The reply to a repeat: what was said the first time."""
    records = engine.clients.records
    replies = out.replies
    replies["seq"][i] = batch.commands["seq"][i]
    replies["order_id"][i] = records["order_id"][client]
    replies["quantity"][i] = records["first_quantity"][client]
    replies["filled"][i] = records["first_filled"][client]
    replies["leaves"][i] = records["first_leaves"][client]
    replies["notional"][i] = records["first_notional"][client]
    replies["outcome"][i] = DUPLICATE
    replies["order_status"][i] = records["first_status"][client]
    replies["reason"][i] = records["reason"][client]
    replies["field"][i] = records["field"][client]
    replies["affected"][i] = 0
    replies["instrument"][i] = records["instrument"][client]


@compiled
def reply_bare(batch: Batch, i: int, out: Output, outcome: int, reason: int, field: int) -> None:
    """Writes reply i: no order."""
    replies = out.replies
    replies["seq"][i] = batch.commands["seq"][i]
    replies["order_id"][i] = 0
    replies["quantity"][i] = 0
    replies["filled"][i] = 0
    replies["leaves"][i] = 0
    replies["notional"][i] = 0
    replies["outcome"][i] = outcome
    replies["order_status"][i] = 0
    replies["reason"][i] = reason
    replies["field"][i] = field
    replies["affected"][i] = 0
    replies["instrument"][i] = 0
