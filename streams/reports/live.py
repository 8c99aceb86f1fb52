"""A live account in the form of a backtest's result, from what Postgres keeps (docs/sql.md)."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Any, Final, NamedTuple

import msgspec
import polars as pl
import psycopg

from engine.messages import Mark, StrategyPosition
from streams.analytics.execution import MINUTES, QUICK
from streams.backtest.bar_data import DataError
from streams.backtest.result import EQUITY, FILLS, MARKS, ORDERS, TRADES, Result, frame

POINTS: Final = 20_000
"""Moments at which equity is read, beside those of payments: more would not be seen."""

CURVE: Final = """
    WITH chosen AS MATERIALIZED (
        SELECT id, ts_ns, equity, realized_pnl, unrealized_pnl, fees, gross_exposure, net_exposure, deposits
        FROM pnl WHERE account = %(account)s AND ts_ns >= %(start_ns)s AND ts_ns < %(end_ns)s
    ), bounds AS (
        SELECT min(id) AS first, min(ts_ns) AS low, greatest((max(ts_ns) - min(ts_ns)) / %(points)s, 1) AS step,
               min(deposits) <> max(deposits) AS is_paid
        FROM chosen
    ), last AS (
        SELECT max(id) AS id FROM chosen, bounds GROUP BY (ts_ns - low) / step
    ), paid AS (
        SELECT id, before FROM (
            SELECT id, deposits, lag(deposits) OVER course AS was, lag(id) OVER course AS before
            FROM chosen WHERE (SELECT is_paid FROM bounds) WINDOW course AS (ORDER BY id)
        ) AS steps WHERE deposits <> was
    ), kept AS (
        SELECT id FROM last UNION SELECT id FROM paid UNION SELECT before FROM paid UNION SELECT first FROM bounds
    )
    SELECT ts_ns, equity::float8, realized_pnl::float8, unrealized_pnl::float8, fees::float8, gross_exposure::float8,
           net_exposure::float8, deposits::float8
    FROM chosen JOIN kept USING (id) ORDER BY id"""
"""Equity: the last of each of `points` equal intervals, the first, and what stands around every payment, so that
growth between payments is exact."""

FILLS_OF: Final = """
    SELECT e.ts_ns, e.account, coalesce(e.strategy, ''), e.symbol, e.side, e.fill_qty::float8, e.fill_price::float8,
           e.fee::float8, e.liquidity, e.client_order_id, coalesce(o.created_ns, e.ts_ns), (
               SELECT t.price::float8 FROM trades t WHERE t.symbol = e.symbol AND t.seq < o.entered_seq
               ORDER BY t.seq DESC, t.index DESC LIMIT 1
           )
    FROM executions e LEFT JOIN LATERAL (
        SELECT orders.created_ns, (
            SELECT min(v.seq) FROM order_events v WHERE v.order_id = e.order_id
        ) AS entered_seq FROM orders WHERE orders.order_id = e.order_id
    ) o ON true
    WHERE e.account = %(account)s AND e.ts_ns >= %(start_ns)s AND e.ts_ns < %(end_ns)s
    ORDER BY e.id"""
"""Fills, with the last trade before the order came as the price that was known when it was decided."""

ORDERS_OF: Final = """
    SELECT client_order_id, account, coalesce(strategy, ''), symbol, side, order_type, time_in_force, quantity::float8,
           price::float8, stop_price::float8, status, filled_qty::float8, average_price::float8, reason, created_ns,
           created_ns, updated_ns
    FROM orders WHERE account = %(account)s AND created_ns >= %(start_ns)s AND created_ns < %(end_ns)s
    ORDER BY order_id"""

HISTORY: Final = """
    SELECT symbol, ts_ns, quantity, average_price, cost, realized_pnl, fees, strategies
    FROM position_history WHERE account = %(account)s AND ts_ns < %(end_ns)s
    ORDER BY last_seq, last_index"""

LAST_MARKS: Final = """
    SELECT marks FROM pnl WHERE account = %(account)s AND ts_ns < %(end_ns)s ORDER BY id DESC LIMIT 1"""

PRICES: Final = """
    WITH wanted AS (
        SELECT DISTINCT symbol, ts_ns + after_ns AS at FROM executions, unnest(%(after_ns)s::bigint[]) AS after_ns
        WHERE account = %(account)s AND ts_ns >= %(start_ns)s AND ts_ns < %(end_ns)s
        UNION SELECT DISTINCT symbol, 9223372036854775807 FROM executions
        WHERE account = %(account)s AND ts_ns >= %(start_ns)s AND ts_ns < %(end_ns)s
    )
    SELECT DISTINCT event_ns, symbol, price FROM wanted CROSS JOIN LATERAL (
        SELECT t.event_ns, t.price::float8 AS price FROM trades t
        WHERE t.symbol = wanted.symbol AND t.event_ns <= wanted.at ORDER BY t.event_ns DESC, t.id DESC LIMIT 1
    ) AS last ORDER BY symbol, event_ns"""
"""The last trade at each horizon after each fill, which is all that markouts look at, and the symbol's last one."""

