"""`fills` → `executions`, `trades` → `trades`."""

from __future__ import annotations

from typing import Final

from streams.sinks.copy import Row
from streams.sinks.tables import TIMESTAMP, Placed, Table, insert, report_id

_EXECUTION_COLUMNS: Final = (
    "id",
    "order_id",
    "client_order_id",
    "account",
    "symbol",
    "side",
    "fill_price",
    "fill_qty",
    "fee",
    "liquidity",
    "trade_id",
    "fill_id",
    "strategy",
    "seq",
    "index",
    "ts_ns",
    "transact_ns",
    "action_seq",
)


def execution_rows(placed: list[Placed]) -> list[Row]:
    return [
        (
            report_id(fill.fill_id),
            int(fill.order_id),
            fill.client_order_id,
            fill.account,
            fill.symbol,
            fill.side,
            fill.price,
            fill.quantity,
            fill.fee,
            fill.liquidity,
            fill.trade_id,
            fill.fill_id,
            fill.strategy,
            fill.seq,
            fill.index,
            fill.ts_ns,
            fill.transact_ns,
            fill.action_seq,
        )
        for _, _, fill in placed
    ]


EXECUTIONS: Final = Table(
    "executions",
    _EXECUTION_COLUMNS,
    execution_rows,
    (insert("executions", _EXECUTION_COLUMNS, TIMESTAMP, "ON CONFLICT (id, timestamp) DO NOTHING"),),
)

_TRADE_COLUMNS: Final = (
    "id",
    "trade_id",
    "symbol",
    "price",
    "quantity",
    "aggressor_side",
    "hidden",
    "seq",
    "index",
    "ts_ns",
    "transact_ns",
    "event_ns",
    "action_seq",
)


def trade_rows(placed: list[Placed]) -> list[Row]:
    return [
        (
            report_id(trade.trade_id),
            trade.trade_id,
            trade.symbol,
            trade.price,
            trade.quantity,
            trade.aggressor_side,
            trade.hidden,
            trade.seq,
            trade.index,
            trade.ts_ns,
            trade.transact_ns,
            trade.transact_ns or trade.ts_ns,
            trade.action_seq,
        )
        for _, _, trade in placed
    ]


TRADES: Final = Table(
    "trades",
    _TRADE_COLUMNS,
    trade_rows,
    (insert("trades", _TRADE_COLUMNS, TIMESTAMP, "ON CONFLICT (id, timestamp) DO NOTHING"),),
)
