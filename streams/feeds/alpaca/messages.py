"""Alpaca's raw market data (stream and REST, version 2) as records of ours. Pure."""

from __future__ import annotations

import calendar
import math
import re
import time
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

SECOND_NS: Final = 10**9
STAMP: Final = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?Z")


class MessageError(ValueError):
    """A message cannot be used; one line that names the field and the rule."""


class Quote(NamedTuple):
    """The best bid and ask; a price of 0: there is none on that side."""

    symbol: str
    ts_ns: int
    bid: float
    bid_size: float
    ask: float
    ask_size: float


class Trade(NamedTuple):
    symbol: str
    ts_ns: int
    price: float
    size: float
    exchange: str
    trade_id: int
    """Unique within exchange and day."""

    @property
    def key(self) -> tuple[str, int]:
        return self.exchange, self.trade_id


def quote(raw: Mapping[str, Any]) -> Quote:
    """Of a stream's `q`. Raises `MessageError`."""
    return Quote(
        _symbol(raw),
        stamp(raw.get("t")),
        _number(raw, "bp"),
        _number(raw, "bs"),
        _number(raw, "ap"),
        _number(raw, "as"),
    )


def trade(raw: Mapping[str, Any], symbol: str | None = None) -> Trade:
    """Of a stream's `t`, or of one in REST's lists, where the symbol stands above the list. Raises `MessageError`."""
    price, size = _number(raw, "p"), _number(raw, "s")
    if price <= 0 or size <= 0:
        raise MessageError(f"p, s: a trade's price and size must be above 0, not {price:g} and {size:g}")
    number = raw.get("i")
    if not isinstance(number, int):
        raise MessageError(f"i: must be a whole number, not {number!r}")
    return Trade(symbol or _symbol(raw), stamp(raw.get("t")), price, size, str(raw.get("x", "")), number)


def _symbol(raw: Mapping[str, Any]) -> str:
    symbol = raw.get("S")
    if not isinstance(symbol, str) or not symbol:
        raise MessageError(f"S: must be a symbol, not {symbol!r}")
    return symbol


def _number(raw: Mapping[str, Any], name: str) -> float:
    value = raw.get(name, 0)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or value < 0:
        raise MessageError(f"{name}: must be a number of at least 0, not {value!r}")
    return float(value)


def stamp(value: Any) -> int:
    """MessagePack's timestamp of the stream, or RFC 3339 with up to nine decimals."""
    if hasattr(value, "to_unix_nano"):
        return int(value.to_unix_nano())
    found = STAMP.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        raise MessageError(f"t: must be a time in UTC, not {value!r}")
    try:
        seconds = calendar.timegm(time.strptime(found[1], "%Y-%m-%dT%H:%M:%S"))
    except ValueError:
        raise MessageError(f"t: must be a time in UTC, not {value!r}") from None
    return seconds * SECOND_NS + int((found[2] or "0").ljust(9, "0"))
