"""The words of a table's commands as COMMAND records and administrative commands (`trader_tables` has the language)."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from trader_tables import pairs

from engine.layout import COMMAND
from engine.messages import (
    AdministrativeCommand,
    Deposit,
    Dividend,
    Fees,
    Halt,
    Kill,
    Limits,
    Resume,
    SetPhase,
    Split,
    Timer,
)
from engine.words import LIST_SHIFT, CommandType, Flag, ListType, OrderType, SelfTrade, Side, TimeInForce

ACCOUNTS: Final = {"ann": 1, "bob": 2, "cat": 3, "dan": 4, "nobody": 99}
SYMBOLS: Final = {"XYZ": 1, "ABC": 2, "NONE": 9}
SECOND: Final = 10**9
FLAGS: Final = {"post_only": Flag.POST_ONLY, "reduce_only": Flag.REDUCE_ONLY}
IN_DECIMALS: Final = ("max_order_quantity", "max_order_notional", "max_long", "max_short", "margin_multiple")
IN_WORDS: Final = ("self_trade_prevention", "self_trade_scope")


class Units:
    """Prices and quantities of the instruments."""

    def __init__(self, tick: Decimal, lot: Decimal) -> None:
        self.tick, self.lot = tick, lot

    def ticks(self, price: str) -> int:
        return int(Decimal(price) / self.tick)

    def lots(self, quantity: str) -> int:
        return int(Decimal(quantity) / self.lot)


def nanoseconds(seconds: str) -> int:
    return int(Decimal(seconds) * SECOND)


def new_record(kind: CommandType, account: str) -> NDArray[Any]:
    record = np.zeros(1, COMMAND)
    record["type"] = int(kind)
    record["account"] = ACCOUNTS[account]
    return record


def records(words: list[str], units: Units, names: Any) -> NDArray[Any]:
    """The records of one command of an account; `names(account, name)` gives an order's number."""
    if "with" in words:
        at = words.index("with")
        words, raw = words[:at], pairs(words[at + 1 :], int)
    else:
        raw = {}
    made = _records(words, units, names)
    for name, value in raw.items():
        made[name] = value
    return made


def _records(words: list[str], units: Units, names: Any) -> NDArray[Any]:
    account, verb, *rest = words
    if verb in ListType.words():
        legs = " ".join(rest).split(" + ")
        orders = np.concatenate([_new(account, leg.split(), units) for leg in legs])
        orders["flags"] |= ListType.words()[verb] << LIST_SHIFT
        return orders
    if verb == "cancel" and rest[0] == "all":
        record = new_record(CommandType.CANCEL_ALL, account)
        for word in rest[1:]:
            if word in SYMBOLS:
                record["instrument"] = SYMBOLS[word]
            else:
                record["side"] = Side.words()[word]
        return record
    if verb == "cancel":
        record = new_record(CommandType.CANCEL, account)
        _name_order(record, rest[0], names)
        return record
    if verb == "replace":
        record = new_record(CommandType.REPLACE, account)
        _name_order(record, rest[0], names)
        for name, value in pairs(rest[1:], str).items():
            field = {"quantity": "quantity", "price": "limit_price", "stop": "stop_price"}[name]
            record[field] = units.lots(value) if name == "quantity" else units.ticks(value)
        return record
    return _new(account, words[1:], units)


def _name_order(record: NDArray[Any], name: str, names: Any) -> None:
    if name.startswith("#"):
        record["order_id"] = names(int(record["account"][0]), name[1:])
    elif name != "-":
        record["client_order_id"] = name.encode()


def _new(account: str, words: list[str], units: Units) -> NDArray[Any]:
    client_order_id, side, quantity, *rest = words
    record = new_record(CommandType.NEW, account)
    if client_order_id != "-":
        record["client_order_id"] = client_order_id.encode()
    record["side"] = Side.words()[side]
    record["quantity"] = units.lots(quantity)
    record["instrument"] = SYMBOLS["XYZ"]
    record["order_type"] = int(OrderType.MARKET)
    record["time_in_force"] = int(TimeInForce.DAY)
    typed = False
    while rest:
        word = rest.pop(0)
        if word in SYMBOLS:
            record["instrument"] = SYMBOLS[word]
        elif word == "market":
            typed = True
        elif word == "@":
            record["limit_price"] = units.ticks(rest.pop(0))
            record["order_type"] = int(OrderType.STOP_LIMIT if typed else OrderType.LIMIT)
            typed = True
        elif word == "stop":
            record["stop_price"] = units.ticks(rest.pop(0))
            record["order_type"] = int(OrderType.STOP)
            typed = True
        elif word == "trail":
            _trail(record, rest.pop(0), units)
            typed = True
        else:
            _terms(record, word, rest, units)
    assert typed, f"{words}: no type of order"
    return record


def _trail(record: NDArray[Any], distance: str, units: Units) -> None:
    record["order_type"] = int(OrderType.TRAILING_STOP)
    if distance.endswith("%"):
        record["flags"] |= int(Flag.TRAIL_PERCENT)
        record["trail"] = int(Decimal(distance[:-1]) * 10_000)
    else:
        record["trail"] = units.ticks(distance)


def _terms(record: NDArray[Any], word: str, rest: list[str], units: Units) -> None:
    if word in TimeInForce.words():
        record["time_in_force"] = TimeInForce.words()[word]
        if word == "gtd":
            record["expires_ns"] = nanoseconds(rest.pop(0))
    elif word in FLAGS:
        record["flags"] |= int(FLAGS[word])
    elif word == "show":
        record["display_quantity"] = units.lots(rest.pop(0))
    elif word == "self_trade":
        record["self_trade_prevention"] = SelfTrade.words()[rest.pop(0)]
    else:
        raise ValueError(f"{word!r} is no word of an order")


def administrative(words: list[str]) -> AdministrativeCommand | None:
    """None where the words are a command of an account."""
    kind, *rest = words
    if kind not in ("phase", "halt", "resume", "timer", "kill", "limits", "fees", "deposit", "split", "dividend"):
        return None
    symbol = next((word for word in rest if word in SYMBOLS), None)
    rest = [word for word in rest if word not in SYMBOLS]
    match kind:
        case "phase":
            ends = nanoseconds(rest[2]) if rest[1:2] == ["ends"] else 0
            return SetPhase(symbol=symbol or "XYZ", phase=rest[0], day_ends_ns=ends)
        case "halt":
            return Halt(symbol=symbol or "XYZ")
        case "resume":
            return Resume(symbol=symbol or "XYZ")
        case "timer":
            return Timer()
        case "kill":
            return Kill(account=None if rest[0] == "everyone" else rest[0], active="off" not in rest)
        case "split":
            new, old = rest[0].split(":")
            return Split(symbol=symbol or "XYZ", new_shares=int(new), old_shares=int(old))
        case "dividend":
            return Dividend(symbol=symbol or "XYZ", amount=Decimal(rest[0]))
        case "limits":
            return Limits(account=rest[0], symbol=symbol, **_limits(pairs(rest[1:], str)))
        case "fees":
            given = pairs(rest[1:], int)
            return Fees(account=rest[0], maker_fee_ppm=given.get("maker"), taker_fee_ppm=given.get("taker"))
    return Deposit(account=rest[0], amount=Decimal(rest[1]))


def _limits(given: dict[str, str]) -> dict[str, Any]:
    limits: dict[str, Any] = {}
    for name, value in given.items():
        limits[name] = Decimal(value) if name in IN_DECIMALS else value if name in IN_WORDS else int(value)
    return limits
