"""What a command does: price-time matching, and the decisions around it. Pure integers, no clock.

`run` takes sequenced commands in order. A function here either decides (`new_order`, `cancel`, `replace`,
`cancel_all`) or does one thing to the book; the checks and the reports have files of their own.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from engine.book import HEAD, LEVELS, LIVE, append, give_slot, take_slot, unlink
from engine.book import USED as SLOTS_USED
from engine.checks import check_id, check_new, check_price, content_hash, known_account, refusal
from engine.clients import ID_WORD, ID_WORDS, STRATEGY_WORD, find_id, find_order, insert, take_record
from engine.codes import (
    ACCEPTED,
    BUY,
    CANCEL,
    CANCEL_ALL,
    CAPACITY,
    COMMAND_ID,
    COMMAND_STRATEGY,
    EXEC_CANCELED,
    EXEC_NEW,
    EXEC_REPLACED,
    F_ACCOUNT,
    F_CLIENT_ID,
    F_ORDER_ID,
    F_QUANTITY,
    F_TYPE,
    INVALID_FIELD,
    INVALID_QUANTITY,
    IOC,
    LIMIT,
    MAKER,
    MARKET,
    NEW,
    NO_LIQUIDITY,
    NONE,
    REFUSAL,
    REJECTED,
    REPLACE,
    REUSED_ID,
    STATUS_CANCELED,
    STATUS_FILLED,
    STATUS_NEW,
    STATUS_REJECTED,
    TAKER,
    TOO_LATE,
    UNKNOWN_ACCOUNT,
    UNKNOWN_ORDER,
)
from engine.jit import compiled, entry
from engine.reports import (
    copy_words,
    repeat_first,
    reply_bare,
    reply_order,
    report_order,
    report_refused_change,
    report_refused_new,
    report_trade,
    working_status,
)
from engine.state import Batch, Engine, Output


@compiled
def close(engine: Engine, slot: int, status: int) -> None:
    """The order in `slot`, already out of its queue, is done: its record keeps what the pool forgets."""
    orders = engine.books.orders
    records = engine.clients.records
    client = np.int64(orders["client"][slot])
    records["slot"][client] = 0
    records["status"][client] = status
    records["quantity"][client] = orders["quantity"][slot]
    records["notional"][client] = orders["notional"][slot]
    if orders["order_type"][slot] == MARKET:
        records["limit_price"][client] = 0
    else:
        base = engine.books.instruments["base"][np.int64(orders["instrument"][slot])]
        records["limit_price"][client] = base + np.int64(orders["level"][slot])
    give_slot(engine.books, slot)


@compiled
def trade(engine: Engine, slot: int, quantity: Any, price: Any) -> None:
    """Books one match on one of its two orders."""
    orders = engine.books.orders
    orders["leaves"][slot] -= quantity
    orders["notional"][slot] += quantity * price
    engine.clients.records["filled"][np.int64(orders["client"][slot])] += quantity


@compiled
def match(engine: Engine, batch: Batch, i: int, slot: int, out: Output, n: int, first: int) -> int:
    """Trades the order in `slot` (in no queue) against the other side as far as its level allows.

    Returns the next report's number. The taker's own order stays in its slot, filled or not."""
    books = engine.books
    orders = books.orders
    instrument = np.int64(orders["instrument"][slot])
    side = np.int64(orders["side"][slot])
    limit = np.int64(orders["level"][slot])
    other = 3 - side
    match_number = 0
    while orders["leaves"][slot] > 0:
        if side == BUY:
            level = books.instruments["best_ask"][instrument]
            if level > limit:
                break
        else:
            level = books.instruments["best_bid"][instrument]
            if level < limit:
                break
        price = books.instruments["base"][instrument] + level
        maker = np.int64(books.queues[instrument, other - 1, level, HEAD])
        quantity = min(orders["leaves"][slot], orders["leaves"][maker])
        match_number += 1
        trade(engine, maker, quantity, price)
        trade(engine, slot, quantity, price)
        report_trade(engine, batch, i, maker, out, n, first, match_number, quantity, price, MAKER)
        report_trade(
            engine,
            batch,
            i,
            slot,
            out,
            n + 1,
            first,
            match_number,
            quantity,
            price,
            TAKER,
        )
        n += 2
        books.instruments["last_price"][instrument] = price
        if orders["leaves"][maker] == 0:
            unlink(books, maker)
            close(engine, maker, STATUS_FILLED)
    return n


@compiled
def settle(engine: Engine, batch: Batch, i: int, slot: int, out: Output, n: int, first: int) -> int:
    """After matching: the order is done, or its rest is canceled, or it rests. Returns the next report's number."""
    orders = engine.books.orders
    if orders["leaves"][slot] == 0:
        close(engine, slot, STATUS_FILLED)
        return n
    if orders["order_type"][slot] == MARKET or orders["time_in_force"][slot] == IOC:
        orders["leaves"][slot] = 0
        report_order(engine, batch, i, slot, out, n, first, EXEC_CANCELED, STATUS_CANCELED)
        out.reports["reason"][n] = NO_LIQUIDITY
        close(engine, slot, STATUS_CANCELED)
        return n + 1
    append(engine.books, slot)
    return n


