"""Bars by the million: positions wanted at each close, traded at the next open, in one compiled pass.

It knows market orders only, and gives the fills and the money of the event-driven backtest (`bars`) for the same rule:
a test compares the two. Use it to search, and the event-driven one to believe."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final, NamedTuple

import numba
import numpy as np
import polars as pl
from numpy.typing import NDArray

from engine.units import MONEY_DECIMALS
from streams.backtest.accounting import Accounts, BookedFill, Marks
from streams.backtest.bar_data import BarSeries
from streams.backtest.fees import MILLION
from streams.backtest.result import ORDERS, Result, frame
from streams.strategies.instrument import Listed

MONEY: Final = 10**MONEY_DECIMALS
KEEP: Final = -(2**62)
"""In `targets`: leave the position as it is."""


class Outcome(NamedTuple):
    """What came of it, in integers."""

    equity: NDArray[np.int64]
    """(bars,): money units at each close."""
    lots: NDArray[np.int64]
    """(bars,): held at each close."""
    traded: NDArray[np.int64]
    """(bars,): signed lots bought at each open."""
    cash: int
    fees: int
    fills: int


def run(
    data: BarSeries, unit: Listed, targets: NDArray[np.int64], *, cash: Decimal = Decimal(10_000), fee_ppm: int = 0
) -> Outcome:
    """`targets`: (bars,) lots wanted at each close, `KEEP` where nothing is to change; each is traded at the open of
    the next bar. Raises ValueError where there is not one for each bar."""
    if targets.shape != data.close.shape:
        raise ValueError(f"{len(targets)} targets for {data.rows} bars")
    equity, lots, traded = (np.zeros(data.rows, np.int64) for _ in range(3))
    money = unit.scale.money_per_tick_lot
    left, fees, fills = _trade(data.open, data.close, targets, int(cash * MONEY), money, fee_ppm, equity, lots, traded)
    return Outcome(equity, lots, traded, int(left), int(fees), int(fills))


def lots_of(expression: pl.Expr, data: BarSeries, unit: Listed) -> NDArray[np.int64]:
    """Targets of a Polars expression over open, high, low, close and volume: the quantity wanted, null to keep."""
    columns: dict[str, Any] = {
        name: np.array([unit.price(ticks) for ticks in getattr(data, name).tolist()])
        for name in ("open", "high", "low", "close")
    }
    table = pl.DataFrame({**columns, "volume": data.volume, "ts_ns": data.ts_ns})
    wanted = table.select(expression.cast(pl.Float64).alias("wanted"))["wanted"]
    lots = np.rint(wanted.fill_null(0.0).to_numpy() / unit.quantity(1)).astype(np.int64)
    lots[wanted.is_null().to_numpy()] = KEEP
    return lots


@numba.njit(cache=True, nogil=True)
def cross_targets(close: NDArray[np.int64], fast: int, slow: int, lots: int, short: bool) -> NDArray[np.int64]:
    """Targets of a moving-average cross: `lots` from the close at which the fast average has crossed above the slow
    one, −`lots` or 0 from the one at which it has crossed below. Averages are compared as exact sums."""
    targets = np.full(len(close), KEEP, np.int64)
    fast_sum = slow_sum = 0
    above = 0
    for i in range(len(close)):
        fast_sum += close[i]
        slow_sum += close[i]
        if i >= fast:
            fast_sum -= close[i - fast]
        if i >= slow:
            slow_sum -= close[i - slow]
        if i < slow - 1:
            continue
        difference = fast_sum * slow - slow_sum * fast
        if difference == 0:
            continue
        now = 1 if difference > 0 else -1
        if above not in (0, now):
            targets[i] = lots if now > 0 else (-lots if short else 0)
        above = now
    return targets


@numba.njit(cache=True, nogil=True)
def _trade(
    opened: NDArray[np.int64],
    close: NDArray[np.int64],
    targets: NDArray[np.int64],
    cash: int,
    money: int,
    fee_ppm: int,
    equity: NDArray[np.int64],
    lots: NDArray[np.int64],
    traded: NDArray[np.int64],
) -> tuple[int, int, int]:
    held = fees = fills = 0
    for i in range(len(opened)):
        if i > 0 and targets[i - 1] not in (KEEP, held):
            bought = targets[i - 1] - held
            value = bought * opened[i] * money
            fee = _half_even(abs(value) * fee_ppm, MILLION)
            cash -= value + fee
            fees += fee
            held += bought
            traded[i] = bought
            fills += 1
        lots[i] = held
        equity[i] = cash + held * close[i] * money
    return cash, fees, fills


@numba.njit(cache=True, nogil=True)
def _half_even(numerator: int, denominator: int) -> int:
    quotient, rest = numerator // denominator, numerator % denominator
    twice = 2 * rest
    if twice > denominator or (twice == denominator and quotient & 1):
        quotient += 1
    return quotient


def as_result(data: BarSeries, unit: Listed, outcome: Outcome, cash: Decimal, *, fee_ppm: int = 0) -> Result:
    """The outcome in the form that every backtest gives."""
    accounts = Accounts({data.symbol: unit}, {"backtest": int(cash * MONEY)})
    for row in np.flatnonzero(outcome.traded).tolist():
        lots, ticks = int(outcome.traded[row]), int(data.open[row])
        fee = int(_half_even(abs(lots) * ticks * unit.scale.money_per_tick_lot * fee_ppm, MILLION))
        decided_ns, price = int(data.ts_ns[row - 1]), unit.price(int(data.close[row - 1]))
        accounts.book(
            BookedFill(
                int(data.ts_ns[row]), "backtest", "vectorized", data.symbol, lots, ticks, fee, "taker",
                f"vectorized-{row}", decided_ns, price,
            )
        )  # fmt: skip
    marks = {data.symbol: Marks(data.ts_ns, 2 * data.close)}
    return Result(
        equity=accounts.equity_frame(marks),
        orders=frame([], ORDERS),
        fills=accounts.fill_frame(),
        trades=accounts.trade_frame(marks),
        marks=accounts.mark_frame(marks),
        starting_cash=float(cash),
        assumptions={"data": f"bars of {data.symbol}", "fills": "at the next open", "fees": f"{fee_ppm} ppm"},
        strategies=("vectorized",),
    )
