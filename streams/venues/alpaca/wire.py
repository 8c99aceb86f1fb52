"""Alpaca's raw orders, fills and balances (REST and `trade_updates`) as records of ours. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, Final, NamedTuple

from streams.feeds.alpaca.messages import MessageError, stamp
from streams.venues.alpaca.statuses import EVENTS, STATUSES, Event, Status

OFFSET: Final = re.compile(r"([+-])(\d\d):?(\d\d)$")
MINUTE_NS: Final = 60 * 10**9
EXTRA: Final = re.compile(r"(\.\d{9})\d+")


class TheirOrder(NamedTuple):
    """An order there."""

    id: str
    name: str
    """Its client_order_id: what we called it."""
    symbol: str
    side: str
    order_type: str
    status: str
    quantity: Decimal
    filled: Decimal
    limit_price: Decimal | None
    stop_price: Decimal | None
    submitted_ns: int
    replaced_by: str | None
    replaces: str | None = None
    order_class: str = ""
    legs: tuple[TheirOrder, ...] = ()
    """Orders of its group that were entered with it, where they are told with it."""

    @property
    def stands(self) -> Status:
        return STATUSES[self.status]


class TheirFill(NamedTuple):
    """One execution there. Stream and list name it alike: by its order, and what that has in all after it."""

    order_id: str
    cumulative: Decimal
    quantity: Decimal
    price: Decimal
    ts_ns: int
    execution_id: str = ""
    """Alpaca's own name of it, as far as it is told; `trade_bust` and `trade_correct` say it."""

    @property
    def name(self) -> str:
        """At most 48 characters."""
        return f"{self.order_id}:{self.cumulative.normalize():f}"


class Correction(NamedTuple):
    """A fill that is not what it was."""

    execution_id: str
    previous_id: str
    """The execution that is taken back or changed."""
    quantity: Decimal
    """Without a sign: what is taken back, or what the fill is now."""
    price: Decimal


class Update(NamedTuple):
    """A message of `trade_updates`."""

    event: str
    order: TheirOrder
    fill: TheirFill | None
    reason: str
    correction: Correction | None = None

    @property
    def means(self) -> Event:
        return EVENTS[self.event]


class Balance(NamedTuple):
    """The account there."""

    number: str
    cash: Decimal
    is_blocked: bool


def order(raw: Mapping[str, Any]) -> TheirOrder:
    """Of REST, or within an update. Raises `MessageError`."""
    status = _text(raw, "status")
    if status not in STATUSES:
        raise MessageError(f"status: {status} is none that is known")
    if raw.get("qty") is None:
        raise MessageError("qty: must be a number, not None: an order by its worth is none of ours")
    return TheirOrder(
        id=_text(raw, "id"),
        name=str(raw.get("client_order_id") or ""),
        symbol=_text(raw, "symbol"),
        side=_text(raw, "side"),
        order_type=str(raw.get("type") or raw.get("order_type") or ""),
        status=status,
        quantity=_number(raw, "qty"),
        filled=_number(raw, "filled_qty") if raw.get("filled_qty") is not None else Decimal(0),
        limit_price=_number(raw, "limit_price") if raw.get("limit_price") is not None else None,
        stop_price=_number(raw, "stop_price") if raw.get("stop_price") is not None else None,
        submitted_ns=moment(raw.get("submitted_at") or raw.get("created_at")),
        replaced_by=raw.get("replaced_by") or None,
        replaces=raw.get("replaces") or None,
        order_class=str(raw.get("order_class") or ""),
        legs=tuple(order(leg) for leg in raw.get("legs") or ()),
    )


def update(raw: Mapping[str, Any]) -> Update:
    """The `data` of a message of `trade_updates`. Raises `MessageError`."""
    event = _text(raw, "event")
    if event not in EVENTS:
        raise MessageError(f"event: {event} is none that is known")
    inner = raw.get("order")
    if not isinstance(inner, Mapping):
        raise MessageError(f"order: must be an order, not {inner!r}")
    theirs = order(inner)
    fill, correction = None, None
    if EVENTS[event].is_fill:
        when, name = moment(raw.get("timestamp")), str(raw.get("execution_id") or "")
        fill = _checked(TheirFill(theirs.id, theirs.filled, _number(raw, "qty"), _number(raw, "price"), when, name))
    elif EVENTS[event].is_correction:
        names = _text(raw, "execution_id"), _text(raw, "previous_execution_id")
        correction = Correction(*names, abs(_number(raw, "qty")), _number(raw, "price"))
        if correction.quantity == 0 or correction.price <= 0:
            raise MessageError(f"qty, price: {correction.quantity:f} at {correction.price:f} cannot be")
    return Update(event, theirs, fill, str(raw.get("reason") or ""), correction)


def activity(raw: Mapping[str, Any]) -> TheirFill:
    """A fill of the account's activities. Raises `MessageError`."""
    return _checked(
        TheirFill(
            order_id=_text(raw, "order_id"),
            cumulative=_number(raw, "cum_qty"),
            quantity=_number(raw, "qty"),
            price=_number(raw, "price"),
            ts_ns=moment(raw.get("transaction_time")),
            execution_id=str(raw.get("id") or "").partition("::")[2],
        )
    )


def position(raw: Mapping[str, Any]) -> tuple[str, Decimal]:
    """Symbol and signed quantity. Raises `MessageError`."""
    quantity = abs(_number(raw, "qty"))
    return _text(raw, "symbol"), -quantity if raw.get("side") == "short" else quantity


def balance(raw: Mapping[str, Any]) -> Balance:
    """Of the account. Raises `MessageError`."""
    blocked = any(raw.get(name) for name in ("trading_blocked", "account_blocked", "trade_suspended_by_user"))
    return Balance(_text(raw, "account_number"), _number(raw, "cash"), blocked)


def moment(value: Any) -> int:
    """Nanoseconds since the epoch of RFC 3339 with any offset. Raises `MessageError`."""
    if not isinstance(value, str):
        raise MessageError(f"timestamp: must be a time, not {value!r}")
    ahead_ns = 0
    found = OFFSET.search(value)
    if found is not None:
        ahead_ns = int(f"{found[1]}1") * (60 * int(found[2]) + int(found[3])) * MINUTE_NS
    return stamp(EXTRA.sub(r"\1", OFFSET.sub("Z", value))) - ahead_ns


def _checked(fill: TheirFill) -> TheirFill:
    if not 0 < fill.quantity <= fill.cumulative or fill.price <= 0:
        raise MessageError(
            f"qty, price: a fill of {fill.quantity:f} at {fill.price:f}, in all {fill.cumulative:f}, cannot be"
        )
    return fill


def _text(raw: Mapping[str, Any], name: str) -> str:
    value = raw.get(name)
    if not isinstance(value, str) or not value:
        raise MessageError(f"{name}: must be a text, not {value!r}")
    return value


def _number(raw: Mapping[str, Any], name: str) -> Decimal:
    value = raw.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise MessageError(f"{name}: must be a number, not {value!r}")
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        raise MessageError(f"{name}: must be a number, not {value!r}") from None
    if not number.is_finite():
        raise MessageError(f"{name}: must be a number, not {value!r}")
    return number