@compiled
def remember(engine: Engine, batch: Batch, i: int, content: Any) -> int:
    """A new record for the id of command i."""
    clients = engine.clients
    client = take_record(clients)
    records = clients.records
    records["account"][client] = batch.commands["account"][i]
    records["slot"][client] = 0
    records["content"][client] = content
    records["order_id"][client] = batch.commands["seq"][i]
    records["quantity"][client] = batch.commands["quantity"][i]
    records["filled"][client] = 0
    records["notional"][client] = 0
    records["first_filled"][client] = 0
    records["first_notional"][client] = 0
    records["limit_price"][client] = batch.commands["limit_price"][i]
    records["first_status"][client] = STATUS_REJECTED
    records["status"][client] = STATUS_REJECTED
    records["reason"][client] = NONE
    records["field"][client] = 0
    records["side"][client] = batch.commands["side"][i]
    records["order_type"][client] = batch.commands["order_type"][i]
    records["time_in_force"][client] = batch.commands["time_in_force"][i]
    records["instrument"][client] = batch.commands["instrument"][i]
    records["source"][client] = batch.commands["source"][i]
    copy_words(clients.words, client, STRATEGY_WORD, batch.words, i, COMMAND_STRATEGY, 2)
    copy_words(clients.words, client, ID_WORD, batch.words, i, COMMAND_ID, ID_WORDS)
    insert(clients, clients.by_id, client, False)
    insert(clients, clients.by_order, client, True)
    return client


@compiled
def refuse_new(
    batch: Batch,
    i: int,
    out: Output,
    n: int,
    refused: int,
    order_id: Any,
) -> int:
    """`order_id` 0: the refusal is remembered as no order, because it has no account or no id of its own."""
    reason = refused & ((1 << REFUSAL) - 1)
    field = refused >> REFUSAL
    report_refused_new(batch, i, out, n, reason, field)
    out.reports["order_id"][n] = order_id
    reply_bare(batch, i, out, REJECTED, reason, field)
    out.replies["order_id"][i] = order_id
    out.replies["quantity"][i] = batch.commands["quantity"][i]
    out.replies["order_status"][i] = STATUS_REJECTED
    out.replies["instrument"][i] = batch.commands["instrument"][i]
    return n + 1


@compiled
def new_order(engine: Engine, batch: Batch, i: int, out: Output, n: int) -> int:
    first = n
    if not known_account(engine, batch, i):
        refused = refusal(UNKNOWN_ACCOUNT, F_ACCOUNT)
        return refuse_new(batch, i, out, n, refused, 0)
    refused = check_id(batch, i)
    if refused != 0:
        return refuse_new(batch, i, out, n, refused, 0)
    content = content_hash(batch, i)
    client = find_id(engine.clients, np.int64(batch.commands["account"][i]), batch.words, i, COMMAND_ID)
    if client != 0:
        if engine.clients.records["content"][client] == content:
            repeat_first(engine, batch, i, client, out)
            return n
        refused = refusal(REUSED_ID, F_CLIENT_ID)
        return refuse_new(batch, i, out, n, refused, 0)
    refused = check_new(engine, batch, i)
    slot = 0
    if refused == 0:
        slot = take_slot(engine.books)
        if slot == 0:
            refused = refusal(CAPACITY, 0)
    client = remember(engine, batch, i, content)
    records = engine.clients.records
    if refused != 0:
        records["reason"][client] = refused & ((1 << REFUSAL) - 1)
        records["field"][client] = refused >> REFUSAL
        order_id = batch.commands["seq"][i]
        return refuse_new(batch, i, out, n, refused, order_id)
    orders = engine.books.orders
    instrument = np.int64(batch.commands["instrument"][i])
    records["slot"][client] = slot
    orders["leaves"][slot] = batch.commands["quantity"][i]
    orders["quantity"][slot] = batch.commands["quantity"][i]
    orders["notional"][slot] = 0
    orders["order_id"][slot] = batch.commands["seq"][i]
    orders["account"][slot] = batch.commands["account"][i]
    orders["instrument"][slot] = batch.commands["instrument"][i]
    orders["client"][slot] = client
    orders["side"][slot] = batch.commands["side"][i]
    orders["order_type"][slot] = batch.commands["order_type"][i]
    orders["time_in_force"][slot] = batch.commands["time_in_force"][i]
    orders["source"][slot] = batch.commands["source"][i]
    if batch.commands["order_type"][i] == LIMIT:
        orders["level"][slot] = batch.commands["limit_price"][i] - engine.books.instruments["base"][instrument]
    elif batch.commands["side"][i] == BUY:
        orders["level"][slot] = LEVELS - 1
    else:
        orders["level"][slot] = 0
    report_order(engine, batch, i, slot, out, n, first, EXEC_NEW, STATUS_NEW)
    n = match(engine, batch, i, slot, out, n + 1, first)
    n = settle(engine, batch, i, slot, out, n, first)
    reply_order(engine, batch, i, client, out, ACCEPTED, NONE, 0)
    records["first_status"][client] = out.replies["order_status"][i]
    records["first_filled"][client] = out.replies["filled"][i]
    records["first_notional"][client] = out.replies["notional"][i]
    return n


