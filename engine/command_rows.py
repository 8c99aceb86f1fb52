"""Records of the topic `commands` back into what was sequenced: the inverse of `command_records`.

What the core makes of it is then what the engine's core made of it, to the last bit."""

from __future__ import annotations

import base64
import struct
from collections.abc import Callable, Container, Iterable, Iterator
from decimal import Decimal
from functools import lru_cache
from typing import Final

import msgspec
import numpy as np
from msgspec import Raw, Struct

from engine.core import Core
from engine.layout import COMMAND
from engine.messages import AdministrativeCommand, AdministrativeEntry
from engine.registry import InstrumentEntry
from engine.segments import Frame
from engine.words import (
    LIST_SHIFT,
    LIST_SIZES,
    CommandType,
    Durability,
    Flag,
    ListType,
    OrderType,
    SelfTrade,
    Side,
    Source,
    TimeInForce,
)

PACK: Final = struct.Struct("<QqqQqqqqqqqiIIBBBBBBBB20s16s48s").pack
"""A COMMAND record."""
TEN_THOUSANDTH: Final = Decimal("0.0001")
KEPT: Final = 1 << 16
BINARY: Final = {
    kind.wire: int(kind) for kind in (CommandType.NEW, CommandType.CANCEL, CommandType.REPLACE, CommandType.CANCEL_ALL)
}
_SIDES, _TYPES, _TIMES = Side.words(), OrderType.words(), TimeInForce.words()
_PREVENTIONS, _LISTS, _DURABILITIES = SelfTrade.words(), ListType.words(), Durability.words()
_SOURCES: Final = {"": 0} | Source.words()

LIST_BITS: Final = 3
_OFFSETS: Final = {name: place[1] for name, place in (COMMAND.fields or {}).items()}
FLAGS_AT, TYPE_AT = _OFFSETS["flags"], _OFFSETS["type"]

Steps = Callable[[str], int]


class _Logged(Struct):
    """What a record of `commands` says of itself."""

    seq: int
    ts_ns: int
    source: str
    actor: str
    type: str
    command: Raw
    source_partition: int | None = None
    source_offset: int | None = None
    epoch: int = 1
    record: str | None = None


class _Fields(Struct):
    """What was asked by one that was a binary record."""

    account: str = ""
    symbol: str = ""
    side: str | None = None
    order_type: str | None = None
    time_in_force: str | None = None
    quantity: str | None = None
    display_quantity: str | None = None
    limit_price: str | None = None
    stop_price: str | None = None
    trail_amount: str | None = None
    trail_percent: str | None = None
    expires_ns: int = 0
    post_only: bool = False
    reduce_only: bool = False
    self_trade_prevention: str | None = None
    list_type: str | None = None
    disconnected: bool = False
    order_id: str = "0"
    client_order_id: str = ""
    strategy: str = ""
    durability: str | None = None
    transact_ns: int = 0


class CommandError(ValueError):
    """A record of `commands` that no engine wrote; `seq` is its number, 0 where it has none that can be read."""

    def __init__(self, seq: int, text: str) -> None:
        super().__init__(text)
        self.seq = seq


_logged: Final = msgspec.json.Decoder(_Logged)
_fields: Final = msgspec.json.Decoder(_Fields)
_administrative: Final = msgspec.json.Decoder(AdministrativeCommand)


def frames(core: Core, values: Iterable[bytes], most: int, ends: Container[int] = ()) -> Iterator[Frame]:
    """The commands of the records as journal frames of about `most` commands; one in `ends` ends its frame. Each must
    have been applied to `core` before the next one is asked for: that is where names get their numbers. Raises
    `CommandError`."""
    rows: list[bytes] = []
    legs = 0
    first = _Logged(0, 0, "", "", "", Raw())
    for value in values:
        try:
            logged = _logged.decode(value)
        except msgspec.DecodeError as error:
            raise CommandError(0, f"no record of a command: {error}") from None
        if rows and (logged.epoch != first.epoch or logged.type not in BINARY):
            yield _frame(first, rows)
            rows = []
        try:
            if logged.type not in BINARY:
                yield _entry(logged)
                continue
            if not rows:
                first = logged
            rows.append(row(core, logged))
        except (msgspec.DecodeError, ArithmeticError, ValueError, KeyError, struct.error) as error:
            raise CommandError(logged.seq, f"command {logged.seq} cannot be read back: {error!r}") from None
        legs = max(legs - 1, 0) or _legs(rows[-1])
        if legs <= 1 and (len(rows) >= most or logged.seq in ends):  # a list is never cut in two
            yield _frame(first, rows)
            rows = []
    if rows:
        yield _frame(first, rows)


