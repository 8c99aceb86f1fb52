"""From JSON to binary: what a person sent becomes COMMAND records in ticks and lots, or a `Refusal` that names the
field and the rule. Every door (ZeroMQ, Kafka, REST, WebSocket) uses this one."""

from __future__ import annotations

import struct
import uuid
from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from engine.layout import COMMAND
from engine.messages import Cancel, CancelAll, ListedOrder, NewOrder, OrderCommand, OrderList, Replace
from engine.refusal import Refusal
from engine.registry import Accounts, InstrumentEntry, Instruments
from engine.units import LARGEST, NotMultiple, OutOfRange
from engine.words import (
    LIST_SHIFT,
    LIST_SIZES,
    CommandType,
    Durability,
    Flag,
    ListType,
    OrderType,
    Reason,
    SelfTrade,
    Side,
    TimeInForce,
)

SIDES: Final = Side.words()
ORDER_TYPES: Final = OrderType.words()
TIMES: Final = TimeInForce.words()
SELF_TRADES: Final = SelfTrade.words()
DURABILITIES: Final = Durability.words()
LIST_TYPES: Final = ListType.words()

LONGEST_TRAIL: Final = 1 << 18
"""Ticks: as many as a price band may have."""
PERCENT: Final = 10_000
"""Millionths in one per cent."""
WHOLE: Final = 1_000_000
"""Millionths."""

_row: Final = struct.Struct("<QqqQqqqqqqqiIIBBBBBBBB20s16s48s")
"""A COMMAND record. Packing one is ten times as fast as writing the fields of an array."""
assert _row.size == COMMAND.itemsize

LIMIT, STOP, STOP_LIMIT = OrderType.LIMIT, OrderType.STOP, OrderType.STOP_LIMIT
MARKET, TRAILING_STOP = OrderType.MARKET, OrderType.TRAILING_STOP
AT_ONCE: Final = (TimeInForce.IOC, TimeInForce.FOK)
AUCTIONS: Final = (TimeInForce.OPG, TimeInForce.CLS)


def decode(command: OrderCommand, instruments: Instruments, accounts: Accounts) -> NDArray[Any]:
    """The COMMAND records of a command: one, or one for each leg of a list; without what the engine stamps (seq, ts_ns,
    source, actor). Raises `Refusal`.

    The account of a command must exist for it to be sequenced: a door's mistake is told to the door, not journaled."""
    account = accounts.find(command.account)
    if account is None:
        raise Refusal(Reason.UNKNOWN_ACCOUNT, "account", f"no account is called {command.account}")
    transact_ns = _whole(command.transact_ns, "transact_ns")
    durability = 0 if command.durability is None else _word(DURABILITIES, command.durability, "durability")
    match command:
        case NewOrder():
            entry = _instrument(instruments, command.symbol)
            row = _new_order(command, entry, account.number, transact_ns, durability, command.strategy, 0)
        case OrderList():
            row = _order_list(
                command, _instrument(instruments, command.symbol), account.number, transact_ns, durability
            )
        case Cancel():
            row = _pack(
                type=CommandType.CANCEL,
                account=account.number,
                transact_ns=transact_ns,
                durability=durability,
                instrument=0 if command.symbol is None else _instrument(instruments, command.symbol).number,
                order_id=_order_id(command),
                client_order_id=_named_by(command),
            )
        case Replace():
            row = _replace(command, instruments, account.number, transact_ns, durability)
        case CancelAll():
            row = _pack(
                type=CommandType.CANCEL_ALL,
                account=account.number,
                transact_ns=transact_ns,
                durability=durability,
                instrument=0 if command.symbol is None else _instrument(instruments, command.symbol).number,
                side=0 if command.side is None else _word(SIDES, command.side, "side"),
            )
    return np.frombuffer(bytearray(row), COMMAND)


def random_id() -> str:
    """A client_order_id that nobody else gives."""
    return uuid.uuid4().hex


def with_ids(command: OrderCommand, new_name: Callable[[], str]) -> OrderCommand:
    """The command with a client_order_id for each new order that has none: `new_name()`, and its leg's number in a
    list."""
    if isinstance(command, NewOrder) and command.client_order_id is None:
        return msgspec.structs.replace(command, client_order_id=new_name())
    if isinstance(command, OrderList) and any(order.client_order_id is None for order in command.orders):
        name = new_name()
        orders = [
            msgspec.structs.replace(order, client_order_id=order.client_order_id or f"{name}-{leg}")
            for leg, order in enumerate(command.orders, 1)
        ]
        return msgspec.structs.replace(command, orders=orders)
    return command


