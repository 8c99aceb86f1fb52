"""Bars for tests: from text, at random, and the recorded ones where they are there."""

from __future__ import annotations

import warnings
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from streams.backtest import bars
from streams.backtest.bar_data import BarSeries, series
from streams.backtest.seats import Entrant
from streams.strategies.instrument import Listed
from streams.strategies.strategy import Strategy, parameters

DAY_NS = 86_400 * 10**9
EUROSTOXX = Path(__file__).parents[4] / "shared" / "marketdata" / "bars" / "eurostoxx50_2006_daily.csv"


def table(rows: list[tuple[float, float, float, float]], *, volume: float = 0.0, step_ns: int = DAY_NS) -> pl.DataFrame:
    """Daily bars of (open, high, low, close)."""
    frame = pl.DataFrame(rows, schema=["open", "high", "low", "close"], orient="row")
    times = pl.Series([(k + 1) * step_ns for k in range(len(rows))], dtype=pl.Int64)
    return frame.with_columns(ts_ns=times, volume=pl.lit(volume))


def flat(prices: list[float]) -> pl.DataFrame:
    """Bars that stand still."""
    return table([(price, price, price, price) for price in prices])


def random_walk(seed: int, count: int, symbol: str = "TEST") -> tuple[BarSeries, Listed]:
    rng = np.random.default_rng(seed)
    close = 10_000 + rng.integers(-60, 61, count).cumsum()
    opened = np.concatenate([[10_000], close[:-1]]) + rng.integers(-20, 21, count)
    high = np.maximum(opened, close) + rng.integers(0, 40, count)
    low = np.minimum(opened, close) - rng.integers(0, 40, count)
    times = (np.arange(count, dtype=np.int64) + 1) * DAY_NS
    unit = Listed(symbol, Decimal("0.01"), Decimal(1))
    return BarSeries(symbol, times, opened, high, low, close, rng.integers(0, 1000, count).astype(float)), unit


def run(
    kind: type[Strategy], data: pl.DataFrame, plan: bars.Plan | None = None, *, symbol: str = "TEST", **given: Any
) -> bars.Result:
    one, unit = series(data, symbol, tick_size=Decimal("0.01"))
    return run_series(kind, [(one, unit)], plan, symbol=symbol, **given)


def run_series(
    kind: type[Strategy], data: list[tuple[BarSeries, Listed]], plan: bars.Plan | None = None, **given: Any
) -> bars.Result:
    units = {unit.symbol: unit for _, unit in data}
    chosen = parameters(kind, given)
    return bars.run([one for one, _ in data], units, [Entrant(kind, chosen, "test")], plan or bars.Plan())


def goog() -> Any:
    """The `backtesting` package's own data, as pandas has it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from backtesting.test import GOOG
    return GOOG


def eurostoxx() -> pl.DataFrame:
    if not EUROSTOXX.exists():
        pytest.skip("../shared/marketdata/bars is not there")
    return pl.read_csv(EUROSTOXX)