def _legs(row: bytes) -> int:
    """Of the list that a record begins, 0 where it begins none."""
    kind = row[FLAGS_AT] >> LIST_SHIFT & LIST_BITS
    return LIST_SIZES[ListType(kind)] if kind and row[TYPE_AT] == CommandType.NEW else 0


def _frame(first: _Logged, rows: list[bytes]) -> Frame:
    records = np.frombuffer(bytearray(b"".join(rows)), COMMAND)
    return Frame(first.seq, len(rows), records, None, first.epoch)


def _entry(logged: _Logged) -> Frame:
    """An administrative command was journaled as JSON."""
    fields = bytes(logged.command)
    rest = b"}" if fields == b"{}" else b"," + fields[1:]
    entry = AdministrativeEntry(
        ts_ns=logged.ts_ns,
        source=logged.source,
        actor=logged.actor,
        command=_administrative.decode(b'{"type":"' + logged.type.encode() + b'"' + rest),
        source_partition=-1 if logged.source_partition is None else logged.source_partition,
        source_offset=-1 if logged.source_offset is None else logged.source_offset,
    )
    return Frame(logged.seq, 1, None, entry, logged.epoch)


def row(core: Core, logged: _Logged) -> bytes:
    """The COMMAND record that the record of the topic was made of. Raises `ValueError`, `KeyError`."""
    if logged.record is not None:
        return base64.b64decode(logged.record, validate=True)
    asked = _fields.decode(logged.command)
    account = core.accounts.find(asked.account)
    number = 0
    ticks: Steps = int
    lots: Steps = int
    if asked.symbol:
        entry = core.instruments.find(asked.symbol)
        if entry is None:
            raise ValueError(f"no instrument has the symbol {asked.symbol}")
        number, (ticks, lots) = entry.number, _scales(entry)
    if asked.account and account is None:
        raise ValueError(f"no account is called {asked.account}")
    flags = (int(Flag.POST_ONLY) if asked.post_only else 0) | (int(Flag.REDUCE_ONLY) if asked.reduce_only else 0)
    trail = 0
    if asked.trail_amount is not None:
        trail = ticks(asked.trail_amount)
    elif asked.trail_percent is not None:
        trail, flags = _millionths(asked.trail_percent), flags | int(Flag.TRAIL_PERCENT)
    if asked.disconnected:
        flags |= int(Flag.DISCONNECTED)
    if asked.list_type is not None:
        flags |= _LISTS[asked.list_type] << LIST_SHIFT
    prevention, durability = asked.self_trade_prevention, asked.durability
    return PACK(
        logged.seq,
        logged.ts_ns,
        asked.transact_ns,
        int(asked.order_id),
        0 if asked.quantity is None else lots(asked.quantity),
        0 if asked.limit_price is None else ticks(asked.limit_price),
        0 if asked.stop_price is None else ticks(asked.stop_price),
        trail,
        0 if asked.display_quantity is None else lots(asked.display_quantity),
        asked.expires_ns,
        -1 if logged.source_offset is None else logged.source_offset,
        -1 if logged.source_partition is None else logged.source_partition,
        0 if account is None else account.number,
        number,
        BINARY[logged.type],
        0 if asked.side is None else _SIDES[asked.side],
        0 if asked.order_type is None else _TYPES[asked.order_type],
        0 if asked.time_in_force is None else _TIMES[asked.time_in_force],
        flags,
        0 if prevention is None else _PREVENTIONS[prevention],
        _SOURCES[logged.source],
        0 if durability is None else _DURABILITIES[durability],
        logged.actor.encode("latin-1"),
        asked.strategy.encode("latin-1"),
        asked.client_order_id.encode("latin-1"),
    )


@lru_cache(1024)
def _scales_of(symbol: str, tick: Decimal, lot: Decimal) -> tuple[Steps, Steps]:
    @lru_cache(KEPT)
    def ticks(text: str) -> int:
        return _whole(text, tick)

    @lru_cache(KEPT)
    def lots(text: str) -> int:
        return _whole(text, lot)

    return ticks, lots


def _scales(entry: InstrumentEntry) -> tuple[Steps, Steps]:
    return _scales_of(entry.definition.symbol, entry.scale.tick, entry.scale.lot)


def _whole(text: str, step: Decimal) -> int:
    """How many steps the number is, of any size that a record holds. Raises `ValueError`."""
    number = Decimal(text)
    top, bottom = number.as_integer_ratio()
    step_top, step_bottom = step.as_integer_ratio()
    count, rest = divmod(top * step_bottom, bottom * step_top)
    if rest:
        raise ValueError(f"{text} is not a multiple of {step}")
    return count


@lru_cache(KEPT)
def _millionths(text: str) -> int:
    return _whole(text, TEN_THOUSANDTH)
