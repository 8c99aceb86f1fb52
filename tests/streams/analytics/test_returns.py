"""Figures of returns and drawdowns: those of an established library, and of the slow and obvious way."""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from streams.analytics import returns
from streams.analytics.curve import Curve, curve, returns_of, sampled
from streams.analytics.drawdown import drawdowns, max_drawdown, underwater
from tests.streams.backtest.bar_tables import goog

DAY_NS = 86_400 * 10**9
NORMAL = [np.random.default_rng(seed).normal(0.0005, 0.01, size) for seed, size in ((1, 2500), (2, 61), (3, 2))]
GROWTH = arrays(np.float64, st.integers(1, 40), elements=st.floats(0.01, 100))


@pytest.fixture(scope="module")
def theirs() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import empyrical
    return empyrical


def closing() -> Any:
    return goog()["Close"].to_numpy()


@pytest.mark.parametrize("rates", [*NORMAL, closing()[1:] / closing()[:-1] - 1], ids=["long", "short", "two", "GOOG"])
@pytest.mark.parametrize("year", [252, 365, 365 * 24 * 60])
def test_figures_are_those_of_empyrical(theirs: Any, rates: Any, year: int) -> None:
    """To a part in 10^9."""
    growth = np.concatenate([[1.0], np.cumprod(1 + rates)])
    depth = max_drawdown(growth)
    pairs = [
        (returns.total_return(rates), theirs.cum_returns_final(rates)),
        (returns.cagr(rates, year), theirs.cagr(rates, annualization=year)),
        (returns.volatility(rates, year), theirs.annual_volatility(rates, annualization=year)),
        (returns.sharpe(rates, year), theirs.sharpe_ratio(rates, annualization=year)),
        (returns.downside_deviation(rates, year), theirs.downside_risk(rates, annualization=year)),
        (returns.sortino(rates, year), theirs.sortino_ratio(rates, annualization=year)),
        (-depth, theirs.max_drawdown(rates)),
        (returns.calmar(returns.cagr(rates, year), depth), theirs.calmar_ratio(rates, annualization=year)),
        (returns.value_at_risk(rates), theirs.value_at_risk(rates)),
        (returns.conditional_value_at_risk(rates), theirs.conditional_value_at_risk(rates)),
    ]
    for ours, reference in pairs:
        assert ours == pytest.approx(reference, rel=1e-9, nan_ok=True)


def test_moments_are_those_of_scipy() -> None:
    from scipy import stats

    for rates in (*NORMAL, closing()[1:] / closing()[:-1] - 1):
        assert returns.skewness(rates) == pytest.approx(stats.skew(rates), rel=1e-9)
        assert returns.kurtosis(rates) == pytest.approx(stats.kurtosis(rates, fisher=False), rel=1e-9)
    tiny = NORMAL[0] * 1e-90
    assert returns.kurtosis(tiny) == pytest.approx(returns.kurtosis(NORMAL[0]), rel=1e-9)


def test_what_is_not_defined_is_no_number() -> None:
    none, flat, gains = np.array([]), np.full(30, 0.01), np.array([0.01, 0.02])
    for figure in (returns.total_return, returns.value_at_risk, returns.conditional_value_at_risk):
        assert math.isnan(figure(none))
    for scaled in (returns.cagr, returns.volatility, returns.sharpe, returns.sortino, returns.downside_deviation):
        assert math.isnan(scaled(none, 252))
    assert math.isnan(returns.sharpe(flat, 252)), "no spread, whatever rounding makes of it"
    assert math.isnan(returns.sortino(gains, 252)), "no loss"
    assert math.isnan(returns.calmar(0.1, 0.0))
    assert returns.cagr(np.array([0.5, -1.0]), 252) == -1
    assert returns.cagr(np.array([9.0]), 365 * 86_400) == math.inf
    assert (returns.skewness(flat), returns.kurtosis(flat)) == (0.0, 3.0)


