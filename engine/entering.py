"""A new order: what is remembered of it, where it goes, and the answer where it is refused."""

from __future__ import annotations

from typing import Any

import numpy as np

from engine.book import take_slot
from engine.checks import (
    check_fields,
    check_id,
    check_phase,
    check_post_only,
    check_reduce_only,
    check_reference,
    content_hash,
    known_account,
)
from engine.clients import (
    ID_WORD,
    ID_WORDS,
    STRATEGY_WORD,
    STRATEGY_WORDS,
    find_key,
    id_key,
    insert,
    order_key,
    take_record,
)
from engine.codes import (
    CAPACITY,
    CLOSING_AUCTION,
    CLS,
    COMMAND_ID,
    COMMAND_STRATEGY,
    CONTINUOUS,
    DAY,
    EXEC_NEW,
    F_ACCOUNT,
    F_CLIENT_ID,
    GTD,
    KILL_SWITCH,
    LIMIT,
    NONE,
    RATE_LIMIT,
    REFUSAL,
    REJECTED,
    REUSED_ID,
    STATUS_NEW,
    STATUS_REJECTED,
    STOP,
    STOP_LIMIT,
    TRAILING_STOP,
    UNKNOWN_ACCOUNT,
)
from engine.jit import compiled, inlined, merged
from engine.ledger import NO_FEE, take_tokens
from engine.matching import rest, start_match
from engine.orders import EXTENDED, ICEBERG, NOWHERE, PARKED, TRIGGERED
from engine.reports import copy_words, repeat_first, reply_bare, report_refused_new, write_report
from engine.risk import check_risk, count_in, edge, refusal
from engine.state import (
    CLIENT_RECORD,
    DRIVE,
    LAST,
    LEGS,
    MATCH,
    NEXT_EXPIRY,
    NOW,
    OPENING,
    RATE,
    STEP,
    Batch,
    Engine,
    Output,
)
from engine.stops import put_stop, set_trail, stop_reached, trailing_price, trigger

# ------------------------------------------------------------------------------------------------ remembering


@inlined
def remember(engine: Engine, batch: Batch, i: int, key: Any, content: Any) -> int:
    """A new record for the id of command i, whose `id_key` is known."""
    clients = engine.clients
    commands = batch.commands
    client = take_record(clients)
    records = clients.records
    records["account"][client] = commands["account"][i]
    records["slot"][client] = 0
    records["order_id"][client] = commands["seq"][i]
    records["content"][client] = content
    records["key"][client] = key
    records["quantity"][client] = commands["quantity"][i]
    records["filled"][client] = 0
    records["notional"][client] = 0
    records["limit_price"][client] = commands["limit_price"][i]
    records["instrument"][client] = commands["instrument"][i]
    records["side"][client] = commands["side"][i]
    records["order_type"][client] = commands["order_type"][i]
    records["time_in_force"][client] = commands["time_in_force"][i]
    records["status"][client] = STATUS_REJECTED
    records["first_quantity"][client] = commands["quantity"][i]
    records["first_filled"][client] = 0
    records["first_leaves"][client] = 0
    records["first_notional"][client] = 0
    records["first_status"][client] = STATUS_REJECTED
    records["reason"][client] = NONE
    records["field"][client] = 0
    records["source"][client] = commands["source"][i]
    copy_words(clients.words, client, STRATEGY_WORD, batch.words, i, COMMAND_STRATEGY, STRATEGY_WORDS)
    copy_words(clients.words, client, ID_WORD, batch.words, i, COMMAND_ID, ID_WORDS)
    insert(clients, clients.by_id, key | np.uint64(client), False)
    insert(clients, clients.by_order, order_key(commands["seq"][i]) | np.uint64(client), True)
    return client


@compiled
def remember_cold(engine: Engine, batch: Batch, i: int, key: Any, content: Any) -> int:
    """`remember`, called rather than copied."""
    return remember(engine, batch, i, key, content)


@compiled
def refuse_new(batch: Batch, i: int, out: Output, n: int, refused: int, order_id: Any) -> int:
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
def remember_refused(
    engine: Engine, batch: Batch, i: int, out: Output, n: int, refused: int, key: Any, content: Any
) -> int:
    """A refusal that repeats are given again. Returns the next report's number."""
    client = remember_cold(engine, batch, i, key, content)
    engine.clients.records["reason"][client] = refused & ((1 << REFUSAL) - 1)
    engine.clients.records["field"][client] = refused >> REFUSAL
    return refuse_new(batch, i, out, n, refused, batch.commands["seq"][i])


# ---------------------------------------------------------------------------------------------------- placing


@inlined
def maker_ppm(engine: Engine, instrument: int, account: int) -> int:
    ppm = np.int64(engine.ledger.accounts["maker_fee_ppm"][account])
    if ppm == NO_FEE:
        ppm = np.int64(engine.books.instruments["maker_fee_ppm"][instrument])
    return ppm


@inlined
def taker_ppm(engine: Engine, instrument: int, account: int) -> int:
    ppm = np.int64(engine.ledger.accounts["taker_fee_ppm"][account])
    if ppm == NO_FEE:
        ppm = np.int64(engine.books.instruments["taker_fee_ppm"][instrument])
    return ppm