def _pack(
    *,
    type: int,
    account: int,
    transact_ns: int,
    durability: int,
    instrument: int,
    order_id: int = 0,
    quantity: int = 0,
    limit_price: int = 0,
    stop_price: int = 0,
    trail: int = 0,
    display_quantity: int = 0,
    expires_ns: int = 0,
    side: int = 0,
    order_type: int = 0,
    time_in_force: int = 0,
    flags: int = 0,
    self_trade_prevention: int = 0,
    strategy: str | None = None,
    client_order_id: str | None = None,
) -> bytes:
    """One COMMAND record."""
    return _row.pack(
        0,
        0,
        transact_ns,
        order_id,
        quantity,
        limit_price,
        stop_price,
        trail,
        display_quantity,
        expires_ns,
        -1,
        -1,
        account,
        instrument,
        type,
        side,
        order_type,
        time_in_force,
        flags,
        self_trade_prevention,
        0,
        durability,
        b"",
        strategy.encode() if strategy else b"",
        client_order_id.encode() if client_order_id else b"",
    )


# ------------------------------------------------------------------------------------------------------- new orders


def _new_order(
    order: NewOrder | ListedOrder,
    entry: InstrumentEntry,
    account: int,
    transact_ns: int,
    durability: int,
    strategy: str | None,
    list_type: int,
) -> bytes:
    order_type = _word(ORDER_TYPES, order.order_type, "order_type")
    time_in_force = _word(TIMES, order.time_in_force, "time_in_force")
    trail, trail_flag = 0, 0
    if order_type != LIMIT or order.trail_amount is not None or order.trail_percent is not None:
        trail, trail_flag = _trail(order, order_type, entry)
    if order.post_only:
        _check_post_only(order, order_type, time_in_force)
    if time_in_force in AUCTIONS and (order_type not in (MARKET, LIMIT) or order.display_quantity is not None):
        text = f"time_in_force {order.time_in_force} is for market and limit orders without a display_quantity"
        raise Refusal(Reason.INVALID_FIELD, "time_in_force", text)
    quantity = quantity_lots(entry, order.quantity, "quantity")
    return _pack(
        type=CommandType.NEW,
        account=account,
        transact_ns=transact_ns,
        durability=durability,
        instrument=entry.number,
        side=_word(SIDES, order.side, "side"),
        order_type=order_type,
        time_in_force=time_in_force,
        quantity=quantity,
        limit_price=_price(order, order.limit_price, "limit_price", order_type in (LIMIT, STOP_LIMIT), entry),
        stop_price=_price(order, order.stop_price, "stop_price", order_type in (STOP, STOP_LIMIT), entry),
        trail=trail,
        display_quantity=_display(order, order_type, time_in_force, quantity, entry),
        expires_ns=_expiry(order, time_in_force),
        flags=(
            (Flag.POST_ONLY if order.post_only else 0)
            | (Flag.REDUCE_ONLY if order.reduce_only else 0)
            | trail_flag
            | list_type << LIST_SHIFT
        ),
        self_trade_prevention=(
            0
            if order.self_trade_prevention is None
            else _word(SELF_TRADES, order.self_trade_prevention, "self_trade_prevention")
        ),
        strategy=strategy,
        client_order_id=order.client_order_id,
    )


def _price(
    order: NewOrder | ListedOrder, price: Decimal | None, field: str, wanted: bool, entry: InstrumentEntry
) -> int:
    """Ticks, 0 where the order's type has no such price. Raises `Refusal` where it is missing or too much."""
    if price is None:
        if wanted:
            raise Refusal(Reason.MISSING_FIELD, field, f"a {order.order_type} order needs a {field}")
        return 0
    if not wanted:
        raise Refusal(Reason.INVALID_FIELD, field, f"a {order.order_type} order has no {field}")
    return price_ticks(entry, price, field)


def _trail(order: NewOrder | ListedOrder, order_type: int, entry: InstrumentEntry) -> tuple[int, int]:
    """(ticks or millionths, flag). Raises `Refusal`."""
    amount, percent = order.trail_amount, order.trail_percent
    if order_type != TRAILING_STOP:
        for field, value in (("trail_amount", amount), ("trail_percent", percent)):
            if value is not None:
                raise Refusal(Reason.INVALID_FIELD, field, f"a {order.order_type} order has no {field}")
        return 0, 0
    if amount is None and percent is None:
        text = "a trailing_stop order needs a trail_amount or a trail_percent"
        raise Refusal(Reason.MISSING_FIELD, "trail_amount", text)
    if amount is not None and percent is not None:
        raise Refusal(Reason.INVALID_FIELD, "trail_percent", "trail_amount and trail_percent exclude each other")
    if amount is not None:
        return _trail_ticks(entry, amount), 0
    assert percent is not None
    if not percent.is_finite() or not 0 < percent < 100:
        raise Refusal(Reason.INVALID_FIELD, "trail_percent", "trail_percent must be more than 0 and less than 100")
    millionths = percent * PERCENT
    if millionths != int(millionths):
        raise Refusal(Reason.INVALID_FIELD, "trail_percent", "trail_percent has at most 4 decimals")
    return int(millionths), Flag.TRAIL_PERCENT