@compiled
def named_order(engine: Engine, batch: Batch, i: int) -> int:
    """The record of the account's order that a cancel or replace names, 0 where there is none."""
    if not known_account(engine, batch, i):
        return 0
    account = np.int64(batch.commands["account"][i])
    if batch.commands["order_id"][i] == 0:
        if batch.words[i, COMMAND_ID] == 0:
            return 0
        return find_id(engine.clients, account, batch.words, i, COMMAND_ID)
    client = find_order(engine.clients, batch.commands["order_id"][i])
    if client != 0 and np.int64(engine.clients.records["account"][client]) != account:
        return 0
    return client


@compiled
def refuse_change(
    engine: Engine, batch: Batch, i: int, client: int, out: Output, n: int,
    reason: int, field: int
) -> int:  # fmt: skip
    report_refused_change(engine, batch, i, client, out, n, reason, field)
    if client != 0:
        reply_order(engine, batch, i, client, out, REJECTED, reason, field)
    else:
        reply_bare(batch, i, out, REJECTED, reason, field)
    return n + 1


@compiled
def change_field(batch: Batch, i: int) -> int:
    """The field by which a cancel or replace names its order."""
    if batch.commands["order_id"][i] == 0:
        return F_CLIENT_ID
    return F_ORDER_ID


@compiled
def cancel(engine: Engine, batch: Batch, i: int, out: Output, n: int) -> int:
    client = named_order(engine, batch, i)
    field = change_field(batch, i)
    if client == 0:
        reason = UNKNOWN_ORDER
        if not known_account(engine, batch, i):
            reason = UNKNOWN_ACCOUNT
            field = F_ACCOUNT
        return refuse_change(engine, batch, i, 0, out, n, reason, field)
    slot = np.int64(engine.clients.records["slot"][client])
    if slot == 0:
        return refuse_change(engine, batch, i, client, out, n, TOO_LATE, field)
    cancel_slot(engine, batch, i, slot, out, n, n)
    reply_order(engine, batch, i, client, out, ACCEPTED, NONE, 0)
    return n + 1


@compiled
def cancel_slot(engine: Engine, batch: Batch, i: int, slot: int, out: Output, n: int, first: int) -> None:
    """Takes a working order off the book and writes report n."""
    unlink(engine.books, slot)
    engine.books.orders["leaves"][slot] = 0
    report_order(engine, batch, i, slot, out, n, first, EXEC_CANCELED, STATUS_CANCELED)
    close(engine, slot, STATUS_CANCELED)


@compiled
def replace(engine: Engine, batch: Batch, i: int, out: Output, n: int) -> int:
    first = n
    client = named_order(engine, batch, i)
    field = change_field(batch, i)
    reason = NONE
    if client == 0:
        reason = UNKNOWN_ORDER
        if not known_account(engine, batch, i):
            reason = UNKNOWN_ACCOUNT
            field = F_ACCOUNT
        return refuse_change(engine, batch, i, 0, out, n, reason, field)
    slot = np.int64(engine.clients.records["slot"][client])
    if slot == 0:
        return refuse_change(engine, batch, i, client, out, n, TOO_LATE, field)
    orders = engine.books.orders
    instrument = np.int64(orders["instrument"][slot])
    filled = engine.clients.records["filled"][client]
    quantity = batch.commands["quantity"][i]
    if quantity == 0:
        quantity = orders["quantity"][slot]
    base = engine.books.instruments["base"][instrument]
    price = batch.commands["limit_price"][i]
    if price == 0:
        price = base + np.int64(orders["level"][slot])
    refused = 0
    if quantity <= filled or quantity > engine.books.instruments["max_quantity"][instrument]:
        refused = refusal(INVALID_QUANTITY, F_QUANTITY)
    else:
        refused = check_price(engine, instrument, price)
    if refused != 0:
        reason = refused & ((1 << REFUSAL) - 1)
        field = refused >> REFUSAL
        return refuse_change(engine, batch, i, client, out, n, reason, field)
    stays = price == base + np.int64(orders["level"][slot]) and quantity <= orders["quantity"][slot]
    if not stays:
        unlink(engine.books, slot)
    orders["quantity"][slot] = quantity
    orders["leaves"][slot] = quantity - filled
    orders["level"][slot] = price - base
    report_order(
        engine,
        batch,
        i,
        slot,
        out,
        n,
        first,
        EXEC_REPLACED,
        working_status(engine, client),
    )
    n += 1
    if not stays:
        n = match(engine, batch, i, slot, out, n, first)
        n = settle(engine, batch, i, slot, out, n, first)
    reply_order(engine, batch, i, client, out, ACCEPTED, NONE, 0)
    return n


