"""Whether a command is well formed and the market takes it: each check gives a refusal, or 0."""

from __future__ import annotations

from typing import Any

import numpy as np

from engine.book import ASKS, BIDS
from engine.clients import ID_WORDS, MULTIPLIER, mix
from engine.codes import (
    BUY,
    CLOSED,
    CLS,
    COMMAND_ID,
    COMMAND_STRATEGY,
    CONTINUOUS,
    DAY,
    F_CLIENT_ID,
    F_DISPLAY,
    F_EXPIRES,
    F_FLAGS,
    F_LIMIT_PRICE,
    F_ORDER_TYPE,
    F_POST_ONLY,
    F_QUANTITY,
    F_REDUCE_ONLY,
    F_SELF_TRADE,
    F_SIDE,
    F_STOP_PRICE,
    F_SYMBOL,
    F_TIME,
    F_TRAIL,
    FLAG_POST_ONLY,
    FLAG_REDUCE_ONLY,
    FLAG_TRAIL_PERCENT,
    FLAGS_TAKEN,
    FOK,
    GTD,
    HALTED,
    INVALID_FIELD,
    INVALID_PRICE,
    INVALID_QUANTITY,
    IOC,
    LAST_PREVENTION,
    LAST_TIME,
    LAST_TYPE,
    LIMIT,
    MARKET,
    MARKET_CLOSED,
    MARKET_HALTED,
    MILLION,
    MISSING_FIELD,
    NO_REFERENCE_PRICE,
    OPENING_AUCTION,
    OPG,
    POST_ONLY,
    PRICE_BAND,
    REDUCE_ONLY,
    SELL,
    STOP,
    STOP_LIMIT,
    TRADING_PHASE,
    TRAILING_STOP,
    UNKNOWN_SYMBOL,
)
from engine.jit import compiled, inlined, leading_zeros
from engine.ledger import closable
from engine.risk import refusal
from engine.state import Batch, Engine

MOST_TRAIL = 1 << 18
"""Ticks: as wide as the widest band."""

EACH_BYTE = np.uint64(0x0101010101010101)
HIGH_BITS = np.uint64(0x8080808080808080)
LOW_BITS = np.uint64(0x7F7F7F7F7F7F7F7F)
BELOW_FIRST = np.uint64(0x5F5F5F5F5F5F5F5F)  # 0x80 − 0x21: reaches the high bit from "!" on
PRINTABLE = np.uint64(0x2121212121212121)
NO_BITS = np.uint64(0)


@inlined
def known_account(engine: Engine, batch: Batch, i: int) -> bool:
    account = np.int64(batch.commands["account"][i])
    return account >= 1 and account <= engine.ledger.known[0]


@inlined
def check_price(engine: Engine, instrument: int, price: Any, field: int) -> int:
    """A refusal, or 0."""
    if price <= 0:
        return refusal(INVALID_PRICE, field)
    level = price - engine.books.instruments["base"][instrument]
    if level < 0 or level >= engine.books.instruments["levels"][instrument]:
        return refusal(PRICE_BAND, field)
    return 0


@inlined
def all_printable(word: Any) -> bool:
    """Whether all eight bytes are "!" to "~"."""
    # A byte below "!" does not reach the high bit when 0x5F is added, "\x7f" does when 1 is; a byte with the high bit
    # set is none of them. No sum of 7-bit parts runs into its neighbour.
    low = word & LOW_BITS
    fits = (low + BELOW_FIRST) & ~(low + EACH_BYTE) & ~word
    return (fits & HIGH_BITS) == HIGH_BITS


@inlined
def check_id(batch: Batch, i: int) -> int:
    """The client order id: there, and printable ASCII without spaces up to its end. A refusal, or 0."""
    words = batch.words
    k = 0
    while k < ID_WORDS and all_printable(words[i, COMMAND_ID + k]):
        k += 1
    if k == ID_WORDS:
        return 0
    # What follows is a last part, and then zeros only.
    last = words[i, COMMAND_ID + k]
    rest = NO_BITS
    for j in range(k + 1, ID_WORDS):
        rest |= words[i, COMMAND_ID + j]
    if last == NO_BITS and rest == NO_BITS:
        return 0 if k > 0 else refusal(MISSING_FIELD, F_CLIENT_ID)
    if last == NO_BITS or rest != NO_BITS:
        return refusal(INVALID_FIELD, F_CLIENT_ID)
    used = (71 - leading_zeros(last)) >> 3
    if used == 8 or not all_printable(last | (PRINTABLE << np.uint64(8 * used))):
        return refusal(INVALID_FIELD, F_CLIENT_ID)
    return 0


