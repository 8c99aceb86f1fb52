"""Each shipped strategy on data made for it: it does what its page says."""

from __future__ import annotations

from decimal import Decimal

import numpy as np
import pytest

from streams.backtest import bars, exchange
from streams.backtest.bar_data import BarSeries
from streams.backtest.seats import Entrant
from streams.strategies.breakout import Breakout
from streams.strategies.execution import Execution
from streams.strategies.instrument import Listed
from streams.strategies.pairs import Pairs
from streams.strategies.running import Running
from streams.strategies.strategy import ParameterError, Strategy, parameters
from tests.streams.backtest.bar_tables import DAY_NS, run_series, table
from tests.streams.backtest.bar_tables import run as run_bars
from tests.streams.backtest.markets import SYMBOL, random_market


def closes(symbol: str, prices: np.ndarray) -> tuple[BarSeries, Listed]:
    ticks = np.rint(prices * 100).astype(np.int64)
    times = (np.arange(len(ticks), dtype=np.int64) + 1) * DAY_NS
    unit = Listed(symbol, Decimal("0.01"), Decimal(1))
    return BarSeries(symbol, times, ticks, ticks, ticks, ticks, np.zeros(len(ticks))), unit


def cointegrated(seed: int, count: int) -> list[tuple[BarSeries, Listed]]:
    """Y = 2 X + a spread that comes back (an AR(1) process)."""
    rng = np.random.default_rng(seed)
    second = 100 + rng.normal(0, 0.5, count).cumsum()
    spread = np.zeros(count)
    for k in range(1, count):
        spread[k] = 0.9 * spread[k - 1] + rng.normal(0, 1)
    return [closes("PEP", 2 * second + spread), closes("KO", second)]


def test_pairs_earn_on_a_spread_that_comes_back() -> None:
    given = {"first": "PEP", "second": "KO", "length": 60, "quantity": 20}
    result = run_series(Pairs, cointegrated(1, 1500), bars.Plan(cash=Decimal(100_000)), **given)
    assert len(result.trades) > 20
    assert result.final_equity > 100_000
    for symbol in ("PEP", "KO"):
        assert len(result.fills.filter(result.fills["symbol"] == symbol)) > 20
    both = (
        result.trades.filter(~result.trades["is_open"]).group_by("entry_ns").agg(sides=result.trades["side"].n_unique())
    )
    assert len(both) > 0
    legs = result.fills.group_by("ts_ns").len()
    assert (legs["len"] == 2).mean() > 0.9, "both legs are traded at once"


def test_pairs_give_up_a_spread_that_runs_away() -> None:
    data = cointegrated(2, 400)
    broken = data[0][0].close.copy()
    broken[300:] += np.arange(100) * 60
    series = data[0][0]._replace(open=broken, high=broken, low=broken, close=broken)
    given = {"first": "PEP", "second": "KO", "length": 60, "quantity": 20, "stop": 2.5}
    result = run_series(Pairs, [(series, data[0][1]), data[1]], bars.Plan(cash=Decimal(100_000)), **given)
    assert not result.trades.filter(result.trades["entry_ns"] < 300 * DAY_NS)["is_open"].any()


def test_a_breakout_enters_with_both_exits() -> None:
    quiet = [(100.0, 101.0, 99.0, 100.0)] * 10
    rows = [*quiet, (100, 103, 100, 102.5), (103, 104, 102, 103), (104, 120, 103, 118), (118, 119, 117, 118)]
    result = run_bars(Breakout, table(rows), length=5, quantity=10, stop_ranges=2, profit_ranges=4)
    assert result.fills["side"].to_list()[:2] == ["buy", "sell"]
    assert result.fills["price"][0] == 103.0, "at the open after the close above the channel"
    first = result.orders.head(3)
    assert sorted(first["order_type"]) == ["limit", "market", "stop"]
    assert sorted(first["status"]) == ["canceled", "filled", "filled"]
    assert result.trades["pnl"][0] > 0


@pytest.mark.parametrize("curve", ["", "4,3,2,1,1,1,1,2,3,5"])
@pytest.mark.parametrize("side", ["buy", "sell"])
def test_execution_fills_the_whole_and_no_more(side: str, curve: str) -> None:
    chosen = parameters(
        Execution, {"symbol": SYMBOL, "side": side, "quantity": 137, "seconds": 0.2, "slices": 10, "curve": curve}
    )
    result = exchange.run(random_market(3, 400), [Entrant(Execution, chosen, "exec")], exchange.Plan())
    assert set(result.fills["side"]) == {side}
    assert result.fills["quantity"].sum() == 137
    by_time = result.fills["ts_ns"].to_list()
    assert by_time[-1] - by_time[0] > 1_000_000_000, "over the whole time"


@pytest.mark.parametrize(
    ("kind", "given", "message"),
    [
        (Pairs, {"first": "TEST", "second": "TEST"}, "second: must be another"),
        (Pairs, {"first": "TEST", "second": "TWO", "entry": 5}, "entry: must lie between"),
        (Execution, {"symbol": "TEST", "side": "buy", "quantity": 1, "curve": "1,2"}, "curve: has 2 parts for 10"),
        (Execution, {"symbol": "TEST", "side": "buy", "quantity": 1, "curve": "a"}, "curve: write numbers"),
    ],
)
def test_parameters_that_do_not_fit_are_named(kind: type[Strategy], given: dict[str, object], message: str) -> None:
    units = {name: Listed(name, Decimal("0.01"), Decimal(1)) for name in ("TEST", "TWO")}
    with pytest.raises(ParameterError, match=message):
        Running(kind, parameters(kind, given), account="a", tag="t", instruments=units, cash=Decimal(1))