@compiled
def extend(engine: Engine, batch: Batch, i: int, slot: int, stop_price: Any) -> None:
    """The terms that only few orders have."""
    commands = batch.commands
    terms = engine.books.terms
    orders = engine.books.orders
    terms["stop_price"][slot] = stop_price
    terms["expires_ns"][slot] = commands["expires_ns"][i]
    terms["display"][slot] = commands["display_quantity"][i]
    terms["shown"][slot] = min(commands["display_quantity"][i], commands["quantity"][i])
    terms["trail"][slot] = commands["trail"][i]
    terms["extreme"][slot] = 0
    terms["list_id"][slot] = 0
    terms["sibling"][slot] = 0
    terms["parent"][slot] = 0
    terms["first_child"][slot] = 0
    terms["second_child"][slot] = 0
    orders["traits"][slot] |= EXTENDED
    if commands["display_quantity"][i] != 0:
        orders["traits"][slot] |= ICEBERG


@inlined
def put(engine: Engine, batch: Batch, i: int, slot: int, client: int, stop_price: Any, extended: bool) -> None:
    """Writes the order of command i into a slot; it stands nowhere yet, and counts for nothing but an open order."""
    commands = batch.commands
    orders = engine.books.orders
    terms = engine.books.terms
    instrument = np.int64(commands["instrument"][i])
    account = np.int64(commands["account"][i])
    order_type = commands["order_type"][i]
    engine.clients.records["slot"][client] = slot
    orders["leaves"][slot] = commands["quantity"][i]
    orders["quantity"][slot] = commands["quantity"][i]
    orders["notional"][slot] = 0
    orders["order_id"][slot] = commands["seq"][i]
    orders["account"][slot] = commands["account"][i]
    orders["instrument"][slot] = commands["instrument"][i]
    orders["client"][slot] = client
    orders["side"][slot] = commands["side"][i]
    orders["order_type"][slot] = order_type
    orders["time_in_force"][slot] = commands["time_in_force"][i]
    orders["source"][slot] = commands["source"][i]
    orders["flags"][slot] = commands["flags"][i]
    orders["place"][slot] = NOWHERE
    orders["traits"][slot] = 0
    prevention = commands["self_trade_prevention"][i]
    if prevention == 0:
        prevention = engine.ledger.accounts["self_trade_prevention"][account]
    orders["self_trade_prevention"][slot] = prevention
    if order_type == LIMIT:
        orders["level"][slot] = commands["limit_price"][i] - engine.books.instruments["base"][instrument]
    else:
        orders["level"][slot] = 0
    terms["limit_price"][slot] = commands["limit_price"][i]
    terms["maker_fee_ppm"][slot] = maker_ppm(engine, instrument, account)
    terms["taker_fee_ppm"][slot] = taker_ppm(engine, instrument, account)
    engine.ledger.pairs["open_orders"][instrument, account] += 1
    if extended or order_type > LIMIT or commands["display_quantity"][i] != 0 or commands["expires_ns"][i] != 0:
        extend(engine, batch, i, slot, stop_price)
    time_in_force = commands["time_in_force"][i]
    if time_in_force == GTD:
        expect(engine, commands["expires_ns"][i])
    elif time_in_force == DAY and engine.books.instruments["day_ends_ns"][instrument] != 0:
        expect(engine, engine.books.instruments["day_ends_ns"][instrument])


@inlined
def expect(engine: Engine, expires_ns: Any) -> None:
    """An order ends at this time, if nothing else ends it before."""
    if expires_ns < engine.work[NEXT_EXPIRY]:
        engine.work[NEXT_EXPIRY] = expires_ns


@compiled
def enter_special(engine: Engine, slot: int) -> bool:
    """`enter` of a stop, or outside continuous trading."""
    orders = engine.books.orders
    instrument = np.int64(orders["instrument"][slot])
    phase = engine.books.instruments["phase"][instrument]
    order_type = orders["order_type"][slot]
    if order_type >= STOP and not orders["traits"][slot] & TRIGGERED:
        if order_type == TRAILING_STOP:
            set_trail(engine, slot, engine.books.instruments["last_price"][instrument])
        if phase == CONTINUOUS and stop_reached(engine, slot):
            trigger(engine, slot)
        else:
            put_stop(engine, slot)
        return False
    if orders["time_in_force"][slot] == CLS and phase != CLOSING_AUCTION:
        orders["place"][slot] = PARKED
        return False
    if phase == CONTINUOUS:
        return True
    rest_in_auction(engine, slot)
    return False


@compiled
def rest_in_auction(engine: Engine, slot: int) -> None:
    """Puts an order, which stands nowhere, in the book of an auction: at its limit, or first of all."""
    orders = engine.books.orders
    instrument = np.int64(orders["instrument"][slot])
    base = engine.books.instruments["base"][instrument]
    if orders["order_type"][slot] == STOP_LIMIT:
        orders["level"][slot] = engine.books.terms["limit_price"][slot] - base
    elif orders["order_type"][slot] != LIMIT:
        orders["level"][slot] = edge(engine, instrument, np.int64(orders["side"][slot])) - base
    rest(engine, slot)


