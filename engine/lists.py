"""Order lists: two or three new orders that are taken whole or refused whole (docs/orders.md)."""

from __future__ import annotations

import numpy as np

from engine.book import LIVE, take_slot
from engine.checks import (
    check_fields,
    check_id,
    check_phase,
    check_reduce_only,
    check_reference,
    content_hash,
    known_account,
)
from engine.clients import ID_WORDS, find_id, id_key
from engine.codes import (
    BRACKET,
    CAPACITY,
    CLS,
    COMMAND_ID,
    DAY,
    EXEC_NEW,
    F_ACCOUNT,
    F_CLIENT_ID,
    F_FLAGS,
    F_ORDER_TYPE,
    F_POST_ONLY,
    F_QUANTITY,
    F_SIDE,
    F_TIME,
    FLAG_LIST,
    FLAG_POST_ONLY,
    GTD,
    INVALID_LIST,
    LIMIT,
    MARKET,
    NEW,
    NONE,
    OCO,
    OPG,
    OTO,
    REUSED_ID,
    STATUS_NEW,
    STATUS_PENDING,
    STOP,
    TRAILING_STOP,
    UNKNOWN_ACCOUNT,
)
from engine.entering import (
    check_entry,
    check_sender,
    enter,
    put,
    refuse_new,
    remember_cold,
    stop_at_entry,
)
from engine.jit import compiled
from engine.matching import start_match
from engine.orders import CHECKED, HELD, LISTED, UNCOUNTED
from engine.reports import repeat_first, report_order
from engine.risk import check_collar, check_size, count_in, refusal, risk_price
from engine.state import (
    CLIENT_RECORD,
    FIRST,
    LAST,
    LEGS,
    NEXT_LEG,
    NOW,
    OPENING,
    RATE,
    ROW,
    SECOND,
    STEP,
    Batch,
    Engine,
    Output,
)
from engine.state import MATCH as MATCH_STEP
from engine.words import LIST_SHIFT


@compiled
def list_size(batch: Batch, i: int) -> int:
    """How many legs the list at command i has; 0 where they do not all follow."""
    commands = batch.commands
    kind = (commands["flags"][i] & FLAG_LIST) >> LIST_SHIFT
    size = 3 if kind == BRACKET else 2
    if i + size > commands.shape[0]:
        return 0
    for k in range(i + 1, i + size):
        if commands["type"][k] != NEW or (commands["flags"][k] & FLAG_LIST) >> LIST_SHIFT != kind:
            return 0
        if commands["account"][k] != commands["account"][i]:
            return 0
        if commands["instrument"][k] != commands["instrument"][i]:
            return 0
    return size


@compiled
def known_leg(engine: Engine, batch: Batch, i: int) -> int:
    """The record of a leg's id, 0 where it has none."""
    if not known_account(engine, batch, i) or check_id(batch, i) != 0:
        return 0
    return find_id(engine.clients, np.int64(batch.commands["account"][i]), batch.words, i, COMMAND_ID)


@compiled
def is_repeat(engine: Engine, batch: Batch, i: int, size: int) -> bool:
    """Whether every leg was sent before, as it is."""
    for k in range(i, i + size):
        client = known_leg(engine, batch, k)
        if client == 0 or engine.clients.records["content"][client] != content_hash(batch, k):
            return False
    return True


@compiled
def same_id(batch: Batch, left: int, right: int) -> bool:
    different = False
    for k in range(ID_WORDS):
        different = different or batch.words[left, COMMAND_ID + k] != batch.words[right, COMMAND_ID + k]
    return not different


@compiled
def check_names(engine: Engine, batch: Batch, i: int, size: int) -> int:
    """Account and ids of all legs. A refusal, or 0."""
    for k in range(i, i + size):
        if not known_account(engine, batch, k):
            return refusal(UNKNOWN_ACCOUNT, F_ACCOUNT)
        refused = check_id(batch, k)
        if refused != 0:
            return refused
        for j in range(i, k):
            if same_id(batch, j, k):
                return refusal(REUSED_ID, F_CLIENT_ID)
        if known_leg(engine, batch, k) != 0:
            return refusal(REUSED_ID, F_CLIENT_ID)
    return 0


# -------------------------------------------------------------------------------------------------- structure


