"""Cancel and replace: one working order, named by its number or by its client order id."""

from __future__ import annotations

from typing import Any

import numpy as np

from engine.book import unlink
from engine.checks import check_post_only, check_price, known_account
from engine.clients import find_id, find_order
from engine.codes import (
    ACCEPTED,
    CLOSED,
    COMMAND_ID,
    CONTINUOUS,
    EXEC_CANCELED,
    EXEC_REPLACED,
    F_ACCOUNT,
    F_CLIENT_ID,
    F_LIMIT_PRICE,
    F_ORDER_ID,
    F_QUANTITY,
    F_STOP_PRICE,
    F_SYMBOL,
    HALTED,
    INVALID_FIELD,
    INVALID_QUANTITY,
    LIMIT,
    MARKET_CLOSED,
    MARKET_HALTED,
    NO_PREVENTION,
    NONE,
    REFUSAL,
    REJECTED,
    SELF_TRADE,
    STOP,
    STOP_LIMIT,
    TOO_LATE,
    UNKNOWN_ACCOUNT,
    UNKNOWN_ORDER,
)
from engine.endings import end_order, finish, fit_display
from engine.entering import check_sender, rest_in_auction
from engine.jit import compiled, inlined, merged
from engine.matching import OWN, start_match, walk
from engine.orders import BOOK, COUNTED, EXTENDED, LISTED, NOWHERE, STOPS, TRIGGERED
from engine.reports import limit_of, reply_bare, reply_order, report_order, report_refused_change, working_status
from engine.risk import (
    check_collar,
    check_position,
    check_power,
    check_size,
    count_down,
    count_in,
    count_out,
    opening_lots,
    refusal,
    reserve_rate,
    risk_price,
)
from engine.state import (
    CLIENT_RECORD,
    DRIVE,
    LAST,
    LEGS,
    MATCH,
    NOW,
    OPENING,
    RATE,
    STEP,
    Batch,
    Engine,
    Output,
)
from engine.stops import put_stop, stop_reached, take_stop, trigger


@inlined
def named_order(engine: Engine, batch: Batch, i: int) -> int:
    """The record of the account's order that a cancel or replace names, 0 where there is none."""
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
def refuse_change(engine: Engine, batch: Batch, i: int, client: int, out: Output, n: int, refused: int) -> int:
    """Answers a cancel or replace that is refused; `client` 0: it names no order."""
    reason = refused & ((1 << REFUSAL) - 1)
    field = refused >> REFUSAL
    report_refused_change(engine, batch, i, client, out, n, reason, field)
    if client != 0:
        reply_order(engine, batch, i, client, out, REJECTED, reason, field)
    else:
        reply_bare(batch, i, out, REJECTED, reason, field)
    return n + 1


@inlined
def naming_field(batch: Batch, i: int) -> int:
    """The field by which a cancel or replace names its order."""
    if batch.commands["order_id"][i] == 0:
        return F_CLIENT_ID
    return F_ORDER_ID


@inlined
def next_drive(engine: Engine, client: int, instrument: int) -> None:
    """What follows is the activated orders of the instrument, then the reply with the order of this record."""
    work = engine.work
    work[LEGS] = 1
    work[CLIENT_RECORD] = client
    work[NOW] = instrument
    work[LAST] = instrument
    work[STEP] = DRIVE


@merged
def cancel(engine: Engine, batch: Batch, i: int, out: Output, n: int) -> int:
    """Returns the next report's number."""
    if not known_account(engine, batch, i):
        return refuse_change(engine, batch, i, 0, out, n, refusal(UNKNOWN_ACCOUNT, F_ACCOUNT))
    client = named_order(engine, batch, i)
    if client == 0:
        return refuse_change(engine, batch, i, 0, out, n, refusal(UNKNOWN_ORDER, naming_field(batch, i)))
    slot = np.int64(engine.clients.records["slot"][client])
    if slot == 0:
        return refuse_change(engine, batch, i, client, out, n, refusal(TOO_LATE, naming_field(batch, i)))
    instrument = np.int64(engine.books.orders["instrument"][slot])
    if engine.books.orders["traits"][slot] & LISTED:
        n = end_order(engine, batch, slot, out, n, EXEC_CANCELED, NONE, False)
    else:
        n = finish(engine, batch, slot, out, n, EXEC_CANCELED, NONE)
    if engine.books.instruments["activation_head"][instrument] != 0:
        next_drive(engine, client, instrument)
    else:
        reply_order(engine, batch, i, client, out, ACCEPTED, NONE, 0)
    return n


# ------------------------------------------------------------------------------------------------------ replace


