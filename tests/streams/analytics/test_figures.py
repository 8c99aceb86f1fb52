"""Figures of fills, round trips and whole backtests."""

from __future__ import annotations

import math
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.analytics import activity, execution, round_trips
from streams.analytics.attribution import attribution
from streams.analytics.execution import Prices, horizons, markouts, slippage
from streams.analytics.figures import EquityFigures, Figures, performance, together
from streams.analytics.wording import basis_points, duration, number, percent, signed_percent
from streams.backtest import report
from streams.backtest.accounting import MONEY, Accounts, BookedFill, Marks
from streams.backtest.result import EQUITY, FILLS, ORDERS, TRADES, Result, frame, load
from streams.strategies.instrument import Listed
from streams.strategies.moving_average_cross import MovingAverageCross
from tests.streams.backtest.bar_tables import random_walk, run_series

UNITS = {"A": Listed("A", Decimal("0.01"), Decimal(1)), "B": Listed("B", Decimal("0.5"), Decimal("0.1"))}
FILL = st.tuples(
    st.integers(0, 50),
    st.sampled_from(["one", "two"]),
    st.sampled_from(["x", "y"]),
    st.sampled_from(["A", "B"]),
    st.integers(-9, 9).filter(bool),
    st.integers(50, 150),
    st.integers(-500, 5000),
)

QUICK_FILL = st.tuples(st.integers(0, 99), st.booleans(), st.integers(1, 5), st.integers(90, 110))


def booked(fills: list[tuple[Any, ...]]) -> Result:
    """A result of these fills; the symbols' marks move every step."""
    accounts = Accounts(UNITS, {"one": 1000 * MONEY, "two": 500 * MONEY})
    for k, (ts_ns, account, strategy, symbol, lots, ticks, fee) in enumerate(sorted(fills, key=lambda fill: fill[0])):
        accounts.book(BookedFill(ts_ns + 1, account, strategy, symbol, lots, ticks, fee, "maker", f"{k}", ts_ns, 1.0))
    marks = {
        symbol: Marks(np.arange(0, 60, step, dtype=np.int64), np.arange(150, 150 + 60, step, dtype=np.int64))
        for symbol, step in (("A", 1), ("B", 3))
    }
    return Result(
        equity=accounts.equity_frame(marks),
        orders=frame([], ORDERS),
        fills=accounts.fill_frame(),
        trades=accounts.trade_frame(marks),
        marks=accounts.mark_frame(marks),
        starting_cash=1500.0,
    )


@given(st.lists(FILL, max_size=30))
@settings(max_examples=60, deadline=None)
def test_the_shares_add_up_to_the_whole(fills: list[tuple[Any, ...]]) -> None:
    found = booked(fills)
    figures = found.figures
    assert figures.final_equity == pytest.approx(found.final_equity, abs=1e-9)
    assert figures.net_profit == pytest.approx(found.final_equity - 1500, abs=1e-9)
    for shares in (figures.by_symbol, figures.by_strategy):
        assert sum(share.net_pnl for share in shares) == pytest.approx(figures.net_profit, abs=1e-6)
        assert sum(share.fees for share in shares) == pytest.approx(figures.fees, abs=1e-6)
        assert sum(share.fills for share in shares) == figures.fills == len(fills)
        assert sum(share.traded for share in shares) == pytest.approx(figures.traded)
        assert sum(share.round_trips for share in shares) == figures.round_trips
    assert figures.total_return is not None
    if (together(found.equity)["equity"] > 0).all():
        assert figures.total_return == pytest.approx(figures.net_profit / 1500, abs=1e-9)


def test_figures_of_a_backtest_are_kept_with_it(tmp_path: Path) -> None:
    one, unit = random_walk(3, 600)
    result = run_series(MovingAverageCross, [(one, unit)], symbol="TEST", fast=5, slow=20, allow_short=True)
    figures = result.figures
    closed = result.trades.filter(~pl.col("is_open"))["pnl"]
    assert figures.hit_rate == pytest.approx((closed > 0).sum() / len(closed))
    assert figures.average_win is not None
    assert figures.average_loss is not None
    assert figures.profit_factor == pytest.approx(
        figures.average_win * (closed > 0).sum() / -(figures.average_loss * (closed < 0).sum())
    )
    assert figures.max_exposure == pytest.approx((result.equity["gross_exposure"] / result.equity["equity"]).max())
    assert [one.fills for one in figures.markouts] == sorted((one.fills for one in figures.markouts), reverse=True)
    result.save(tmp_path)
    again = load(tmp_path)
    assert again.figures == figures
    assert msgspec.json.decode(msgspec.json.encode(figures), type=Figures) == figures
    text = report.text(result)
    for shown in (percent(figures.max_drawdown), percent(figures.hit_rate, 1), number(figures.sharpe)):
        assert shown in text


def test_of_nothing_there_is_nothing_to_tell() -> None:
    found = performance(frame([], EQUITY), 100.0)
    assert (found.final_equity, found.net_profit, found.returns) == (100.0, 0.0, 0)
    assert {found.sharpe, found.cagr, found.max_drawdown, found.total_return, found.mean_exposure} == {None}
    nothing = Result(frame([], EQUITY), frame([], ORDERS), frame([], FILLS), frame([], TRADES), booked([]).marks, 100.0)
    assert (nothing.figures.hit_rate, nothing.figures.fills, nothing.figures.by_symbol) == (None, 0, [])
    assert "Sharpe –" in report.text(nothing)


