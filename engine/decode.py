"""From JSON to binary: what a person sent becomes a COMMAND record in ticks and lots, or a `Refusal` that names the
field and the rule. Every door (ZeroMQ, Kafka, REST, WebSocket) uses this one."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any, Final, TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from engine.layout import COMMAND
from engine.messages import AdministrativeCommand, Cancel, CancelAll, NewOrder, OrderCommand, Replace
from engine.refusal import Refusal
from engine.registry import Accounts, InstrumentEntry, Instruments
from engine.units import LARGEST, NotMultiple, OutOfRange
from engine.words import CommandType, OrderType, Reason, Side, TimeInForce, Word

MISSING: Final = re.compile(r"missing required field `(?P<field>[^`]+)`")
UNKNOWN: Final = re.compile(r"contains unknown field `(?P<field>[^`]+)`")
PLACED: Final = re.compile(r" - at `\$\.?(?P<field>[^`\[]*)[^`]*`$")

_order_decoder: Final[msgspec.json.Decoder[OrderCommand]] = msgspec.json.Decoder(OrderCommand)
_administrative_decoder: Final[msgspec.json.Decoder[AdministrativeCommand]] = msgspec.json.Decoder(
    AdministrativeCommand
)

Decoded = TypeVar("Decoded")


def read_json(data: bytes, decoder: msgspec.json.Decoder[Decoded]) -> Decoded:
    """What the bytes hold, for every door. Raises `Refusal`, whatever the bytes are."""
    try:
        return decoder.decode(data)
    except msgspec.MsgspecError as error:
        raise refusal_of(error) from None
    except UnicodeDecodeError:
        raise Refusal(Reason.MALFORMED, "", "not valid JSON: a text is not UTF-8") from None
    except RecursionError:
        raise Refusal(Reason.MALFORMED, "", "not valid JSON: nested too deeply") from None


def parse(data: bytes) -> OrderCommand:
    """The command that the JSON bytes hold. Raises `Refusal`."""
    return read_json(data, _order_decoder)


def parse_administrative(data: bytes) -> AdministrativeCommand:
    """The administrative command that the JSON bytes hold. Raises `Refusal`."""
    return read_json(data, _administrative_decoder)


def refusal_of(error: msgspec.MsgspecError) -> Refusal:
    """What a decoding error means in our words."""
    text = str(error)
    if not isinstance(error, msgspec.ValidationError):
        return Refusal(Reason.MALFORMED, "", f"not valid JSON: {text}")
    missing = MISSING.search(text)
    if missing:
        return Refusal(Reason.MISSING_FIELD, missing["field"], f"{missing['field']} is required")
    unknown = UNKNOWN.search(text)
    if unknown:
        return Refusal(Reason.INVALID_FIELD, unknown["field"], f"{unknown['field']} is not a field of this message")
    placed = PLACED.search(text)
    if placed is None or not placed["field"]:
        return Refusal(Reason.MALFORMED, "", f"not a message: {text}")
    field = placed["field"].split(".")[0]
    return Refusal(Reason.INVALID_FIELD, field, f"{field}: {text[: placed.start()]}")


def decode(command: OrderCommand, instruments: Instruments, accounts: Accounts) -> NDArray[Any]:
    """One COMMAND record, without what the engine stamps (seq, ts_ns, source, actor). Raises `Refusal`.

    An order's price is checked against tick and band, its quantity against lot and limit, by the instrument's own
    entry; what depends on the engine's state is left to the engine."""
    record = np.zeros(1, COMMAND)
    account = accounts.find(command.account)
    if account is None:
        raise Refusal(Reason.UNKNOWN_ACCOUNT, "account", f"no account is called {command.account}")
    record["account"] = account.number
    record["source_partition"] = -1
    record["source_offset"] = -1
    record["transact_ns"] = _whole(command.transact_ns, "transact_ns")
    match command:
        case NewOrder():
            _new_order(record, command, instruments)
        case Cancel():
            record["type"] = int(CommandType.CANCEL)
            _name_order(record, command, instruments)
        case Replace():
            _replace(record, command, instruments)
        case CancelAll():
            record["type"] = int(CommandType.CANCEL_ALL)
            if command.symbol is not None:
                record["instrument"] = _instrument(instruments, command.symbol).number
            if command.side is not None:
                record["side"] = _word(Side, command.side, "side")
    return record


def _new_order(record: NDArray[Any], command: NewOrder, instruments: Instruments) -> None:
    entry = _instrument(instruments, command.symbol)
    order_type = _word(OrderType, command.order_type, "order_type")
    record["type"] = int(CommandType.NEW)
    record["instrument"] = entry.number
    record["side"] = _word(Side, command.side, "side")
    record["order_type"] = order_type
    record["time_in_force"] = _word(TimeInForce, command.time_in_force, "time_in_force")
    record["quantity"] = quantity_lots(entry, command.quantity, "quantity")
    if command.limit_price is not None:
        record["limit_price"] = limit_ticks(entry, command.limit_price)
    elif order_type in (OrderType.LIMIT, OrderType.STOP_LIMIT):
        raise Refusal(Reason.MISSING_FIELD, "limit_price", f"a {command.order_type} order needs a limit_price")
    for name in ("stop_price", "trail_amount", "trail_percent", "display_quantity", "self_trade_prevention"):
        if getattr(command, name) is not None:
            raise Refusal(Reason.UNSUPPORTED, name)
    for name in ("post_only", "reduce_only"):
        if getattr(command, name):
            raise Refusal(Reason.UNSUPPORTED, name)
    record["expires_ns"] = _whole(command.expires_ns, "expires_ns")
    if command.client_order_id is not None:
        record["client_order_id"] = command.client_order_id.encode()
    if command.strategy is not None:
        record["strategy"] = command.strategy.encode()