@given(GROWTH)
def test_drawdowns_are_those_of_the_slow_way(growth: Any) -> None:
    times = np.arange(len(growth), dtype=np.int64) * 10
    slow = max(1 - growth[j] / growth[i] for i in range(len(growth)) for j in range(i, len(growth)))
    assert max_drawdown(growth) == pytest.approx(slow, rel=1e-12, abs=1e-15)
    falls = drawdowns(times, growth)
    assert max((fall.depth for fall in falls), default=0.0) == pytest.approx(slow, rel=1e-12, abs=1e-15)
    below = underwater(growth) > 0
    inside = np.zeros(len(growth), bool)
    for fall in falls:
        end = len(growth) if fall.recovered_ns is None else fall.recovered_ns // 10
        peak = fall.peak_ns // 10
        assert growth[fall.trough_ns // 10] == growth[peak:end].min()
        assert end == len(growth) or growth[end] >= growth[peak]
        assert fall.length_ns(int(times[-1])) >= fall.trough_ns - fall.peak_ns > 0
        assert not inside[peak + 1 : end].any(), "they do not overlap"
        inside[peak + 1 : end] = True
    assert (inside >= below).all()


@given(GROWTH, st.lists(st.floats(-50, 1000), min_size=40, max_size=40), st.floats(0.5, 2000))
def test_payments_are_neither_gain_nor_loss(growth: Any, payments: list[float], starting: float) -> None:
    """An account that grows as the curve says and is paid into and out of has that curve."""
    times = np.arange(len(growth), dtype=np.int64)
    equity, deposits = [starting], [0.0]
    for k, step in enumerate((growth[1:] / growth[:-1]).tolist()):
        earned = equity[-1] * step
        paid = max(payments[k], 1 - earned)
        equity.append(earned + paid)
        deposits.append(deposits[-1] + paid)
    found = curve(times, np.array(equity), np.array(deposits), starting)
    assert found.growth == pytest.approx(growth / growth[0], rel=1e-6)


def test_an_account_without_equity_earns_nothing() -> None:
    times = np.arange(5, dtype=np.int64)
    equity = np.array([0.0, 0.0, 100.0, 110.0, 60.0])
    deposits = np.array([0.0, 0.0, 100.0, 100.0, 50.0])
    found = curve(times, equity, deposits, 0.0)
    assert found.growth.tolist() == pytest.approx([1, 1, 1, 1.1, 1.1])
    assert curve(times[:0], equity[:0], deposits[:0], 5.0).growth.tolist() == []
    assert curve(times[:2], equity[2:4], deposits[2:4], 50.0).growth.tolist() == pytest.approx([1, 2, 2.2])


def test_returns_end_where_everything_was_lost() -> None:
    assert returns_of(np.array([1.0, 0.5, 0.0, 0.0])).tolist() == [-0.5, -1.0]
    assert returns_of(np.array([1.0, 0.5, -0.5, 1.0])).tolist() == [-0.5, -2.0]


@pytest.mark.parametrize(
    ("seconds", "step_s", "per_year", "count"),
    [
        (np.arange(20) * 86_400 + 86_400 * 4, 86_400, 365, 19),  # with weekends
        (np.array([d * 86_400 for d in range(4, 400) if (d - 2) % 7 > 1]), 86_400, 252, 283),
        (np.arange(60) * 7 * 86_400, 7 * 86_400, 365 / 7, 59),  # weekly
        (np.arange(30) * 3600.0, 3600, 365 * 24, 29),
        (np.arange(0, 1800, 7.0), 60, 365 * 24 * 60, 30),
        (np.arange(0, 9, 0.5), 60, 365 * 24 * 60, 1),
        (np.array([5.0]), 60, 365 * 24 * 60, 0),
    ],
)
def test_periods_follow_the_data(seconds: Any, step_s: float, per_year: float, count: int) -> None:
    times = (seconds * 10**9).astype(np.int64)
    growth = 1 + 0.1 * np.sin(np.arange(len(times)))
    found = sampled(Curve(times, growth / growth[0]))
    assert (found.step_s, found.periods_per_year) == (pytest.approx(step_s), pytest.approx(per_year))
    assert len(found.returns) == count
    assert np.prod(1 + found.returns) == pytest.approx(growth[-1] / growth[0])
    assert len(found.ts_ns) == len(found.returns)


@given(st.lists(st.tuples(st.integers(1, 10**14), st.floats(-0.5, 0.9)), max_size=60))
def test_sampling_keeps_the_whole_growth(steps: list[tuple[int, float]]) -> None:
    times = np.cumsum([10**18, *(gap for gap, _ in steps)], dtype=np.int64)
    growth = np.cumprod([1.0, *(1 + rate for _, rate in steps)])
    found = sampled(Curve(times, growth))
    assert np.prod(1 + found.returns) == pytest.approx(growth[-1], rel=1e-9)
    assert (np.diff(found.ts_ns) >= 0).all()
