"""What REST answers around the messages: pages of them, and small objects of its own. For the OpenAPI document, against
which every answer is tested."""

from __future__ import annotations

from typing import Any

import msgspec

from engine.messages import DecimalText, Fill, Instrument, Order, Pnl, Position, SymbolLimits, Trade
from gateway.history import Candle
from gateway.keys import ApiKey
from gateway.users import ShownUser


class Shape(msgspec.Struct, kw_only=True, frozen=True):
    pass


class OrdersPage(Shape, kw_only=True, frozen=True):
    orders: list[Order]
    next_cursor: str | None


class ExecutionsPage(Shape, kw_only=True, frozen=True):
    executions: list[Fill]
    next_cursor: str | None


class PositionsPage(Shape, kw_only=True, frozen=True):
    positions: list[Position]
    next_cursor: str | None


class TradesPage(Shape, kw_only=True, frozen=True):
    trades: list[Trade]
    next_cursor: str | None


class PnlList(Shape, kw_only=True, frozen=True):
    pnl: list[Pnl]


class InstrumentList(Shape, kw_only=True, frozen=True):
    instruments: list[Instrument]


class CandleList(Shape, kw_only=True, frozen=True):
    symbol: str
    interval_s: int
    candles: list[Candle]


class KeyList(Shape, kw_only=True, frozen=True):
    keys: list[ApiKey]


class UserList(Shape, kw_only=True, frozen=True):
    users: list[ShownUser]


class KeptLayout(Shape, kw_only=True, frozen=True):
    name: str
    updated_ns: int | None


class Layout(Shape, kw_only=True, frozen=True):
    name: str
    layout: dict[str, Any]
    updated_ns: int


class LayoutList(Shape, kw_only=True, frozen=True):
    layouts: list[Layout]


class OwnAccount(Shape, kw_only=True, frozen=True):
    account: str
    currency: str | None
    deposits: DecimalText | None
    margin_multiple: DecimalText | None
    killed: bool | None
    pnl: Pnl | None


class OwnAccounts(Shape, kw_only=True, frozen=True):
    username: str
    role: str
    accounts: list[OwnAccount]


class AccountRisk(Shape, kw_only=True, frozen=True):
    account: str
    killed: bool
    firm: str | None
    margin_multiple: DecimalText | None
    self_trade_prevention: str
    self_trade_scope: str
    messages_per_second: int | None
    message_burst: int | None
    maker_fee_ppm: int | None
    taker_fee_ppm: int | None
    limits: list[SymbolLimits]
    seq: int


class Sequenced(Shape, kw_only=True, frozen=True):
    account: str | None
    seq: int


class Killed(Shape, kw_only=True, frozen=True):
    account: str | None
    active: bool
    affected: int
    seq: int
    shown: bool
    """Whether whoever reads now reads them as canceled; false where Kafka, from which it is read, is slow to tell."""


class LoggedOut(Shape, kw_only=True, frozen=True):
    username: str
    session: str


class PasswordChanged(Shape, kw_only=True, frozen=True):
    username: str


class Health(Shape, kw_only=True, frozen=True):
    healthy: bool


class Ready(Shape, kw_only=True, frozen=True):
    ready: bool
    services: dict[str, Any]


class StatusShown(Shape, kw_only=True, frozen=True):
    healthy: bool
    services: dict[str, Any]
    last_seq: int
    stream_clients: int


class ProblemDetails(Shape, kw_only=True, frozen=True):
    """RFC 9457. Refused orders carry further fields."""

    type: str
    title: str
    status: int
    detail: str
    field: str | None
    """What is wrong."""
    reason: str
    """A word to rely on."""
