"""What Postgres keeps: the sinks' tables, in the words of the wire."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import msgspec

from engine.messages import Fill, Order, Position, Trade
from engine.records import exec_id
from gateway.database import Database
from gateway.paging import Place, not_a_cursor
from streams.sinks.tables import report_id

CANDLE_TRADES: Final = 200_000
"""The newest trades that candles are computed from: bounds the work of one request."""

ORDER: Final = """
    SELECT order_id::text, client_order_id, list_id::text, account, symbol, side, order_type, time_in_force, expires_ns,
           quantity::text, display_qty::text, price::text, stop_price::text, trail_amount::text, trail_percent::text,
           post_only, reduce_only, status, filled_qty::text, remaining_qty::text, average_price::text, reason, field,
           text, strategy, source, created_ns, updated_ns, last_seq, last_index
    FROM orders"""
EXECUTION: Final = """
    SELECT fill_id, trade_id, seq, index, ts_ns, transact_ns, account, symbol, side, fill_qty::text, fill_price::text,
           fee::text, liquidity, order_id::text, client_order_id, strategy
    FROM executions"""
POSITION: Final = """
    SELECT account, symbol, quantity::text, average_price::text, cost::text, realized_pnl::text, fees::text,
           bought_quantity::text, sold_quantity::text, last_price::text, last_seq, last_index, ts_ns
    FROM positions"""
POSITION_FIELDS: Final = tuple(name for name in Position.__struct_fields__ if name not in ("v", "strategies"))
"""In the order of the query. The strategies of a record are those that it changes, which is history."""
TRADE: Final = """
    SELECT trade_id, seq, index, ts_ns, transact_ns, symbol, price::text, quantity::text, aggressor_side, hidden
    FROM trades"""
CANDLES: Final = """
    SELECT event_ns / %(interval_ns)s * %(interval_s)s AS time_s,
           (array_agg(price ORDER BY seq, index))[1]::text,
           max(price)::text,
           min(price)::text,
           (array_agg(price ORDER BY seq DESC, index DESC))[1]::text,
           sum(quantity)::text,
           count(*)
    FROM (
        SELECT event_ns, price, quantity, seq, index
        FROM trades WHERE symbol = %(symbol)s ORDER BY id DESC LIMIT %(trades)s
    ) AS newest
    GROUP BY 1 ORDER BY 1 DESC LIMIT %(limit)s"""


class Candle(msgspec.Struct, kw_only=True):
    """`time_s` is the start of the interval in seconds since the epoch, a multiple of its length."""

    time_s: int
    open: str
    high: str
    low: str
    close: str
    volume: str


class History:
    """Every method raises `Problem` 503 where Postgres is away."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def orders_by_id(self, order_ids: Iterable[str]) -> dict[str, Order]:
        """Those that Postgres holds."""
        wanted = [int(order_id) for order_id in order_ids]
        rows = await self._database.rows(f"{ORDER} WHERE order_id = ANY(%s)", (wanted,))
        return {order.order_id: order for order in map(_order, rows)}

    async def orders(
        self,
        accounts: frozenset[str] | None,
        symbol: str | None,
        statuses: frozenset[str] | None,
        before: Place | None,
        limit: int,
    ) -> list[Order]:
        """Newest first."""
        chosen = Conditions(account=accounts, status=statuses)
        chosen.equal("symbol", symbol)
        if before is not None:
            chosen.add("order_id < %s", before[0])
        query = f"{ORDER} {chosen.where} ORDER BY order_id DESC LIMIT %s"
        return [_order(row) for row in await self._database.rows(query, (*chosen.values, limit))]

    async def executions(
        self, accounts: frozenset[str] | None, symbol: str | None, before: Place | None, limit: int
    ) -> list[Fill]:
        """Newest first."""
        chosen = Conditions(account=accounts)
        chosen.equal("symbol", symbol)
        if before is not None:
            try:
                chosen.add("id < %s", report_id(exec_id(*before)))
            except ValueError:
                raise not_a_cursor() from None
        query = f"{EXECUTION} {chosen.where} ORDER BY id DESC LIMIT %s"
        return [_fill(row) for row in await self._database.rows(query, (*chosen.values, limit))]

    async def positions(self, accounts: frozenset[str] | None) -> list[Position]:
        chosen = Conditions(account=accounts)
        rows = await self._database.rows(f"{POSITION} {chosen.where} ORDER BY account, symbol", chosen.values)
        return [Position(**dict(zip(POSITION_FIELDS, row, strict=True))) for row in rows]

    async def trades(self, symbol: str, limit: int) -> list[Trade]:
        """Newest first."""
        query = f"{TRADE} WHERE symbol = %s ORDER BY id DESC LIMIT %s"
        return [_trade(row) for row in await self._database.rows(query, (symbol, limit))]

    async def candles(self, symbol: str, interval_s: int, limit: int) -> list[Candle]:
        """Oldest first; only intervals with trades, of the newest `CANDLE_TRADES` trades."""
        values = {
            "symbol": symbol,
            "interval_s": interval_s,
            "interval_ns": interval_s * 1_000_000_000,
            "limit": limit,
            "trades": CANDLE_TRADES,
        }
        rows = await self._database.rows(CANDLES, values)
        if sum(row[6] for row in rows) == CANDLE_TRADES:
            rows = rows[:-1]  # its interval began before the trades that were read
        return [
            Candle(time_s=row[0], open=row[1], high=row[2], low=row[3], close=row[4], volume=row[5])
            for row in reversed(rows)
        ]


class Conditions:
    """A WHERE clause in the making."""

    def __init__(self, **members: frozenset[str] | None) -> None:
        """Each column must hold one of its members; None leaves it free."""
        self._texts: list[str] = []
        self.values: list[Any] = []
        for column, allowed in members.items():
            if allowed is not None:
                self.add(f"{column} = ANY(%s)", sorted(allowed))

    def equal(self, column: str, value: str | None) -> None:
        if value is not None:
            self.add(f"{column} = %s", value)

    def add(self, text: str, *values: Any) -> None:
        self._texts.append(text)
        self.values.extend(values)

    @property
    def where(self) -> str:
        return f"WHERE {' AND '.join(self._texts)}" if self._texts else ""


def _order(row: tuple[Any, ...]) -> Order:
    return Order(**dict(zip(Order.__struct_fields__[1:], row, strict=True)))


def _fill(row: tuple[Any, ...]) -> Fill:
    return Fill(**dict(zip(Fill.__struct_fields__[1:], row, strict=True)))


def _trade(row: tuple[Any, ...]) -> Trade:
    return Trade(**dict(zip(Trade.__struct_fields__[1:], row, strict=True)))