@compiled
def waits_for_auction(batch: Batch, i: int) -> bool:
    time_in_force = batch.commands["time_in_force"][i]
    return time_in_force == OPG or time_in_force == CLS


@compiled
def check_exit(batch: Batch, i: int, with_limit: bool, with_stop: bool) -> int:
    """A leg of a pair of which one ends the other: its type, time in force and flags. A refusal, or 0."""
    order_type = batch.commands["order_type"][i]
    time_in_force = batch.commands["time_in_force"][i]
    if order_type == MARKET or (order_type == LIMIT and not with_limit) or (order_type >= STOP and not with_stop):
        return refusal(INVALID_LIST, F_ORDER_TYPE)
    if time_in_force < DAY or time_in_force > GTD:
        return refusal(INVALID_LIST, F_TIME)
    if batch.commands["flags"][i] & FLAG_POST_ONLY:
        return refusal(INVALID_LIST, F_POST_ONLY)
    return 0


@compiled
def check_structure(batch: Batch, i: int, size: int, kind: int) -> int:
    """Whether the legs make such a list. A refusal, or 0."""
    commands = batch.commands
    if kind == OCO:
        refused = check_exit(batch, i, True, True)
        if refused != 0:
            return refused
        if commands["side"][i + 1] != commands["side"][i]:
            return refusal(INVALID_LIST, F_SIDE)
        if commands["quantity"][i + 1] != commands["quantity"][i]:
            return refusal(INVALID_LIST, F_QUANTITY)
        return check_exit(batch, i + 1, True, True)
    if waits_for_auction(batch, i):
        return refusal(INVALID_LIST, F_TIME)
    if kind == OTO:
        if commands["quantity"][i + 1] > commands["quantity"][i]:
            return refusal(INVALID_LIST, F_QUANTITY)
        return refusal(INVALID_LIST, F_TIME) if waits_for_auction(batch, i + 1) else 0
    for k in range(1, size):
        if commands["side"][i + k] == commands["side"][i]:
            return refusal(INVALID_LIST, F_SIDE)
        if commands["quantity"][i + k] != commands["quantity"][i]:
            return refusal(INVALID_LIST, F_QUANTITY)
        refused = check_exit(batch, i + k, k == 1, k == 2)
        if refused != 0:
            return refused
    return 0


@compiled
def check_second(engine: Engine, batch: Batch, i: int) -> int:
    """The second leg of an OCO list, which enters too but is not counted. A refusal, or 0."""
    commands = batch.commands
    instrument = np.int64(commands["instrument"][i])
    account = np.int64(commands["account"][i])
    side = np.int64(commands["side"][i])
    flags = np.int64(commands["flags"][i])
    order_type = np.int64(commands["order_type"][i])
    refused = check_phase(engine, instrument, np.int64(commands["time_in_force"][i]), flags)
    if refused == 0:
        refused = check_reference(engine, instrument, order_type)
    if refused == 0:
        refused = check_reduce_only(engine, instrument, account, side, flags)
    if refused != 0:
        return refused
    quantity = commands["quantity"][i]
    limit_price = commands["limit_price"][i]
    price = risk_price(
        engine, instrument, account, side, order_type, limit_price, stop_at_entry(engine, batch, i), quantity
    )
    refused = check_size(engine, instrument, account, quantity, np.int64(0))
    if refused == 0:
        refused = check_collar(engine, instrument, account, side, order_type, limit_price)
    if refused == 0:
        refused = check_size(engine, instrument, account, quantity, price)
    return refused


@compiled
def check_child(engine: Engine, batch: Batch, i: int) -> int:
    """A leg that waits for its parent. A refusal, or 0."""
    commands = batch.commands
    instrument = np.int64(commands["instrument"][i])
    order_type = commands["order_type"][i]
    price = commands["limit_price"][i]
    if order_type == STOP:
        price = commands["stop_price"][i]
    elif order_type == MARKET or order_type == TRAILING_STOP:
        price = engine.books.instruments["last_price"][instrument]
    return check_size(engine, instrument, np.int64(commands["account"][i]), commands["quantity"][i], price)