@merged
def check_numbers(engine: Engine, batch: Batch, i: int, slot: int, quantity: Any) -> int:
    """Whether the order can have the whole new quantity, and the prices that the command gives. A refusal, or 0."""
    orders = engine.books.orders
    instrument = np.int64(orders["instrument"][slot])
    phase = engine.books.instruments["phase"][instrument]
    if phase == CLOSED:
        return refusal(MARKET_CLOSED, F_SYMBOL)
    if phase == HALTED:
        return refusal(MARKET_HALTED, F_SYMBOL)
    filled = orders["quantity"][slot] - orders["leaves"][slot]
    if quantity <= filled or quantity > engine.books.instruments["max_quantity"][instrument]:
        return refusal(INVALID_QUANTITY, F_QUANTITY)
    if quantity != orders["quantity"][slot] and in_list(engine, slot):
        return refusal(INVALID_FIELD, F_QUANTITY)
    order_type = orders["order_type"][slot]
    price = batch.commands["limit_price"][i]
    if price != 0:
        if order_type != LIMIT and order_type != STOP_LIMIT:
            return refusal(INVALID_FIELD, F_LIMIT_PRICE)
        refused = check_price(engine, instrument, price, F_LIMIT_PRICE)
        if refused != 0:
            return refused
    price = batch.commands["stop_price"][i]
    if price != 0:
        waits = (order_type == STOP or order_type == STOP_LIMIT) and not orders["traits"][slot] & TRIGGERED
        if not waits:
            return refusal(INVALID_FIELD, F_STOP_PRICE)
        return check_price(engine, instrument, price, F_STOP_PRICE)
    return 0


@inlined
def in_list(engine: Engine, slot: int) -> bool:
    """Whether the order came in a list, however many of its legs still work."""
    extended = engine.books.orders["traits"][slot] & EXTENDED
    return extended != 0 and engine.books.terms["list_id"][slot] != 0


@merged
def check_change(engine: Engine, slot: int, quantity: Any, limit_price: Any, stop_price: Any) -> int:
    """The limits of the account (11), and the orders that it would meet, for an order with new numbers; what is
    counted and reserved for the old ones is out already. A refusal, or 0 with what to reserve in `work`."""
    orders = engine.books.orders
    terms = engine.books.terms
    instrument = np.int64(orders["instrument"][slot])
    account = np.int64(orders["account"][slot])
    side = np.int64(orders["side"][slot])
    order_type = np.int64(orders["order_type"][slot])
    flags = np.int64(orders["flags"][slot])
    leaves = quantity - (orders["quantity"][slot] - orders["leaves"][slot])
    refused = check_size(engine, instrument, account, quantity, np.int64(0))
    if refused == 0:
        refused = check_collar(engine, instrument, account, side, order_type, limit_price)
    if refused != 0:
        return refused
    price = risk_price(engine, instrument, account, side, order_type, limit_price, stop_price, leaves)
    refused = check_size(engine, instrument, account, quantity, price)
    if refused == 0:
        refused = check_position(engine, instrument, account, side, flags, leaves)
    if refused != 0:
        return refused
    opening = opening_lots(engine, instrument, account, side, flags, leaves)
    rate = reserve_rate(engine, instrument, price, terms["maker_fee_ppm"][slot], terms["taker_fee_ppm"][slot])
    engine.work[OPENING] = opening
    engine.work[RATE] = rate
    return check_power(engine, account, opening, rate)


@compiled
def check_uncounted(engine: Engine, slot: int, quantity: Any, limit_price: Any, stop_price: Any) -> int:
    """The limits of the account on the order itself (11a–c), for one that does not count. A refusal, or 0."""
    orders = engine.books.orders
    instrument = np.int64(orders["instrument"][slot])
    account = np.int64(orders["account"][slot])
    side = np.int64(orders["side"][slot])
    order_type = np.int64(orders["order_type"][slot])
    refused = check_size(engine, instrument, account, quantity, np.int64(0))
    if refused == 0:
        refused = check_collar(engine, instrument, account, side, order_type, limit_price)
    if refused != 0:
        return refused
    price = risk_price(engine, instrument, account, side, order_type, limit_price, stop_price, orders["leaves"][slot])
    return check_size(engine, instrument, account, quantity, price)


@compiled
def check_meeting(engine: Engine, slot: int, leaves: Any, limit_price: Any) -> int:
    """In continuous trading, what an order of the book would meet at its new price. A refusal, or 0."""
    orders = engine.books.orders
    instrument = np.int64(orders["instrument"][slot])
    if orders["place"][slot] != BOOK or engine.books.instruments["phase"][instrument] != CONTINUOUS:
        return 0
    side = np.int64(orders["side"][slot])
    refused = check_post_only(engine, instrument, side, np.int64(orders["flags"][slot]), limit_price)
    if refused != 0 or orders["self_trade_prevention"][slot] == NO_PREVENTION:
        return refused
    limit = limit_price - engine.books.instruments["base"][instrument]
    if walk(engine, slot, side, limit, leaves, True) == OWN:
        return refusal(SELF_TRADE, F_LIMIT_PRICE)
    return 0


@inlined
def limit_after(engine: Engine, batch: Batch, i: int, slot: int) -> Any:
    """The order's limit after the change, 0 where it has none."""
    price = batch.commands["limit_price"][i]
    return price if price != 0 else limit_of(engine, slot)


@inlined
def stop_after(engine: Engine, batch: Batch, i: int, slot: int) -> Any:
    """The order's stop price after the change, 0 where it has none."""
    price = batch.commands["stop_price"][i]
    if price == 0 and engine.books.orders["order_type"][slot] >= STOP:
        return engine.books.terms["stop_price"][slot]
    return price


