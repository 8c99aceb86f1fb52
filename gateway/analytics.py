"""GET /api/analytics: how an account has done, from what Postgres keeps: the course of its equity, and what its fills
realized, by symbol and by day. Exact: sums and differences of the ledger's own decimals."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Any, Final, NamedTuple

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from engine.messages import DecimalText
from gateway import auth, bodies, browser
from gateway.auth import Authenticator
from gateway.database import Database, Rows
from gateway.remembered import Remembered
from streams.analytics.figures import EquityFigures, Figures, performance
from streams.reports import live

MOST_POINTS: Final = 2_000
MOST_CHANGES: Final = 5_000
"""Changes of positions up to which all figures of the report are told: of more it would take too long."""
LATEST_NS: Final = (1 << 63) - 1
CURVE: Final = """
    WITH chosen AS (
        SELECT id, ts_ns, equity, drawdown, realized_pnl, unrealized_pnl, fees
        FROM pnl WHERE account = %(account)s AND ts_ns >= %(start_ns)s AND ts_ns < %(end_ns)s
    ), bounds AS (SELECT min(ts_ns) AS low, greatest((max(ts_ns) - min(ts_ns)) / %(points)s, 1) AS step FROM chosen)
    SELECT DISTINCT ON ((ts_ns - low) / step)
           ts_ns, equity::text, drawdown::text, realized_pnl::text, unrealized_pnl::text, fees::text
    FROM chosen, bounds ORDER BY (ts_ns - low) / step, id DESC"""
EXTREMES: Final = """
    SELECT max(drawdown)::text, max(peak_equity)::text
    FROM pnl WHERE account = %(account)s AND ts_ns >= %(start_ns)s AND ts_ns < %(end_ns)s"""
CHANGES: Final = """
    SELECT count(*) FROM (
        SELECT 1 FROM position_history WHERE account = %(account)s AND ts_ns < %(end_ns)s LIMIT %(most)s
    ) AS first_ones"""
REALIZED: Final = """
    SELECT symbol, (timestamp AT TIME ZONE 'UTC')::date::text AS day,
           sum(gain), sum(paid), count(*), count(*) FILTER (WHERE gain > 0), count(*) FILTER (WHERE gain < 0),
           coalesce(sum(gain) FILTER (WHERE gain > 0), 0), coalesce(sum(gain) FILTER (WHERE gain < 0), 0)
    FROM (
        SELECT symbol, timestamp, ts_ns,
               realized_pnl - lag(realized_pnl, 1, 0::numeric) OVER changes AS gain,
               fees - lag(fees, 1, 0::numeric) OVER changes AS paid
        FROM position_history WHERE account = %(account)s
        WINDOW changes AS (PARTITION BY symbol ORDER BY last_seq, last_index)
    ) AS fills
    WHERE ts_ns >= %(start_ns)s AND ts_ns < %(end_ns)s
    GROUP BY symbol, day ORDER BY symbol, day"""


class EquityPoint(msgspec.Struct, kw_only=True, frozen=True):
    ts_ns: int
    equity: DecimalText
    drawdown: DecimalText
    realized_pnl: DecimalText
    unrealized_pnl: DecimalText
    fees: DecimalText


class Performance(msgspec.Struct, kw_only=True, frozen=True):
    """What fills realized. A fill wins or loses where it closed something at a gain or a loss, before fees."""

    realized_pnl: DecimalText
    fees: DecimalText
    net_pnl: DecimalText
    fills: int
    wins: int
    losses: int
    win_rate: DecimalText | None
    """wins / (wins + losses), four decimals; null where nothing was closed."""
    profit_factor: DecimalText | None
    """Sum of the gains / sum of the losses, four decimals; null where there is no loss."""


class SymbolPerformance(Performance, kw_only=True, frozen=True):
    symbol: str


class DayPerformance(Performance, kw_only=True, frozen=True):
    day: str
    """UTC, as in 2026-01-31."""


class Analytics(msgspec.Struct, kw_only=True, frozen=True):
    account: str
    as_of_ns: int
    """When the database was asked: an answer is given again for nine times as long as it took, 30 s at most."""
    max_drawdown: DecimalText | None
    peak_equity: DecimalText | None
    equity: list[EquityPoint]
    """Oldest first; the last of each of at most `points` equal intervals."""
    figures: EquityFigures
    """Returns and risk, as `hft report` has them: time-weighted, drawdowns as parts of the peak."""
    report: Figures | None
    """All figures of `hft report`, those of fills and round trips too; null where nothing is there, or so much (5,000
    changes of positions up to the end of the range) that only the report itself goes through it."""
    total: Performance
    by_symbol: list[SymbolPerformance]
    by_day: list[DayPerformance]


class Realized(NamedTuple):
    """Of one symbol on one day."""

    symbol: str
    day: str
    gain: Decimal
    paid: Decimal
    fills: int
    wins: int
    losses: int
    won: Decimal
    lost: Decimal


def realized(rows: Iterable[Realized]) -> dict[str, Any]:
    """The fields of `Performance` of these rows together."""
    rows = list(rows)
    gain, paid = sum((row.gain for row in rows), Decimal(0)), sum((row.paid for row in rows), Decimal(0))
    won, lost = sum((row.won for row in rows), Decimal(0)), sum((row.lost for row in rows), Decimal(0))
    wins, losses = sum(row.wins for row in rows), sum(row.losses for row in rows)
    return {
        "realized_pnl": f"{gain:f}",
        "fees": f"{paid:f}",
        "net_pnl": f"{gain - paid:f}",
        "fills": sum(row.fills for row in rows),
        "wins": wins,
        "losses": losses,
        "win_rate": _ratio(Decimal(wins), Decimal(wins + losses)),
        "profit_factor": _ratio(won, -lost),
    }


def _ratio(part: Decimal, whole: Decimal) -> str | None:
    return None if whole == 0 else f"{(part / whole).quantize(Decimal('0.0001')):f}"


def grouped(rows: Iterable[Realized], name: Callable[[Realized], str]) -> dict[str, list[Realized]]:
    groups: dict[str, list[Realized]] = {}
    for row in rows:
        groups.setdefault(name(row), []).append(row)
    return dict(sorted(groups.items()))


def figures(account: str, rows: list[tuple[Any, ...]]) -> EquityFigures:
    """Of the rows of `live.CURVE`."""
    return performance(live.equity_frame(account, rows), rows[0][1] if rows else 0.0)


class AccountAnalytics:
    def __init__(self, authenticator: Authenticator, database: Database) -> None:
        self._authenticator = authenticator
        self._database = database
        self._answers: Remembered[bytes] = Remembered()

    async def show(self, request: Request) -> Response:
        """GET /api/analytics?account=&start_ns=&end_ns=&points=300"""
        identity = self._authenticator.identify(request)
        values = bodies.parameters(request, "account", "start_ns", "end_ns", "points")
        account = values.get("account") or auth.first_account(identity)
        if not auth.may_see(identity, account):
            raise auth.forbidden(account)
        end_ns = bodies.stamp(values, "end_ns")
        chosen = {
            "account": account,
            "start_ns": bodies.stamp(values, "start_ns") or 0,
            "end_ns": LATEST_NS if end_ns is None else end_ns,
            "points": bodies.whole(values, "points", 300, 2, MOST_POINTS),
        }
        return browser.reply(await self._answers.get(tuple(chosen.values()), lambda: self._read(chosen)))

    async def _read(self, chosen: dict[str, Any]) -> bytes:
        """The answer, as JSON. Goes through all that the account has in the range."""
        account, as_of_ns = chosen["account"], time.time_ns()
        async with self._database.moment() as ask:
            curve = await ask(CURVE, chosen)
            [(max_drawdown, peak)] = await ask(EXTREMES, chosen)
            course = await ask(live.CURVE, {**chosen, "points": live.POINTS})
            rows = [Realized(*row) for row in await ask(REALIZED, chosen)]
            report = await _report(ask, chosen, course)
        shown = Analytics(
            account=account,
            as_of_ns=as_of_ns,
            max_drawdown=max_drawdown,
            peak_equity=peak,
            equity=[EquityPoint(**dict(zip(EquityPoint.__struct_fields__, row, strict=True))) for row in curve],
            figures=await asyncio.to_thread(figures, account, course),
            report=None if report is None else await asyncio.to_thread(report),
            total=Performance(**realized(rows)),
            by_symbol=[
                SymbolPerformance(symbol=symbol, **realized(part))
                for symbol, part in grouped(rows, lambda row: row.symbol).items()
            ],
            by_day=[
                DayPerformance(day=day, **realized(part)) for day, part in grouped(rows, lambda row: row.day).items()
            ],
        )
        return browser.encoded(shown)


async def _report(ask: Rows, chosen: dict[str, Any], course: list[tuple[Any, ...]]) -> Callable[[], Figures] | None:
    """What makes all figures, None where they are not told. `course`: rows of `live.CURVE`."""
    [(changes,)] = await ask(CHANGES, {**chosen, "most": MOST_CHANGES + 1})
    if not course or changes > MOST_CHANGES:
        return None
    fills = await ask(live.FILLS_OF, chosen)
    history = await ask(live.HISTORY, chosen)
    [(marks,)] = await ask(live.LAST_MARKS, chosen)
    prices = await ask(live.PRICES, {**chosen, "after_ns": live.AFTER_NS})
    account, start_ns = chosen["account"], chosen["start_ns"]
    return lambda: live.result(account, start_ns, course, fills, [], history, marks, prices).figures