AFTER_NS: Final = [round(horizon * 10**9) for horizon in (*QUICK, *MINUTES)]


class Change(NamedTuple):
    """The position of one strategy (or of what carries no tag) in one symbol after a fill or a corporate action."""

    strategy: str
    symbol: str
    ts_ns: int
    quantity: Decimal
    average_price: Decimal | None
    cost: Decimal
    realized_pnl: Decimal
    fees: Decimal


def read(dsn: str, account: str, start_ns: int, end_ns: int) -> Result:
    """The account in [start, end). Raises `DataError` where Postgres does not answer or has nothing of the account."""
    chosen: dict[str, Any] = {"account": account, "start_ns": start_ns, "end_ns": end_ns, "points": POINTS}
    try:
        with psycopg.connect(dsn, connect_timeout=5) as connection:
            connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ  # the account trades on meanwhile
            equity = connection.execute(CURVE, chosen).fetchall()
            if not equity:
                raise DataError(f"{account}: Postgres holds no P&L of that account in that time")
            fills = connection.execute(FILLS_OF, chosen).fetchall()
            orders = connection.execute(ORDERS_OF, chosen).fetchall()
            history = connection.execute(HISTORY, chosen).fetchall()
            ((marks,),) = connection.execute(LAST_MARKS, chosen).fetchall()
            prices = connection.execute(PRICES, {**chosen, "after_ns": AFTER_NS}).fetchall()
    except psycopg.Error as error:
        raise DataError(f"Postgres: {str(error).splitlines()[0]}") from None
    return result(account, start_ns, equity, fills, orders, history, marks, prices)


def result(
    account: str,
    start_ns: int,
    equity: list[tuple[Any, ...]],
    fills: list[tuple[Any, ...]],
    orders: list[tuple[Any, ...]],
    history: list[tuple[Any, ...]],
    marks: Any,
    prices: list[tuple[Any, ...]],
) -> Result:
    """Of the rows of these queries; there is some equity. `marks`: those of the last row of P&L."""
    changes = by_strategy(history)
    known = msgspec.convert(marks, dict[str, Mark])
    trips = round_trips(account, changes, {name: Decimal(mark.price) for name, mark in known.items()}, equity[-1][0])
    return Result(
        equity=equity_frame(account, equity),
        orders=frame(orders, ORDERS),
        fills=fill_frame(fills),
        trades=frame(trips, TRADES).filter(pl.col("exit_ns") >= start_ns),
        marks=frame(prices, MARKS),
        starting_cash=equity[0][1],
        assumptions={
            "data": "the live account, as Postgres keeps it",
            "equity": f"at most {POINTS:,} moments, and every payment",
            "slippage": "against the last trade before the order came",
            "round trips": "by strategy, in the ledger's realized P&L less fees; what carries no tag is one of its own",
            "markout": "at the last trade",
        },
        strategies=tuple(sorted({row[2] for row in fills if row[2]})),
        events=len(changes),
    )


def equity_frame(account: str, rows: Iterable[tuple[Any, ...]]) -> pl.DataFrame:
    """Of the rows of `CURVE`; payments are counted from the first row on."""
    found = []
    before: float | None = None
    for ts_ns, equity, realized, unrealized, fees, gross, net, deposits in rows:
        before = deposits if before is None else before
        found.append((ts_ns, account, equity, equity - net, realized, unrealized, fees, gross, net, deposits - before))
    return frame(found, EQUITY)


def fill_frame(rows: Iterable[tuple[Any, ...]]) -> pl.DataFrame:
    """Of the rows of `FILLS_OF`, with the position of the strategy since the first of them."""
    held: dict[tuple[str, str], float] = {}
    found = []
    for row in rows:
        key = (row[2], row[3])
        held[key] = held.get(key, 0.0) + (row[5] if row[4] == "buy" else -row[5])
        found.append((*row, held[key]))
    return frame(found, FILLS)