def test_few_returns_have_no_ratio() -> None:
    def minutes(count: int) -> EquityFigures:
        rows = [(k * 60 * 10**9, "a", 100.0 + k % 3, *[0.0] * 7) for k in range(count + 1)]
        return performance(pl.DataFrame(rows, schema=EQUITY, orient="row"), 100.0)

    few, enough = minutes(9), minutes(10)
    assert (few.returns, few.sharpe, few.volatility, few.sortino, few.sharpe_probability) == (9, None, None, None, None)
    assert few.max_drawdown == pytest.approx(2 / 102)
    assert (enough.returns, enough.step_s) == (10, 60)
    assert enough.sharpe is not None


def test_accounts_count_together() -> None:
    rows = [(1, "a", 10.0), (1, "b", 5.0), (2, "a", 11.0), (4, "b", 7.0)]
    equity = pl.DataFrame([(ts, name, money, *[money] * 7) for ts, name, money in rows], schema=EQUITY, orient="row")
    assert together(equity)["equity"].to_list() == [15, 16, 18]


def fills_of(rows: list[tuple[int, str, str, float, float, float | None]]) -> pl.DataFrame:
    names = ["ts_ns", "symbol", "side", "quantity", "price", "decision_price"]
    return pl.DataFrame(rows, schema=names, orient="row")


def test_slippage_is_against_whoever_paid_more() -> None:
    fills = fills_of([(1, "A", "buy", 10, 101, 100), (2, "A", "sell", 5, 102, 100), (3, "A", "buy", 1, 5, None)])
    points, money = slippage(fills)
    assert money == -10 + 10
    assert points == 0
    assert slippage(fills[:1]) == (pytest.approx(-100.0), -10.0)
    assert math.isnan(slippage(fills[2:])[0])


@given(
    st.lists(QUICK_FILL, min_size=1, max_size=20),
    st.lists(st.integers(90, 110), min_size=2, max_size=40),
)
def test_markouts_are_those_of_the_slow_way(rows: list[tuple[int, bool, int, int]], path: list[int]) -> None:
    second = 10**9
    prices = Prices(np.arange(len(path), dtype=np.int64) * 3 * second, np.array(path, float))
    fills = fills_of([(t * second, "A", "buy" if b else "sell", q, p, None) for t, b, q, p in sorted(rows)])
    for found in markouts(fills, {"A": prices}, (3, 10)):
        known = [(t + found.horizon_s, 1 if b else -1, q, p) for t, b, q, p in rows]
        known = [row for row in known if row[0] <= 3 * (len(path) - 1)]
        assert found.fills == len(known)
        if not known:
            assert found.basis_points is None
            continue
        earned = sum(sign * (path[int(at // 3)] - p) * q for at, sign, q, p in known)
        assert found.basis_points == pytest.approx(earned / sum(p * q for _, _, q, p in known) * 10_000)


def test_horizons_are_no_finer_than_the_data() -> None:
    def every(seconds: float) -> dict[str, Prices]:
        times = (np.arange(10) * seconds * 1e9).astype(np.int64)
        return {"A": Prices(times, np.ones(10))}

    assert horizons(every(0.02)) == execution.QUICK
    assert horizons(every(1)) == (1, 5, 10, 30, 60, 300)
    assert horizons(every(1.001)) == (5, 10, 30, 60, 300)
    assert horizons(every(60)) == execution.MINUTES
    assert horizons(every(3600)) == (3600, 14_400)
    assert horizons(every(86_400)) == execution.DAYS
    assert horizons({}) == execution.QUICK


def test_exposure_is_weighted_by_time() -> None:
    times = np.array([0, 1, 11], np.int64)
    assert activity.over_time(times, np.array([5.0, 1.0, 99.0])) == pytest.approx((5 + 10) / 11)
    assert activity.over_time(times[:1], np.array([5.0])) == 5
    assert math.isnan(activity.over_time(times[:0], np.array([])))
    assert activity.exposure(np.array([1.0, 2.0]), np.array([4.0, -1.0])).tolist() == [0.25, 0]
    assert math.isnan(activity.turnover(10, 0, 1))


def test_round_trips() -> None:
    pnl = np.array([3.0, -1.0, 0.0, -1.0])
    assert (round_trips.hit_rate(pnl), round_trips.profit_factor(pnl)) == (0.25, 1.5)
    assert math.isnan(round_trips.profit_factor(np.array([1.0])))
    assert math.isnan(round_trips.hit_rate(np.array([])))
    empty = frame([], TRADES)
    assert attribution(empty, frame([], FILLS), "symbol") == []


def test_words() -> None:
    assert (number(-1234.5), number(None), number(-0.0)) == ("−1,234.50", "–", "0.00")
    assert (percent(0.1234), signed_percent(0.1), basis_points(-2.25)) == ("12.34 %", "+10.00 %", "−2.2 bp")
    assert [percent(part) for part in (0.0, 0.0001, -0.0000213, 1e-12)] == ["0.00 %", "0.01 %", "−0.0021 %", "0.00 %"]
    assert [duration(s) for s in (0.5, 90, 7200, 3 * 86_400, 3 * 366 * 86_400)] == [
        "0.5 s",
        "90 s",
        "2.0 h",
        "3.0 days",
        "3.0 years",
    ]