def _trail_ticks(entry: InstrumentEntry, amount: Decimal) -> int:
    if not amount.is_finite() or amount <= 0:
        raise Refusal(Reason.INVALID_FIELD, "trail_amount", "trail_amount must be positive")
    try:
        ticks = entry.scale.ticks(amount)
    except NotMultiple:
        text = f"trail_amount must be a multiple of the tick size {entry.definition.tick_size:f}"
        raise Refusal(Reason.PRICE_INCREMENT, "trail_amount", text) from None
    except OutOfRange:
        ticks = LARGEST
    if ticks > LONGEST_TRAIL:
        most = entry.scale.price_text(LONGEST_TRAIL)
        raise Refusal(Reason.INVALID_FIELD, "trail_amount", f"trail_amount may be at most {most}")
    return ticks


def _check_post_only(order: NewOrder | ListedOrder, order_type: int, time_in_force: int) -> None:
    if order_type != LIMIT or time_in_force in AT_ONCE or time_in_force in AUCTIONS:
        text = "post_only is for limit orders that are good for the day, till canceled or till a date"
        raise Refusal(Reason.INVALID_FIELD, "post_only", text)


def _display(
    order: NewOrder | ListedOrder, order_type: int, time_in_force: int, quantity: int, entry: InstrumentEntry
) -> int:
    """Lots, 0 = all is shown."""
    if order.display_quantity is None:
        return 0
    if order_type not in (LIMIT, STOP_LIMIT) or time_in_force in AT_ONCE:
        text = "display_quantity is for limit and stop_limit orders that can rest"
        raise Refusal(Reason.INVALID_FIELD, "display_quantity", text)
    lots = quantity_lots(entry, order.display_quantity, "display_quantity")
    if lots > quantity:
        raise Refusal(Reason.INVALID_FIELD, "display_quantity", "display_quantity is more than the order's quantity")
    return lots


def _expiry(order: NewOrder | ListedOrder, time_in_force: int) -> int:
    if time_in_force == TimeInForce.GTD:
        if order.expires_ns == 0:
            raise Refusal(Reason.MISSING_FIELD, "expires_ns", "a gtd order needs expires_ns")
        return _whole(order.expires_ns, "expires_ns")
    if order.expires_ns:
        raise Refusal(Reason.INVALID_FIELD, "expires_ns", "only a gtd order has expires_ns")
    return 0


def _order_list(command: OrderList, entry: InstrumentEntry, account: int, transact_ns: int, durability: int) -> bytes:
    list_type = _word(LIST_TYPES, command.list_type, "list_type")
    size = LIST_SIZES[ListType(list_type)]
    if len(command.orders) != size:
        text = f"an {command.list_type} list" if command.list_type != "bracket" else "a bracket"
        raise Refusal(Reason.INVALID_LIST, "orders", f"{text} has {size} orders, not {len(command.orders)}")
    rows = b""
    for number, order in enumerate(command.orders, 1):
        try:
            rows += _new_order(order, entry, account, transact_ns, durability, command.strategy, list_type)
        except Refusal as refusal:
            raise Refusal(refusal.reason, refusal.field, f"order {number} of the list: {refusal.text}") from None
    return rows


# --------------------------------------------------------------------------------------------------------- changes


def _replace(command: Replace, instruments: Instruments, account: int, transact_ns: int, durability: int) -> bytes:
    """A replace needs the instrument's units; the door looks the symbol up by the order where the command names none
    (`symbol` is set by then)."""
    order_id, client_order_id = _order_id(command), _named_by(command)
    if command.quantity is None and command.limit_price is None and command.stop_price is None:
        raise Refusal(Reason.MISSING_FIELD, "quantity", "a replace needs a quantity, a limit_price or a stop_price")
    if command.symbol is None:
        raise Refusal(Reason.MISSING_FIELD, "symbol", "a replace needs the symbol, whose tick and lot it is in")
    entry = _instrument(instruments, command.symbol)
    limit, stop = command.limit_price, command.stop_price
    return _pack(
        type=CommandType.REPLACE,
        account=account,
        transact_ns=transact_ns,
        durability=durability,
        instrument=entry.number,
        order_id=order_id,
        client_order_id=client_order_id,
        quantity=0 if command.quantity is None else quantity_lots(entry, command.quantity, "quantity"),
        limit_price=0 if limit is None else price_ticks(entry, limit, "limit_price"),
        stop_price=0 if stop is None else price_ticks(entry, stop, "stop_price"),
    )


