"""`order-flow` → `order_flow`, `alerts` → `alerts`."""

from __future__ import annotations

from collections.abc import Callable
from operator import attrgetter
from typing import Any, Final

from streams.sinks.copy import Row
from streams.sinks.ledger_tables import PARTITION_SHIFT
from streams.sinks.tables import TIMESTAMP, Placed, Table, insert

_FLOW_FIELDS: Final = (
    "symbol",
    "window_s",
    "spread",
    "mid",
    "imbalance",
    "book_seq",
    "orders",
    "rejected",
    "canceled",
    "trades",
    "volume",
    "buy_volume",
    "sell_volume",
    "vwap",
    "trade_imbalance",
    "realized_volatility",
    "fill_ratio",
    "last_seq",
    "last_index",
    "ts_ns",
)
_ALERT_FIELDS: Final = (
    "account",
    "kind",
    "symbol",
    "limit_name",
    "raised",
    "used",
    "threshold",
    "text",
    "last_seq",
    "ts_ns",
)


def _rows(fields: tuple[str, ...]) -> Callable[[list[Placed]], list[Row]]:
    values: Callable[[Any], Row] = attrgetter(*fields)
    return lambda placed: [
        (partition << PARTITION_SHIFT | offset, *values(record)) for partition, offset, record in placed
    ]


def _table(name: str, fields: tuple[str, ...]) -> Table:
    columns = ("id", *fields)
    merge = insert(name, columns, TIMESTAMP, "ON CONFLICT (id, timestamp) DO NOTHING")
    return Table(name, columns, _rows(fields), (merge,))


ORDER_FLOW: Final = _table("order_flow", _FLOW_FIELDS)
ALERTS: Final = _table("alerts", _ALERT_FIELDS)