@inlined
def own_price(engine: Engine, instrument: int, price: Any, wanted: bool, field: int) -> int:
    """A price that orders of this type must have, or must not. A refusal, or 0."""
    if wanted:
        return check_price(engine, instrument, price, field)
    if price != 0:
        return refusal(INVALID_FIELD, field)
    return 0


@inlined
def check_trail(batch: Batch, i: int) -> int:
    """A refusal, or 0."""
    trail = batch.commands["trail"][i]
    if batch.commands["order_type"][i] != TRAILING_STOP:
        return refusal(INVALID_FIELD, F_TRAIL) if trail != 0 else 0
    most = MILLION - 1 if batch.commands["flags"][i] & FLAG_TRAIL_PERCENT else MOST_TRAIL
    if trail < 1 or trail > most:
        return refusal(INVALID_FIELD, F_TRAIL)
    return 0


@inlined
def check_special(batch: Batch, i: int) -> int:
    """What only few orders ask for (6j–n). A refusal, or 0."""
    commands = batch.commands
    order_type = commands["order_type"][i]
    time_in_force = commands["time_in_force"][i]
    refused = check_trail(batch, i)
    if refused != 0:
        return refused
    display = commands["display_quantity"][i]
    with_limit = order_type == LIMIT or order_type == STOP_LIMIT
    if display != 0:
        rests = time_in_force != IOC and time_in_force != FOK
        if not with_limit or not rests or display < 0 or display > commands["quantity"][i]:
            return refusal(INVALID_FIELD, F_DISPLAY)
    expires = commands["expires_ns"][i]
    if time_in_force == GTD:
        if expires <= commands["ts_ns"][i]:
            return refusal(INVALID_FIELD, F_EXPIRES)
    elif expires != 0:
        return refusal(INVALID_FIELD, F_EXPIRES)
    post_only = commands["flags"][i] & FLAG_POST_ONLY
    if (time_in_force == OPG or time_in_force == CLS) and (
        (order_type != MARKET and order_type != LIMIT) or display != 0 or post_only
    ):
        return refusal(INVALID_FIELD, F_TIME)
    if post_only and (order_type != LIMIT or time_in_force < DAY or time_in_force > GTD):
        return refusal(INVALID_FIELD, F_POST_ONLY)
    return 0


@inlined
def check_fields(engine: Engine, batch: Batch, i: int) -> int:
    """The fields of a new order (6). A refusal, or 0."""
    commands = batch.commands
    instrument = np.int64(commands["instrument"][i])
    if instrument == 0 or instrument >= engine.books.instruments.shape[0]:
        return refusal(UNKNOWN_SYMBOL, F_SYMBOL)
    if engine.books.instruments["levels"][instrument] == 0:
        return refusal(UNKNOWN_SYMBOL, F_SYMBOL)
    side = commands["side"][i]
    if side != BUY and side != SELL:
        return refusal(INVALID_FIELD, F_SIDE)
    order_type = commands["order_type"][i]
    if order_type == 0 or order_type > LAST_TYPE:
        return refusal(INVALID_FIELD, F_ORDER_TYPE)
    time_in_force = commands["time_in_force"][i]
    if time_in_force == 0 or time_in_force > LAST_TIME:
        return refusal(INVALID_FIELD, F_TIME)
    flags = np.int64(commands["flags"][i])
    if flags & ~FLAGS_TAKEN or (flags & FLAG_TRAIL_PERCENT and order_type != TRAILING_STOP):
        return refusal(INVALID_FIELD, F_FLAGS)
    if commands["self_trade_prevention"][i] > LAST_PREVENTION:
        return refusal(INVALID_FIELD, F_SELF_TRADE)
    quantity = commands["quantity"][i]
    if quantity <= 0 or quantity > engine.books.instruments["max_quantity"][instrument]:
        return refusal(INVALID_QUANTITY, F_QUANTITY)
    with_limit = order_type == LIMIT or order_type == STOP_LIMIT
    refused = own_price(engine, instrument, commands["limit_price"][i], with_limit, F_LIMIT_PRICE)
    if refused != 0:
        return refused
    with_stop = order_type == STOP or order_type == STOP_LIMIT
    refused = own_price(engine, instrument, commands["stop_price"][i], with_stop, F_STOP_PRICE)
    if refused != 0:
        return refused
    return check_special(batch, i)