def _order_id(command: Cancel | Replace) -> int:
    """The number that names the order, 0 where its client_order_id does."""
    if command.order_id is not None:
        return order_number(command.order_id)
    if command.client_order_id is None:
        raise Refusal(Reason.MISSING_FIELD, "order_id", "order_id or client_order_id must name the order")
    return 0


def _named_by(command: Cancel | Replace) -> str | None:
    return command.client_order_id if command.order_id is None else None


def order_number(text: str) -> int:
    """The engine's number of an order. Raises `Refusal`."""
    if not (text.isascii() and text.isdigit() and len(text) <= 19 and 0 < int(text) < 1 << 63):
        raise Refusal(Reason.INVALID_FIELD, "order_id", "order_id must be a positive integer below 2^63")
    return int(text)


# ----------------------------------------------------------------------------------------------------------- units


def price_ticks(entry: InstrumentEntry, price: Decimal, field: str) -> int:
    """A price in ticks. Raises `Refusal`: not positive, off the tick, or outside the band."""
    try:
        ticks = entry.scale.ticks(price)
    except NotMultiple:
        if price <= 0:
            raise Refusal(Reason.INVALID_PRICE, field, f"{_shown(price, field)} must be positive") from None
        text = f"{_shown(price, field)} must be a multiple of the tick size {entry.definition.tick_size:f}"
        raise Refusal(Reason.PRICE_INCREMENT, field, text) from None
    except OutOfRange:
        ticks = LARGEST + 1 if price.is_finite() and price > 0 else 0
    if ticks <= 0:
        raise Refusal(Reason.INVALID_PRICE, field, f"{_shown(price, field)} must be positive")
    if not entry.price_min <= ticks <= entry.price_max:
        band = f"{entry.definition.price_min:f} to {entry.definition.price_max:f}"
        raise Refusal(Reason.PRICE_BAND, field, f"{_shown(price, field)} lies outside the price band {band}")
    return ticks


def quantity_lots(entry: InstrumentEntry, quantity: Decimal, field: str) -> int:
    """A quantity in lots. Raises `Refusal`: not positive, no multiple of the lot, or too large."""
    try:
        lots = entry.scale.lots(quantity)
    except NotMultiple:
        if quantity <= 0:
            raise Refusal(Reason.INVALID_QUANTITY, field, f"{_shown(quantity, field)} must be positive") from None
        text = f"{_shown(quantity, field)} must be a multiple of the lot size {entry.definition.lot_size:f}"
        raise Refusal(Reason.QUANTITY_INCREMENT, field, text) from None
    except OutOfRange:
        lots = LARGEST + 1 if quantity.is_finite() and quantity > 0 else 0
    if lots <= 0:
        raise Refusal(Reason.INVALID_QUANTITY, field, f"{_shown(quantity, field)} must be positive")
    if lots > entry.max_quantity:
        most = entry.scale.quantity_text(entry.max_quantity)
        text = f"{_shown(quantity, field)} is more than {most}, the most of one order"
        raise Refusal(Reason.INVALID_QUANTITY, field, text)
    return lots


def _shown(value: Decimal, field: str) -> str:
    """The field and its value, where that is short enough for a sentence."""
    return f"{field} {value:f}" if value.is_finite() and abs(value.adjusted()) < 30 else field


def _instrument(instruments: Instruments, symbol: str) -> InstrumentEntry:
    entry = instruments.find(symbol)
    if entry is None:
        raise Refusal(Reason.UNKNOWN_SYMBOL, "symbol", f"no instrument has the symbol {symbol}")
    return entry


def _word(words: dict[str, int], text: str, field: str) -> int:
    number = words.get(text)
    if number is None:
        raise Refusal(Reason.INVALID_FIELD, field, f"{field} must be one of {', '.join(words)}")
    return number


def _whole(number: int, field: str) -> int:
    if not 0 <= number < 1 << 63:
        raise Refusal(Reason.INVALID_FIELD, field, f"{field} must be between 0 and 2^63")
    return number