@compiled
def cancel_all(engine: Engine, batch: Batch, i: int, out: Output, n: int) -> int:
    """Cancels the account's working orders of the instrument and side that are named, oldest first."""
    first = n
    if not known_account(engine, batch, i):
        reply_bare(batch, i, out, REJECTED, UNKNOWN_ACCOUNT, F_ACCOUNT)
        report_refused_change(engine, batch, i, 0, out, n, UNKNOWN_ACCOUNT, F_ACCOUNT)
        return n + 1
    orders = engine.books.orders
    used = engine.books.pool[SLOTS_USED]
    # The slots found are kept, sorted by order number, in the `quantity` column of the reports to be written: the hot
    # path may allocate nothing, and the room is there already (`room_needed`).
    found = 0
    for slot in range(1, used + 1):
        if orders["leaves"][slot] == 0 or orders["account"][slot] != batch.commands["account"][i]:
            continue
        if batch.commands["instrument"][i] != 0 and orders["instrument"][slot] != batch.commands["instrument"][i]:
            continue
        if batch.commands["side"][i] != 0 and orders["side"][slot] != batch.commands["side"][i]:
            continue
        out.reports["quantity"][first + found] = slot
        found += 1
    sort_by_order_id(orders, out.reports["quantity"], first, found)
    for k in range(found):
        slot = out.reports["quantity"][first + k]
        cancel_slot(engine, batch, i, slot, out, n, first)
        n += 1
    reply_bare(batch, i, out, ACCEPTED, NONE, 0)
    out.replies["affected"][i] = found
    return n


@compiled
def sort_by_order_id(orders: Any, slots: Any, first: int, count: int) -> None:
    """Shell sort, in place, by order number, of `slots[first : first + count]`."""
    gap = count // 2
    while gap > 0:
        for k in range(gap, count):
            slot = slots[first + k]
            order_id = orders["order_id"][slot]
            j = k
            while j >= gap and orders["order_id"][slots[first + j - gap]] > order_id:
                slots[first + j] = slots[first + j - gap]
                j -= gap
            slots[first + j] = slot
        gap //= 2


@compiled
def room_needed(engine: Engine, batch: Batch, i: int) -> int:
    """An upper bound of the reports that command i makes."""
    kind = batch.commands["type"][i]
    if kind == CANCEL_ALL:
        return engine.books.pool[LIVE] + 1
    if kind == CANCEL:
        return 1
    instrument = np.int64(batch.commands["instrument"][i])
    side = np.int64(batch.commands["side"][i])
    if kind == REPLACE:
        client = named_order(engine, batch, i)
        if client == 0:
            return 1
        instrument = np.int64(engine.clients.records["instrument"][client])
        side = np.int64(engine.clients.records["side"][client])
    if instrument == 0 or instrument >= engine.books.instruments.shape[0]:
        return 1
    makers = engine.books.instruments["bid_orders"][instrument]
    if side == BUY:
        makers = engine.books.instruments["ask_orders"][instrument]
    return 2 * makers + 3


@entry
def run(engine: Engine, batch: Batch, start: int, out: Output) -> int:
    """Applies commands from `start` on, as long as their reports surely fit; returns the first one not applied."""
    n = out.written[0]
    i = start
    while i < batch.commands.shape[0]:
        if n + room_needed(engine, batch, i) > out.reports.shape[0]:
            break
        kind = batch.commands["type"][i]
        if kind == NEW:
            n = new_order(engine, batch, i, out, n)
        elif kind == CANCEL:
            n = cancel(engine, batch, i, out, n)
        elif kind == REPLACE:
            n = replace(engine, batch, i, out, n)
        elif kind == CANCEL_ALL:
            n = cancel_all(engine, batch, i, out, n)
        else:
            reply_bare(batch, i, out, REJECTED, INVALID_FIELD, F_TYPE)
        i += 1
    out.written[0] = n
    return i
