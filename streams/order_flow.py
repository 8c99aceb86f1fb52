"""Order-flow statistics as a pure fold over the execution reports of one symbol: integers, no clock.

Units: prices in ticks, quantities in lots, times in nanoseconds since the epoch, UTC; returns in 1e-9. What is counted
is what the last WINDOW_S seconds of `ts_ns` hold, in steps of STEP_S. `docs/agents.md` has the definitions in words.
"""

from __future__ import annotations

from math import isqrt
from typing import Final, NamedTuple

from msgspec import Struct

from engine.units import divide_half_even
from engine.words import ExecType, Liquidity

WINDOW_S: Final = 60
STEP_S: Final = 5
STEP_NS: Final = STEP_S * 1_000_000_000
STEPS: Final = WINDOW_S // STEP_S
ONE: Final = 1_000_000_000
"""Ratios and returns are counted in parts of it."""

NEW: Final = ExecType.NEW.wire
TRADE: Final = ExecType.TRADE.wire
REJECTED: Final = ExecType.REJECTED.wire
ENDED: Final = frozenset({ExecType.CANCELED.wire, ExecType.EXPIRED.wire})
TAKER: Final = Liquidity.TAKER.wire


class Report(Struct, frozen=True):
    """Of an execution report what is counted: `lots` traded, or ended without a trade; 0 where it is neither."""

    seq: int
    index: int
    ts_ns: int
    exec_type: str
    buys: bool
    taker: bool
    lots: int
    price: int


class Totals(NamedTuple):
    """What happened in a span of time. `filled` counts both sides of each trade, the others its taker only."""

    orders: int = 0
    rejected: int = 0
    canceled: int = 0
    trades: int = 0
    volume: int = 0
    bought: int = 0
    turnover: int = 0
    filled: int = 0
    unfilled: int = 0
    squares: int = 0
    """Sum of the squared returns from each trade to the next, in 1e-18."""


class Flow(Struct, frozen=True):
    """A symbol's last minute: (number of the step, totals), oldest first, and its last trade price."""

    steps: tuple[tuple[int, Totals], ...] = ()
    last_price: int = 0
    last_seq: int = 0
    last_index: int = -1
    ts_ns: int = 0


EMPTY: Final = Flow()


def take(flow: Flow, report: Report) -> Flow:
    """The flow after a report; the same object where it, or a later one, was counted before."""
    if (report.seq, report.index) <= (flow.last_seq, flow.last_index):
        return flow
    number = report.ts_ns // STEP_NS
    steps, totals = flow.steps, Totals()
    if steps and steps[-1][0] >= number:  # the engine's stamps never run back; whoever's do is counted as now
        number, totals = steps[-1]
        steps = steps[:-1]
    counted, price = _count(totals, flow.last_price, report)
    kept = tuple(step for step in steps if step[0] > number - STEPS)
    return Flow((*kept, (number, counted)), price, report.seq, report.index, report.ts_ns)


def _count(totals: Totals, last_price: int, report: Report) -> tuple[Totals, int]:
    if report.exec_type == TRADE:
        filled = totals.filled + report.lots
        if not report.taker:
            return totals._replace(filled=filled), last_price
        step = (report.price - last_price) * ONE // last_price if last_price else 0
        return totals._replace(
            trades=totals.trades + 1,
            volume=totals.volume + report.lots,
            bought=totals.bought + (report.lots if report.buys else 0),
            turnover=totals.turnover + report.lots * report.price,
            filled=filled,
            squares=totals.squares + step * step,
        ), report.price
    if report.exec_type == NEW:
        return totals._replace(orders=totals.orders + 1), last_price
    if report.exec_type == REJECTED:
        return totals._replace(rejected=totals.rejected + 1), last_price
    if report.exec_type in ENDED:
        return totals._replace(canceled=totals.canceled + 1, unfilled=totals.unfilled + report.lots), last_price
    return totals, last_price


def window(flow: Flow) -> Totals:
    """The sums of the last minute."""
    return Totals(*(sum(column) for column in zip(*(totals for _, totals in flow.steps), strict=True)))


def ratio(part: int, whole: int) -> int | None:
    """part / whole in 1e-9, half to even; None where the whole is 0."""
    return divide_half_even(part * ONE, whole) if whole else None


def volatility(totals: Totals) -> int:
    """The square root of the summed squared returns, in 1e-9, rounded down."""
    return isqrt(totals.squares)