@inlined
def enter(engine: Engine, slot: int) -> bool:
    """An order goes where it belongs. True: it is to be matched."""
    orders = engine.books.orders
    phase = engine.books.instruments["phase"][np.int64(orders["instrument"][slot])]
    if phase == CONTINUOUS and orders["order_type"][slot] <= LIMIT and orders["time_in_force"][slot] != CLS:
        return True
    return enter_special(engine, slot)


# -------------------------------------------------------------------------------------------------- new order


@inlined
def check_entry(engine: Engine, batch: Batch, i: int, stop_price: Any, legs: int) -> int:
    """Whether the market takes an order, the first of so many legs, and the account may send it (7–11). A refusal, or 0
    with what to reserve in `work`."""
    commands = batch.commands
    instrument = np.int64(commands["instrument"][i])
    account = np.int64(commands["account"][i])
    side = np.int64(commands["side"][i])
    flags = np.int64(commands["flags"][i])
    order_type = np.int64(commands["order_type"][i])
    limit_price = commands["limit_price"][i]
    refused = check_phase(engine, instrument, np.int64(commands["time_in_force"][i]), flags)
    if refused != 0:
        return refused
    refused = check_reference(engine, instrument, order_type)
    if refused != 0:
        return refused
    refused = check_post_only(engine, instrument, side, flags, limit_price)
    if refused != 0:
        return refused
    refused = check_reduce_only(engine, instrument, account, side, flags)
    if refused != 0:
        return refused
    return check_risk(
        engine, instrument, account, side, order_type, flags, commands["quantity"][i], limit_price, stop_price,
        maker_ppm(engine, instrument, account), taker_ppm(engine, instrument, account), legs,
        commands["time_in_force"][i] == CLS,
    )  # fmt: skip


@inlined
def stop_at_entry(engine: Engine, batch: Batch, i: int) -> Any:
    """The stop price of a new order, which a trailing one takes from the last trade."""
    commands = batch.commands
    if commands["order_type"][i] != TRAILING_STOP:
        return commands["stop_price"][i]
    instrument = np.int64(commands["instrument"][i])
    return trailing_price(
        engine, instrument, np.int64(commands["side"][i]), np.int64(commands["flags"][i]), commands["trail"][i],
        engine.books.instruments["last_price"][instrument],
    )  # fmt: skip


@inlined
def check_sender(engine: Engine, batch: Batch, i: int, messages: int) -> int:
    """Message rate and kill switch (4, 5). A refusal, or 0."""
    account = np.int64(batch.commands["account"][i])
    if not take_tokens(engine.ledger, account, batch.commands["ts_ns"][i], messages):
        return refusal(RATE_LIMIT, 0)
    if engine.ledger.accounts["killed"][account]:
        return refusal(KILL_SWITCH, F_ACCOUNT)
    return 0


@merged
def new_order(engine: Engine, batch: Batch, i: int, out: Output, n: int) -> int:
    """Sets the next step where the order is taken. Returns the next report's number."""
    if not known_account(engine, batch, i):
        return refuse_new(batch, i, out, n, refusal(UNKNOWN_ACCOUNT, F_ACCOUNT), 0)
    refused = check_id(batch, i)
    if refused != 0:
        return refuse_new(batch, i, out, n, refused, 0)
    content = content_hash(batch, i)
    account = np.int64(batch.commands["account"][i])
    key = id_key(account, batch.words, i, COMMAND_ID)
    client = find_key(engine.clients, key, account, batch.words, i, COMMAND_ID)
    if client != 0:
        if engine.clients.records["content"][client] == content:
            repeat_first(engine, batch, i, client, out)
            return n
        return refuse_new(batch, i, out, n, refusal(REUSED_ID, F_CLIENT_ID), 0)
    refused = check_sender(engine, batch, i, 1)
    if refused != 0:
        return refuse_new(batch, i, out, n, refused, 0)
    refused = check_fields(engine, batch, i)
    slot = 0
    stop_price = np.int64(0)
    if refused == 0:
        stop_price = stop_at_entry(engine, batch, i)
        refused = check_entry(engine, batch, i, stop_price, 1)
    if refused == 0:
        slot = take_slot(engine.books)
        if slot == 0:
            refused = refusal(CAPACITY, 0)
    if refused != 0:
        return remember_refused(engine, batch, i, out, n, refused, key, content)
    client = remember(engine, batch, i, key, content)
    put(engine, batch, i, slot, client, stop_price, False)
    count_in(engine, slot, engine.work[OPENING], engine.work[RATE])
    write_report(engine, batch, slot, out, n, EXEC_NEW, STATUS_NEW, NONE)
    n += 1
    work = engine.work
    work[LEGS] = 1
    work[CLIENT_RECORD] = client
    instrument = np.int64(batch.commands["instrument"][i])
    work[NOW] = instrument
    work[LAST] = instrument
    if enter(engine, slot):
        work[STEP] = MATCH
        return start_match(engine, batch, slot, out, n)
    work[STEP] = DRIVE
    return n