def by_strategy(rows: Iterable[tuple[Any, ...]]) -> list[Change]:
    """Rows of `HISTORY` as changes of the strategies' own positions. What carries no tag is what is left of the
    account's position without them, so that all of them add up to the account's."""
    accounts: dict[str, Change] = {}
    tagged: dict[str, dict[str, Change]] = {}
    rests: dict[str, Change] = {}
    found = []
    for symbol, ts_ns, quantity, average, cost, realized, fees, strategies in rows:
        accounts[symbol] = Change("", symbol, ts_ns, quantity, average, cost, realized, fees)
        own = tagged.setdefault(symbol, {})
        for one in msgspec.convert(strategies, list[StrategyPosition]):
            own[one.strategy] = Change(
                one.strategy,
                symbol,
                ts_ns,
                Decimal(one.quantity),
                None if one.average_price is None else Decimal(one.average_price),
                Decimal(one.cost),
                Decimal(one.realized_pnl),
                Decimal(one.fees),
            )
            found.append(own[one.strategy])
        rest = _rest(accounts[symbol], own.values())
        if rest._replace(ts_ns=0) != rests.get(symbol, _nothing(symbol))._replace(ts_ns=0):
            rests[symbol] = rest
            found.append(rest)
    return found


def _nothing(symbol: str) -> Change:
    return Change("", symbol, 0, Decimal(0), None, Decimal(0), Decimal(0), Decimal(0))


def _rest(whole: Change, parts: Iterable[Change]) -> Change:
    quantity, cost, realized, fees = whole.quantity, whole.cost, whole.realized_pnl, whole.fees
    for part in parts:
        quantity -= part.quantity
        cost -= part.cost
        realized -= part.realized_pnl
        fees -= part.fees
    average = cost / quantity if quantity else None
    return Change("", whole.symbol, whole.ts_ns, quantity, average, cost, realized, fees)


def round_trips(
    account: str, changes: Iterable[Change], prices: dict[str, Decimal], end_ns: int
) -> list[tuple[Any, ...]]:
    """Rows of `TRADES`: from flat, or from the other side, until flat again. Money is the ledger's, so that splits,
    dividends and fees are in it. `exit_price` is the one that would have given that money at the largest quantity;
    what is open is valued at `prices`."""
    found: list[tuple[Any, ...]] = []
    open_trips: dict[tuple[str, str], _Trip] = {}
    last: dict[tuple[str, str], Change] = {}
    for change in changes:
        key = (change.strategy, change.symbol)
        before = last.get(key, _nothing(change.symbol))
        last[key] = change
        trip = open_trips.get(key)
        turned = before.quantity * change.quantity < 0
        if trip is not None and (change.quantity == 0 or turned):
            found.append(trip.row(account, key, change, change.ts_ns, Decimal(0), is_open=False))
            del open_trips[key]
            trip = None
        if change.quantity != 0:
            if trip is None:
                # What a fill that turns the position around earned and cost belongs to what it closed.
                base = change if turned else before
                trip = _Trip(change.ts_ns, change.quantity, change.average_price or Decimal(0), base)
            elif abs(change.quantity) > abs(trip.largest):
                trip = trip._replace(largest=change.quantity, entry_price=change.average_price or Decimal(0))
            open_trips[key] = trip
    for key, trip in open_trips.items():
        change = last[key]
        price = prices.get(key[1])
        unrealized = Decimal(0) if price is None else change.quantity * price - change.cost
        found.append(trip.row(account, key, change, end_ns, unrealized, is_open=True))
    return found


class _Trip(NamedTuple):
    entry_ns: int
    largest: Decimal
    """Signed."""
    entry_price: Decimal
    base: Change
    """Before it: its money is not this trip's."""

    def row(
        self, account: str, key: tuple[str, str], now: Change, exit_ns: int, unrealized: Decimal, *, is_open: bool
    ) -> tuple[Any, ...]:
        gross = now.realized_pnl - self.base.realized_pnl + unrealized
        fees = now.fees - self.base.fees
        return (
            account,
            key[0],
            key[1],
            "long" if self.largest > 0 else "short",
            float(abs(self.largest)),
            self.entry_ns,
            float(self.entry_price),
            exit_ns,
            float(self.entry_price + gross / self.largest),
            float(gross - fees),
            float(fees),
            is_open,
        )
