"""Whether a command may be carried out: each check gives a refusal, or 0."""

from __future__ import annotations

from typing import Any

import numpy as np

from engine.clients import ID_WORDS, MULTIPLIER, mix
from engine.codes import (
    BUY,
    COMMAND_ID,
    COMMAND_STRATEGY,
    DAY,
    F_CLIENT_ID,
    F_DISPLAY,
    F_EXPIRES,
    F_FLAGS,
    F_LIMIT_PRICE,
    F_ORDER_TYPE,
    F_QUANTITY,
    F_SELF_TRADE,
    F_SIDE,
    F_STOP_PRICE,
    F_SYMBOL,
    F_TIME,
    F_TRAIL,
    GTC,
    INVALID_FIELD,
    INVALID_PRICE,
    INVALID_QUANTITY,
    IOC,
    LAST_TIME,
    LAST_TYPE,
    LIMIT,
    MARKET,
    MISSING_FIELD,
    PRICE_BAND,
    REFUSAL,
    SELL,
    UNKNOWN_SYMBOL,
    UNSUPPORTED,
)
from engine.jit import compiled
from engine.state import Batch, Engine


@compiled
def refusal(reason: int, field: int) -> int:
    return reason | (field << REFUSAL)


@compiled
def known_account(engine: Engine, batch: Batch, i: int) -> bool:
    account = np.int64(batch.commands["account"][i])
    return account >= 1 and account <= engine.accounts[0]


@compiled
def check_price(engine: Engine, instrument: int, price: Any) -> int:
    """A refusal, or 0."""
    if price <= 0:
        return refusal(INVALID_PRICE, F_LIMIT_PRICE)
    level = price - engine.books.instruments["base"][instrument]
    if level < 0 or level >= engine.books.instruments["levels"][instrument]:
        return refusal(PRICE_BAND, F_LIMIT_PRICE)
    return 0


@compiled
def check_id(batch: Batch, i: int) -> int:
    """The client order id: there, and printable ASCII without spaces up to its end. A refusal, or 0."""
    ended = False
    for k in range(ID_WORDS):
        word = batch.words[i, COMMAND_ID + k]
        for b in range(8):
            byte = np.int64((word >> np.uint64(8 * b)) & np.uint64(255))
            if byte == 0:
                ended = True
            elif ended or byte < 33 or byte > 126:
                return refusal(INVALID_FIELD, F_CLIENT_ID)
    if batch.words[i, COMMAND_ID] == 0:
        return refusal(MISSING_FIELD, F_CLIENT_ID)
    return 0


@compiled
def check_new(engine: Engine, batch: Batch, i: int) -> int:
    """All checks of a new order but its account and id. A refusal, or 0."""
    instrument = np.int64(batch.commands["instrument"][i])
    if instrument == 0 or instrument >= engine.books.instruments.shape[0]:
        return refusal(UNKNOWN_SYMBOL, F_SYMBOL)
    if engine.books.instruments["levels"][instrument] == 0:
        return refusal(UNKNOWN_SYMBOL, F_SYMBOL)
    side = batch.commands["side"][i]
    if side != BUY and side != SELL:
        return refusal(INVALID_FIELD, F_SIDE)
    order_type = batch.commands["order_type"][i]
    if order_type == 0 or order_type > LAST_TYPE:
        return refusal(INVALID_FIELD, F_ORDER_TYPE)
    if order_type != MARKET and order_type != LIMIT:
        return refusal(UNSUPPORTED, F_ORDER_TYPE)
    time_in_force = batch.commands["time_in_force"][i]
    if time_in_force == 0 or time_in_force > LAST_TIME:
        return refusal(INVALID_FIELD, F_TIME)
    if time_in_force != DAY and time_in_force != GTC and time_in_force != IOC:
        return refusal(UNSUPPORTED, F_TIME)
    if batch.commands["flags"][i] != 0:
        return refusal(UNSUPPORTED, F_FLAGS)
    if batch.commands["display_quantity"][i] != 0:
        return refusal(UNSUPPORTED, F_DISPLAY)
    if batch.commands["stop_price"][i] != 0:
        return refusal(UNSUPPORTED, F_STOP_PRICE)
    if batch.commands["trail"][i] != 0:
        return refusal(UNSUPPORTED, F_TRAIL)
    if batch.commands["expires_ns"][i] != 0:
        return refusal(UNSUPPORTED, F_EXPIRES)
    if batch.commands["self_trade_prevention"][i] != 0:
        return refusal(UNSUPPORTED, F_SELF_TRADE)
    quantity = batch.commands["quantity"][i]
    if quantity <= 0 or quantity > engine.books.instruments["max_quantity"][instrument]:
        return refusal(INVALID_QUANTITY, F_QUANTITY)
    if order_type == LIMIT:
        return check_price(engine, instrument, batch.commands["limit_price"][i])
    if batch.commands["limit_price"][i] != 0:
        return refusal(INVALID_FIELD, F_LIMIT_PRICE)
    return 0


@compiled
def content_hash(batch: Batch, i: int) -> Any:
    """Of what a new order asks for: all but who sent it when, and the id itself."""
    value = mix(MULTIPLIER, np.uint64(batch.commands["instrument"][i]))
    value = mix(value, np.uint64(batch.commands["quantity"][i]))
    value = mix(value, np.uint64(batch.commands["limit_price"][i]))
    value = mix(value, np.uint64(batch.commands["stop_price"][i]))
    value = mix(value, np.uint64(batch.commands["trail"][i]))
    value = mix(value, np.uint64(batch.commands["display_quantity"][i]))
    value = mix(value, np.uint64(batch.commands["expires_ns"][i]))
    kinds = np.int64(batch.commands["side"][i]) | (np.int64(batch.commands["order_type"][i]) << 8)
    kinds |= (np.int64(batch.commands["time_in_force"][i]) << 16) | (np.int64(batch.commands["flags"][i]) << 24)
    kinds |= np.int64(batch.commands["self_trade_prevention"][i]) << 32
    value = mix(value, np.uint64(kinds))
    value = mix(value, batch.words[i, COMMAND_STRATEGY])
    return mix(value, batch.words[i, COMMAND_STRATEGY + 1])
