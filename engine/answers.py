"""The engine's JSON answers to requests that are no orders, and how a client reads what comes back."""

from __future__ import annotations

from typing import Any, Final, TypeVar

import msgspec
from msgspec import Struct
from numpy.typing import NDArray

from engine import frames
from engine.messages import AdministrativeCommand, Book, DecimalText, OrderState, Reply, as_json
from engine.refusal import Refusal
from engine.words import Reason, Source

LOG_IN_FIRST: Final = "log in first"

Kind = TypeVar("Kind")


class Pong(Struct, kw_only=True, frozen=True):
    """The answer to `ping`."""

    type: str = "pong"
    last_seq: int


class Subscription(Struct, kw_only=True, frozen=True):
    """The answer to `subscribe` and `unsubscribe`: from command `last_seq` on reports follow, or no longer do."""

    type: str
    account: str
    account_id: int
    last_seq: int


class Revoked(Struct, kw_only=True, frozen=True):
    """The answer to `revoke`."""

    type: str = "revoked"
    known: int
    """How many sessions are refused now."""


class StateHash(Struct, kw_only=True, frozen=True):
    """The answer to `state_hash`."""

    last_seq: int
    state_hash: str


class HeldPosition(Struct, kw_only=True, frozen=True):
    """What an account has traded of an instrument: `cash` is the money of its sales less that of its purchases."""

    account: str
    symbol: str
    quantity: DecimalText
    bought_quantity: DecimalText
    sold_quantity: DecimalText
    cash: DecimalText
    fees: DecimalText


class Positions(Struct, kw_only=True, frozen=True):
    """The answer to `positions`: the engine's own, after command `last_seq`."""

    last_seq: int
    positions: list[HeldPosition]


class Streams(Struct, kw_only=True, frozen=True):
    """The answer to `market_data`: where an instrument's streams stand after command `last_seq`, and its book then."""

    symbol: str
    instrument_id: int
    second: int
    """When numbering began: the frames of the stream carry it too."""
    last_seq: int
    last_trade: int
    """Number of the last trade sent, 0 = none yet."""
    last_book: int
    book: Book


class TapeTrade(Struct, kw_only=True, frozen=True):
    """A trade of the stream, by its number."""

    number: int
    seq: int
    ts_ns: int
    transact_ns: int
    price: DecimalText
    quantity: DecimalText
    aggressor_side: str | None
    exec_type: str


class Tape(Struct, kw_only=True, frozen=True):
    """The answer to `trades`. `first` is larger than the number asked for where those before are no longer kept."""

    symbol: str
    second: int
    first: int
    trades: list[TapeTrade]


def in_json(payload: bytes, kind: type[Kind]) -> Kind:
    """A JSON answer of the type that was asked for. Raises `Refusal` where the engine refused."""
    try:
        fields = msgspec.json.decode(payload)
    except msgspec.DecodeError:
        raise Refusal(Reason.MALFORMED, "", "the engine's answer is no JSON") from None
    if isinstance(fields, dict) and fields.get("outcome") == "rejected":
        answer = msgspec.convert(fields, Reply)
        if kind is not Reply or answer.reason == Reason.NOT_AUTHORIZED.wire:
            raise Refusal(Reason[(answer.reason or "malformed").upper()], answer.field or "", answer.text or "")
    return msgspec.convert(fields, kind)


def must_log_in(payload: bytes) -> bool:
    """Whether the engine does not know the session, or no longer: nothing was sequenced."""
    return frames.is_json(payload) and LOG_IN_FIRST.encode() in payload


def in_records(payload: bytes) -> NDArray[Any]:
    """The REPLY records of an answer. Raises `Refusal` where the engine refused the frame."""
    if frames.is_json(payload):
        in_json(payload, dict)
        raise Refusal(Reason.MALFORMED, "", "the engine answered records with JSON")
    return frames.decode_replies(payload)[1]


def order_state(payload: bytes) -> OrderState | None:
    """The answer to `status`, None where the engine knows no such order."""
    try:
        return in_json(payload, OrderState)
    except Refusal as refusal:
        if refusal.reason is Reason.UNKNOWN_ORDER:
            return None
        raise


def request(kind: str, **fields: Any) -> bytes:
    """The JSON of a request; fields that are None are left out."""
    return as_json({"type": kind, **{name: value for name, value in fields.items() if value is not None}})


def administrative(command: AdministrativeCommand, actor: str | None, source: Source | None) -> bytes:
    """The JSON of an administrative command: the session's own, or one of `actor`, who came in by `source`."""
    if actor is None or source is None:
        return as_json(command)
    return as_json({"type": "administer", "actor": actor, "source": source.wire, "command": command})