def _replace(record: NDArray[Any], command: Replace, instruments: Instruments) -> None:
    """A replace needs the instrument's units only where it gives a price or a quantity; the door looks the symbol up
    by the order where the command names none (`symbol` is set by then)."""
    record["type"] = int(CommandType.REPLACE)
    _name_order(record, command, instruments)
    if command.quantity is None and command.limit_price is None:
        raise Refusal(Reason.MISSING_FIELD, "quantity", "a replace needs a quantity or a limit_price")
    if command.symbol is None:
        raise Refusal(Reason.MISSING_FIELD, "symbol", "a replace needs the symbol, whose tick and lot it is in")
    entry = _instrument(instruments, command.symbol)
    if command.quantity is not None:
        record["quantity"] = quantity_lots(entry, command.quantity, "quantity")
    if command.limit_price is not None:
        record["limit_price"] = limit_ticks(entry, command.limit_price)


def _name_order(record: NDArray[Any], command: Cancel | Replace, instruments: Instruments) -> None:
    if command.order_id is not None:
        record["order_id"] = order_number(command.order_id)
    elif command.client_order_id is not None:
        record["client_order_id"] = command.client_order_id.encode()
    else:
        raise Refusal(Reason.MISSING_FIELD, "order_id", "order_id or client_order_id must name the order")
    if command.symbol is not None:
        record["instrument"] = _instrument(instruments, command.symbol).number


def order_number(text: str) -> int:
    """The engine's number of an order. Raises `Refusal`."""
    if not (text.isascii() and text.isdigit() and len(text) <= 19 and 0 < int(text) < 1 << 63):
        raise Refusal(Reason.INVALID_FIELD, "order_id", "order_id must be a positive integer below 2^63")
    return int(text)


def limit_ticks(entry: InstrumentEntry, price: Decimal) -> int:
    """A limit price in ticks. Raises `Refusal`: not positive, off the tick, or outside the band."""
    shown = f"limit_price {price:f}" if price.is_finite() and abs(price.adjusted()) < 30 else "limit_price"
    if not price.is_finite() or price <= 0:
        raise Refusal(Reason.INVALID_PRICE, "limit_price", f"{shown} must be positive")
    try:
        ticks = entry.scale.ticks(price)
    except NotMultiple:
        text = f"{shown} must be a multiple of the tick size {entry.definition.tick_size}"
        raise Refusal(Reason.PRICE_INCREMENT, "limit_price", text) from None
    except OutOfRange:
        ticks = LARGEST + 1
    if not entry.price_min <= ticks <= entry.price_max:
        band = f"{entry.definition.price_min} to {entry.definition.price_max}"
        raise Refusal(Reason.PRICE_BAND, "limit_price", f"{shown} lies outside the price band {band}")
    return ticks


def quantity_lots(entry: InstrumentEntry, quantity: Decimal, field: str) -> int:
    """A quantity in lots. Raises `Refusal`: not positive, no multiple of the lot, or too large."""
    shown = f"{field} {quantity:f}" if quantity.is_finite() and abs(quantity.adjusted()) < 30 else field
    if not quantity.is_finite() or quantity <= 0:
        raise Refusal(Reason.INVALID_QUANTITY, field, f"{shown} must be positive")
    try:
        lots = entry.scale.lots(quantity)
    except NotMultiple:
        text = f"{shown} must be a multiple of the lot size {entry.definition.lot_size}"
        raise Refusal(Reason.QUANTITY_INCREMENT, field, text) from None
    except OutOfRange:
        lots = LARGEST + 1
    if lots > entry.max_quantity:
        most = entry.scale.quantity_text(entry.max_quantity)
        raise Refusal(Reason.INVALID_QUANTITY, field, f"{shown} is more than {most}, the most of one order")
    return lots


def _instrument(instruments: Instruments, symbol: str) -> InstrumentEntry:
    entry = instruments.find(symbol)
    if entry is None:
        raise Refusal(Reason.UNKNOWN_SYMBOL, "symbol", f"no instrument has the symbol {symbol}")
    return entry


def _word(words: type[Word], text: str, field: str) -> int:
    number = words.words().get(text)
    if number is None:
        raise Refusal(Reason.INVALID_FIELD, field, f"{field} must be one of {', '.join(words.words())}")
    return number


def _whole(number: int, field: str) -> int:
    if not 0 <= number < 1 << 63:
        raise Refusal(Reason.INVALID_FIELD, field, f"{field} must be between 0 and 2^63")
    return number