@compiled
def check_auction(phase: int, time_in_force: int, flags: int) -> int:
    """Whether an instrument that is not in continuous trading takes such an order (7). A refusal, or 0."""
    if phase == CLOSED:
        return refusal(MARKET_CLOSED, F_SYMBOL)
    if phase == HALTED:
        return refusal(MARKET_HALTED, F_SYMBOL)
    if time_in_force == IOC or time_in_force == FOK:
        return refusal(TRADING_PHASE, F_TIME)
    if flags & FLAG_POST_ONLY:
        return refusal(TRADING_PHASE, F_POST_ONLY)
    if time_in_force == OPG and phase != OPENING_AUCTION:
        return refusal(TRADING_PHASE, F_TIME)
    return 0


@inlined
def check_phase(engine: Engine, instrument: int, time_in_force: int, flags: int) -> int:
    """Whether the trading phase takes such an order (7). A refusal, or 0."""
    phase = np.int64(engine.books.instruments["phase"][instrument])
    if phase != CONTINUOUS:
        return check_auction(phase, time_in_force, flags)
    if time_in_force == OPG:
        return refusal(TRADING_PHASE, F_TIME)
    return 0


@inlined
def check_reference(engine: Engine, instrument: int, order_type: int) -> int:
    """Whether a trailing stop has a last trade to trail (8). A refusal, or 0."""
    if order_type == TRAILING_STOP and engine.books.instruments["last_price"][instrument] == 0:
        return refusal(NO_REFERENCE_PRICE, F_TRAIL)
    return 0


@inlined
def check_post_only(engine: Engine, instrument: int, side: int, flags: int, limit_price: Any) -> int:
    """Whether a post-only order would trade in continuous trading (9). A refusal, or 0."""
    if not flags & FLAG_POST_ONLY:
        return 0
    level = limit_price - engine.books.instruments["base"][instrument]
    crosses = level >= engine.books.best[instrument, ASKS]
    if side == SELL:
        crosses = level <= engine.books.best[instrument, BIDS]
    return refusal(POST_ONLY, F_POST_ONLY) if crosses else 0


@inlined
def check_reduce_only(engine: Engine, instrument: int, account: int, side: int, flags: int) -> int:
    """Whether there is a position to reduce (10). A refusal, or 0."""
    if flags & FLAG_REDUCE_ONLY and closable(engine.ledger, account, instrument, side) == 0:
        return refusal(REDUCE_ONLY, F_REDUCE_ONLY)
    return 0


@inlined
def content_hash(batch: Batch, i: int) -> Any:
    """Of what a new order asks for: all but who sent it when, and the id itself."""
    commands = batch.commands
    value = mix(MULTIPLIER, np.uint64(commands["instrument"][i]))
    value = mix(value, np.uint64(commands["quantity"][i]))
    value = mix(value, np.uint64(commands["limit_price"][i]))
    value = mix(value, np.uint64(commands["stop_price"][i]))
    value = mix(value, np.uint64(commands["trail"][i]))
    value = mix(value, np.uint64(commands["display_quantity"][i]))
    value = mix(value, np.uint64(commands["expires_ns"][i]))
    kinds = np.int64(commands["side"][i]) | (np.int64(commands["order_type"][i]) << 8)
    kinds |= (np.int64(commands["time_in_force"][i]) << 16) | (np.int64(commands["flags"][i]) << 24)
    kinds |= np.int64(commands["self_trade_prevention"][i]) << 32
    value = mix(value, np.uint64(kinds))
    value = mix(value, batch.words[i, COMMAND_STRATEGY])
    return mix(value, batch.words[i, COMMAND_STRATEGY + 1])
