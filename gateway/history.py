"""What Postgres keeps: the sinks' tables, in the words of the wire."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Any, Final, NamedTuple

import msgspec

from engine.messages import Fill, Order, Position, Trade
from engine.records import exec_id
from gateway.database import Database
from gateway.paging import Place, not_a_cursor
from streams.candles import INTERVALS_S
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
           fee::text, liquidity, order_id::text, client_order_id, strategy, action_seq
    FROM executions"""
POSITION: Final = """
    SELECT account, symbol, quantity::text, average_price::text, cost::text, realized_pnl::text, fees::text,
           bought_quantity::text, sold_quantity::text, last_price::text, last_seq, last_index, ts_ns, action_seq
    FROM positions"""
POSITION_FIELDS: Final = tuple(name for name in Position.__struct_fields__ if name not in ("v", "strategies"))
"""In the order of the query. The strategies of a record are those that it changes, which is history."""
TRADE: Final = """
    SELECT trade_id, seq, index, ts_ns, transact_ns, symbol, price::text, quantity::text, aggressor_side, hidden,
           action_seq
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
        FROM trades
        WHERE symbol = %(symbol)s AND event_ns >= %(start_ns)s AND event_ns < %(end_ns)s
        ORDER BY event_ns DESC LIMIT %(trades)s
    ) AS newest
    GROUP BY 1 ORDER BY 1 DESC LIMIT %(limit)s"""


BARS: Final = """
    SELECT start_ns / 1000000000, open::text, high::text, low::text, close::text, volume::text
    FROM candles
    WHERE symbol = %(symbol)s AND interval_s = %(interval_s)s
          AND timestamp >= to_timestamp(%(start_s)s) AND timestamp < to_timestamp(%(end_s)s)
    ORDER BY timestamp DESC LIMIT %(limit)s"""
MOST_BARS: Final = 100_000
"""Read for one answer."""
LATEST_S: Final = 9_000_000_000
"""Seconds that fit a stamp in nanoseconds."""
SECOND_NS: Final = 1_000_000_000