@merged
def check_replace(engine: Engine, slot: int, quantity: Any, limit_price: Any, stop_price: Any) -> int:
    """Whether the account's limits and the book allow the new numbers. A refusal, with all as it was, or 0 with the
    new numbers counted and reserved as if the order had them."""
    orders = engine.books.orders
    terms = engine.books.terms
    counted = orders["traits"][slot] & COUNTED
    leaves = quantity - (orders["quantity"][slot] - orders["leaves"][slot])
    if not counted:
        refused = check_uncounted(engine, slot, quantity, limit_price, stop_price)
        return refused if refused != 0 else check_meeting(engine, slot, leaves, limit_price)
    lots = terms["reserved_lots"][slot]
    rate = terms["reserve_rate"][slot]
    count_out(engine, slot)
    refused = check_change(engine, slot, quantity, limit_price, stop_price)
    if refused == 0:
        refused = check_meeting(engine, slot, leaves, limit_price)
    if refused != 0:
        count_in(engine, slot, lots, rate)
        return refused
    orders["quantity"][slot] = quantity
    orders["leaves"][slot] = leaves
    count_in(engine, slot, engine.work[OPENING], engine.work[RATE])
    return 0


@inlined
def decrease(engine: Engine, slot: int, quantity: Any) -> None:
    """A pure decrease: the order keeps its place."""
    orders = engine.books.orders
    less = orders["quantity"][slot] - quantity
    orders["quantity"][slot] = quantity
    orders["leaves"][slot] -= less
    count_down(engine, slot, less)
    fit_display(engine, slot)


@merged
def change(engine: Engine, batch: Batch, slot: int, out: Output, n: int, limit_price: Any, stop_price: Any) -> int:
    """Carries out a replace that costs the order its place; its new quantity stands already. Returns the next report's
    number."""
    orders = engine.books.orders
    terms = engine.books.terms
    instrument = np.int64(orders["instrument"][slot])
    continuous = engine.books.instruments["phase"][instrument] == CONTINUOUS
    place = np.int64(orders["place"][slot])
    side = np.int64(orders["side"][slot])
    if place == BOOK:
        unlink(engine.books, slot, side - 1)
        orders["place"][slot] = NOWHERE
    elif place == STOPS:
        take_stop(engine, slot)
    if orders["order_type"][slot] == LIMIT:
        orders["level"][slot] = limit_price - engine.books.instruments["base"][instrument]
    terms["limit_price"][slot] = limit_price
    if orders["order_type"][slot] >= STOP:
        terms["stop_price"][slot] = stop_price
    report_order(engine, batch, slot, out, n, EXEC_REPLACED, working_status(engine, slot), NONE)
    n += 1
    if place == BOOK:
        if continuous:
            engine.work[STEP] = MATCH
            return start_match(engine, batch, slot, out, n)
        rest_in_auction(engine, slot)
    elif place == STOPS:
        if continuous and stop_reached(engine, slot):
            trigger(engine, slot)
        else:
            put_stop(engine, slot)
    return n


@merged
def replace(engine: Engine, batch: Batch, i: int, out: Output, n: int) -> int:
    """Sets the next step where it is carried out. Returns the next report's number."""
    if not known_account(engine, batch, i):
        return refuse_change(engine, batch, i, 0, out, n, refusal(UNKNOWN_ACCOUNT, F_ACCOUNT))
    refused = check_sender(engine, batch, i, 1)
    if refused != 0:
        return refuse_change(engine, batch, i, 0, out, n, refused)
    client = named_order(engine, batch, i)
    if client == 0:
        return refuse_change(engine, batch, i, 0, out, n, refusal(UNKNOWN_ORDER, naming_field(batch, i)))
    slot = np.int64(engine.clients.records["slot"][client])
    if slot == 0:
        return refuse_change(engine, batch, i, client, out, n, refusal(TOO_LATE, naming_field(batch, i)))
    orders = engine.books.orders
    quantity = batch.commands["quantity"][i]
    if quantity == 0:
        quantity = orders["quantity"][slot]
    refused = check_numbers(engine, batch, i, slot, quantity)
    if refused != 0:
        return refuse_change(engine, batch, i, client, out, n, refused)
    limit_price = limit_after(engine, batch, i, slot)
    stop_price = stop_after(engine, batch, i, slot)
    stays = limit_price == limit_of(engine, slot) and quantity <= orders["quantity"][slot]
    if orders["order_type"][slot] >= STOP:
        stays = stays and stop_price == engine.books.terms["stop_price"][slot]
    if not stays:
        refused = check_replace(engine, slot, quantity, limit_price, stop_price)
        if refused != 0:
            return refuse_change(engine, batch, i, client, out, n, refused)
    next_drive(engine, client, np.int64(orders["instrument"][slot]))
    if not stays:
        return change(engine, batch, slot, out, n, limit_price, stop_price)
    decrease(engine, slot, quantity)
    report_order(engine, batch, slot, out, n, EXEC_REPLACED, working_status(engine, slot), NONE)
    return n + 1