@compiled
def check_list(engine: Engine, batch: Batch, i: int, size: int, kind: int) -> int:
    """All checks of a list, in order. A refusal, or 0 with what to reserve for the first leg in `work`."""
    refused = check_names(engine, batch, i, size)
    if refused != 0:
        return refused
    refused = check_sender(engine, batch, i, size)
    if refused != 0:
        return refused
    for k in range(i, i + size):
        refused = check_fields(engine, batch, k)
        if refused != 0:
            return refused
    refused = check_structure(batch, i, size, kind)
    if refused != 0:
        return refused
    refused = check_entry(engine, batch, i, stop_at_entry(engine, batch, i), size)
    if refused != 0:
        return refused
    for k in range(i + 1, i + size):
        refused = check_second(engine, batch, k) if kind == OCO else check_child(engine, batch, k)
        if refused != 0:
            return refused
    if engine.books.pool[LIVE] + size > engine.books.orders.shape[0] - 1:
        return refusal(CAPACITY, 0)
    return 0


# ------------------------------------------------------------------------------------------------------- entry


@compiled
def put_leg(engine: Engine, batch: Batch, i: int, k: int, kind: int, out: Output, n: int) -> int:
    """Remembers leg k of the list at command i, and writes its report n. Returns its slot."""
    row = i + k
    orders = engine.books.orders
    terms = engine.books.terms
    child = kind != OCO and k > 0
    stop_price = stop_at_entry(engine, batch, row)
    if child and batch.commands["order_type"][row] == TRAILING_STOP:
        stop_price = np.int64(0)
    account = np.int64(batch.commands["account"][row])
    key = id_key(account, batch.words, row, COMMAND_ID)
    client = remember_cold(engine, batch, row, key, content_hash(batch, row))
    slot = take_slot(engine.books)
    put(engine, batch, row, slot, client, stop_price, True)
    orders["traits"][slot] |= LISTED
    terms["list_id"][slot] = batch.commands["seq"][i]
    engine.work[CLIENT_RECORD + k] = client
    engine.work[ROW] = row
    engine.work[FIRST] = n
    if child:
        orders["place"][slot] = HELD
    if k == 0:
        count_in(engine, slot, engine.work[OPENING], engine.work[RATE])
    elif kind == OCO or k == 2:
        orders["traits"][slot] |= UNCOUNTED
    elif kind == OTO:
        orders["traits"][slot] |= CHECKED
    report_order(engine, batch, slot, out, n, EXEC_NEW, STATUS_PENDING if child else STATUS_NEW, NONE)
    return slot


@compiled
def new_list(engine: Engine, batch: Batch, i: int, out: Output, n: int) -> int:
    """The list whose first leg is command i; `work[LEGS]` is how many commands are answered. Sets the next step where
    it is taken. Returns the next report's number."""
    work = engine.work
    size = list_size(batch, i)
    if size == 0:
        return refuse_new(batch, i, out, n, refusal(INVALID_LIST, F_FLAGS), 0)
    work[LEGS] = size
    if is_repeat(engine, batch, i, size):
        for k in range(i, i + size):
            repeat_first(engine, batch, k, known_leg(engine, batch, k), out)
        return n
    kind = (batch.commands["flags"][i] & FLAG_LIST) >> LIST_SHIFT
    refused = check_list(engine, batch, i, size, kind)
    if refused != 0:
        for k in range(size):
            n = refuse_new(batch, i + k, out, n, refused, 0)
        return n
    terms = engine.books.terms
    first = put_leg(engine, batch, i, 0, kind, out, n)
    second = put_leg(engine, batch, i, 1, kind, out, n + 1)
    third = 0
    if size == 3:
        third = put_leg(engine, batch, i, 2, kind, out, n + 2)
    n += size
    work[NEXT_LEG] = 0
    if kind == OCO:
        terms["sibling"][first] = second
        terms["sibling"][second] = first
        work[NEXT_LEG] = second
    else:
        terms["first_child"][first] = second
        terms["second_child"][first] = third
        terms["parent"][second] = first
        if third != 0:
            terms["parent"][third] = first
            terms["sibling"][second] = third
            terms["sibling"][third] = second
    instrument = np.int64(batch.commands["instrument"][i])
    work[NOW] = instrument
    work[LAST] = instrument
    work[STEP] = SECOND
    if enter(engine, first):
        work[STEP] = MATCH_STEP
        return start_match(engine, batch, first, out, n)
    return n
