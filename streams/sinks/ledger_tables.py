"""`positions` → `positions`, the latest of each, and `position_history`; `pnl` → `pnl`."""

from __future__ import annotations

from operator import attrgetter
from typing import Final

import msgspec

from engine.messages import Position
from streams.sinks.copy import Row
from streams.sinks.tables import TIMESTAMP, Placed, Table, insert, moment

PARTITION_SHIFT: Final = 48

_POSITION_COLUMNS: Final = (
    "account",
    "symbol",
    "quantity",
    "average_price",
    "cost",
    "realized_pnl",
    "fees",
    "bought_quantity",
    "sold_quantity",
    "last_price",
    "last_seq",
    "last_index",
    "ts_ns",
    "action_seq",
)
_HISTORY_FIELDS: Final = tuple(
    column for column in _POSITION_COLUMNS if column not in ("bought_quantity", "sold_quantity")
)
_HISTORY_COLUMNS: Final = (*_HISTORY_FIELDS, "strategies")
_HISTORY_KEY: Final = ("account", "symbol", "last_seq", "last_index", "ts_ns")
_position: Final = attrgetter(*_POSITION_COLUMNS)
_history: Final = attrgetter(*_HISTORY_FIELDS)
_encode: Final = msgspec.json.Encoder().encode


def _json(value: object) -> str:
    return _encode(value).decode()


def position_rows(placed: list[Placed]) -> list[Row]:
    """The newest record of each position, wherever it stands in the batch; of those of the same fill the last, made
    anew (`streams.versions`)."""
    latest: dict[tuple[str, str], Position] = {}
    record: Position
    for _, _, record in placed:
        key = (record.account, record.symbol)
        held = latest.get(key)
        if held is None or (record.last_seq, record.last_index) >= (held.last_seq, held.last_index):
            latest[key] = record
    return [_position(record) for record in latest.values()]


def position_history_rows(placed: list[Placed]) -> list[Row]:
    """One of each fill, the last."""
    latest = {(one.account, one.symbol, one.last_seq, one.last_index): one for _, _, one in placed}
    return [(*_history(one), _json(one.strategies) if one.strategies else "[]") for one in latest.values()]


POSITIONS: Final = Table(
    "positions",
    _POSITION_COLUMNS,
    position_rows,
    (
        insert(
            "positions",
            _POSITION_COLUMNS,
            (("updated_at", moment("ts_ns")),),
            "ON CONFLICT (account, symbol) DO UPDATE SET "
            + ", ".join(f"{column} = excluded.{column}" for column in (*_POSITION_COLUMNS[2:], "updated_at"))
            + " WHERE (excluded.last_seq, excluded.last_index) >= (positions.last_seq, positions.last_index)",
        ),
    ),
)
POSITION_HISTORY: Final = Table(
    "position_history",
    _HISTORY_COLUMNS,
    position_history_rows,
    (
        insert(
            "position_history",
            _HISTORY_COLUMNS,
            TIMESTAMP,
            "ON CONFLICT (account, symbol, last_seq, last_index, timestamp) DO UPDATE SET "
            + ", ".join(f"{column} = excluded.{column}" for column in _HISTORY_COLUMNS if column not in _HISTORY_KEY),
        ),
    ),
)

_PNL_FIELDS: Final = (
    "account",
    "currency",
    "deposits",
    "realized_pnl",
    "unrealized_pnl",
    "fees",
    "equity",
    "peak_equity",
    "drawdown",
    "gross_exposure",
    "net_exposure",
    "last_seq",
    "ts_ns",
)
_PNL_COLUMNS: Final = ("id", *_PNL_FIELDS, "marks", "strategies")
_pnl: Final = attrgetter(*_PNL_FIELDS)


def pnl_rows(placed: list[Placed]) -> list[Row]:
    return [
        (
            partition << PARTITION_SHIFT | offset,
            *_pnl(record),
            _json(record.marks),
            _json(record.strategies),
        )
        for partition, offset, record in placed
    ]


PNL: Final = Table(
    "pnl",
    _PNL_COLUMNS,
    pnl_rows,
    (insert("pnl", _PNL_COLUMNS, TIMESTAMP, "ON CONFLICT (id, timestamp) DO NOTHING"),),
)