class Candle(msgspec.Struct):
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
        self, chosen: Chosen, statuses: frozenset[str] | None, beyond: Place | None, limit: int
    ) -> list[Order]:
        """In the order that is asked for."""
        conditions = chosen.conditions("created_ns")
        if statuses is not None:
            conditions.add("status = ANY(%s)", sorted(statuses))
        for column in ("order_type", "client_order_id"):
            conditions.equal(column, getattr(chosen, column))
        if beyond is not None:
            conditions.add(f"order_id {chosen.beyond} %s", beyond[0])
        # `order_id` alone would be the text that is selected, of which "9" comes after "10".
        query = f"{ORDER} {conditions.where} ORDER BY orders.order_id {chosen.direction} LIMIT %s"
        return [_order(row) for row in await self._database.rows(query, (*conditions.values, limit))]

    async def executions(self, chosen: Chosen, beyond: Place | None, limit: int) -> list[Fill]:
        """In the order that is asked for."""
        conditions = chosen.conditions("ts_ns")
        if chosen.order_id is not None:
            conditions.add("order_id = %s", int(chosen.order_id))
        if beyond is not None:
            conditions.add(f"id {chosen.beyond} %s", _report_id(beyond))
        query = f"{EXECUTION} {conditions.where} ORDER BY id {chosen.direction} LIMIT %s"
        return [_fill(row) for row in await self._database.rows(query, (*conditions.values, limit))]

    async def positions(self, accounts: frozenset[str] | None) -> list[Position]:
        chosen = Conditions(account=accounts)
        rows = await self._database.rows(f"{POSITION} {chosen.where} ORDER BY account, symbol", chosen.values)
        return [Position(**dict(zip(POSITION_FIELDS, row, strict=True))) for row in rows]

    async def trades(self, symbol: str, limit: int, beyond: Place | None = None) -> list[Trade]:
        """Newest first."""
        conditions = Conditions()
        conditions.equal("symbol", symbol)
        if beyond is not None:
            conditions.add("(seq, index) < (%s, %s)", *beyond)
        query = f"{TRADE} {conditions.where} ORDER BY seq DESC, index DESC LIMIT %s"
        return [_trade(row) for row in await self._database.rows(query, (*conditions.values, limit))]

    async def candles(
        self, symbol: str, interval_s: int, limit: int, start_s: int = 0, end_s: int = LATEST_S
    ) -> list[Candle]:
        """Oldest first; only intervals with trades, the newest `limit` that begin within [start, end): of the bars that
        the agent has made, and of the trades since its newest one."""
        base_s = max(made for made in INTERVALS_S if interval_s % made == 0)
        # Whole candles only: those that begin within the range.
        start_s, end_s = (-(-bound // interval_s) * interval_s for bound in (start_s, end_s))
        most = min(limit * (interval_s // base_s) + 1, MOST_BARS)
        values: dict[str, Any] = {
            "symbol": symbol,
            "interval_s": base_s,
            "start_s": start_s,
            "end_s": min(end_s, LATEST_S),
            "limit": most,
        }
        stored = await self._database.rows(BARS, values)
        fresh_s = max(start_s, stored[0][0]) if stored else start_s
        values |= {
            "interval_ns": base_s * SECOND_NS,
            "start_ns": fresh_s * SECOND_NS,
            "end_ns": values["end_s"] * SECOND_NS,
            "trades": CANDLE_TRADES,
        }
        fresh = await self._database.rows(CANDLES, values)
        if sum(row[6] for row in fresh) == CANDLE_TRADES:
            fresh = fresh[:-1]  # its interval began before the trades that were read
        bars = {row[0]: Candle(*row[:6]) for row in (*stored, *fresh)}
        made = joined([bars[start] for start in sorted(bars)], interval_s)
        if most in (len(stored), len(fresh)):
            made = made[1:]  # its first bars were not read
        return made[-limit:]


def joined(bars: list[Candle], interval_s: int) -> list[Candle]:
    """Bars, oldest first, of an interval that divides `interval_s`, as candles of that length."""
    made: list[Candle] = []
    for bar in bars:
        start = bar.time_s // interval_s * interval_s
        if not made or made[-1].time_s != start:
            made.append(msgspec.structs.replace(bar, time_s=start))
            continue
        last = made[-1]
        made[-1] = Candle(
            time_s=start,
            open=last.open,
            high=max(last.high, bar.high, key=Decimal),
            low=min(last.low, bar.low, key=Decimal),
            close=bar.close,
            volume=f"{Decimal(last.volume) + Decimal(bar.volume):f}",
        )
    return made


def _report_id(place: Place) -> int:
    try:
        return report_id(exec_id(*place))
    except ValueError:
        raise not_a_cursor() from None


class Chosen(NamedTuple):
    """What a list of orders or executions is to hold; None leaves a column free."""

    accounts: frozenset[str] | None = None
    symbol: str | None = None
    side: str | None = None
    strategy: str | None = None
    order_type: str | None = None
    client_order_id: str | None = None
    order_id: str | None = None
    start_ns: int | None = None
    """First nanosecond: of an order's entry, of a fill."""
    end_ns: int | None = None
    """First nanosecond that is no longer part of it."""
    oldest_first: bool = False

    def holds(self, record: Order | Fill) -> bool:
        """Whether the record belongs to the list, but for its account."""
        ts_ns = record.created_ns if isinstance(record, Order) else record.ts_ns
        return (
            all(
                getattr(record, name) == wanted
                for name in ("symbol", "side", "strategy", "order_type", "client_order_id", "order_id")
                if (wanted := getattr(self, name)) is not None
            )
            and (self.start_ns is None or ts_ns >= self.start_ns)
            and (self.end_ns is None or ts_ns < self.end_ns)
        )

    def conditions(self, stamp: str) -> Conditions:
        """`stamp`: the column that `start_ns` and `end_ns` mean."""
        made = Conditions(account=self.accounts)
        for column in ("symbol", "side", "strategy"):
            made.equal(column, getattr(self, column))
        if self.start_ns is not None:
            made.add(f"{stamp} >= %s", self.start_ns)
        if self.end_ns is not None:
            made.add(f"{stamp} < %s", self.end_ns)
        return made

    @property
    def beyond(self) -> str:
        return ">" if self.oldest_first else "<"

    @property
    def direction(self) -> str:
        return "ASC" if self.oldest_first else "DESC"


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
