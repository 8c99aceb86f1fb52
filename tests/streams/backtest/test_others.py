"""The same rule on the same data in other people's programs: the same fills, and the same money to the cent."""

from __future__ import annotations

import warnings
from typing import Any

import pandas as pd
import polars as pl
import pytest

from streams.backtest import bars
from streams.strategies.moving_average_cross import MovingAverageCross
from tests.streams.backtest.bar_tables import eurostoxx, goog, run

Fill = tuple[str, float, float]
"""Day, signed quantity, price."""
CASH = 100_000


def fills(result: bars.Result) -> list[Fill]:
    rows = result.fills.with_columns(day=pl.from_epoch("ts_ns", "ns").dt.strftime("%Y-%m-%d"))
    return [
        (row["day"], row["quantity"] if row["side"] == "buy" else -row["quantity"], row["price"])
        for row in rows.iter_rows(named=True)
    ]


def backtrader_run(data: Any, fast: int, slow: int, *, short: bool) -> tuple[list[Fill], float, float]:
    """backtrader's fills, value and cash of the crossing rule with one unit."""
    import backtrader as bt

    class Cross(bt.Strategy):  # type: ignore[misc]
        def __init__(self) -> None:
            price = self.data.close if fast == 1 else bt.ind.SMA(self.data.close, period=fast)
            self.cross = bt.ind.CrossOver(price, bt.ind.SMA(self.data.close, period=slow))
            self.fills: list[Fill] = []

        def notify_order(self, order: Any) -> None:
            if order.status == order.Completed:
                day = bt.num2date(order.executed.dt).date().isoformat()
                self.fills.append((day, order.executed.size, round(order.executed.price, 6)))

        def next(self) -> None:
            held = self.position.size
            if self.cross > 0 and held < 1:
                self.buy(size=1 - held)
            elif self.cross < 0 and held > (-1 if short else 0):
                self.sell(size=held + (1 if short else 0))

    cerebro = bt.Cerebro()
    cerebro.broker.setcash(CASH)
    cerebro.adddata(bt.feeds.PandasData(dataname=data))
    cerebro.addstrategy(Cross)
    (strategy,) = cerebro.run()
    return strategy.fills, cerebro.broker.getvalue(), cerebro.broker.getcash()


def as_pandas(table: pl.DataFrame) -> Any:
    frame = pd.DataFrame({name: table[name].to_list() for name in ("Open", "High", "Low", "Close", "Volume")})
    frame.index = pd.DatetimeIndex(table["Date"].to_list())
    return frame


def from_pandas(frame: Any) -> pl.DataFrame:
    columns = {name: frame[name].to_list() for name in ("Open", "High", "Low", "Close", "Volume")}
    return pl.DataFrame({"date": [day.date() for day in frame.index], **columns})


@pytest.mark.marketdata
def test_the_published_figures_of_the_euro_stoxx_rule() -> None:
    result = run(MovingAverageCross, eurostoxx(), symbol="SX5E", fast=1, slow=15)
    assert (result.final_equity, result.final_cash) == (10284.10, 6164.16)
    assert len(result.fills) == 23


@pytest.mark.marketdata
@pytest.mark.parametrize(("fast", "slow", "short"), [(1, 15, False), (5, 20, False), (3, 12, True)])
def test_backtrader_has_the_same_fills_on_the_euro_stoxx(fast: int, slow: int, short: bool) -> None:
    table = eurostoxx()
    theirs, value, cash = backtrader_run(as_pandas(table), fast, slow, short=short)
    ours = run(
        MovingAverageCross,
        table,
        bars.Plan(cash=CASH),  # type: ignore[arg-type]
        symbol="SX5E",
        fast=fast,
        slow=slow,
        allow_short=short,
    )
    assert fills(ours) == theirs
    assert len(theirs) > 10
    assert (ours.final_equity, ours.final_cash) == pytest.approx((value, cash), abs=1e-6)


@pytest.mark.parametrize(("fast", "slow", "short"), [(10, 30, True), (20, 60, False)])
def test_backtrader_has_the_same_fills_on_its_neighbours_data(fast: int, slow: int, short: bool) -> None:
    data = goog()
    theirs, value, cash = backtrader_run(data, fast, slow, short=short)
    ours = run(
        MovingAverageCross,
        from_pandas(data),
        bars.Plan(cash=CASH),  # type: ignore[arg-type]
        symbol="GOOG",
        fast=fast,
        slow=slow,
        allow_short=short,
    )
    assert fills(ours) == theirs
    assert len(theirs) > 20
    assert (ours.final_equity, ours.final_cash) == pytest.approx((value, cash), abs=1e-6)


def test_backtesting_has_the_same_trades_and_equity() -> None:
    """Its documentation's rule: SMA 10/30, always the whole equity long or short, no commission."""
    data = goog()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from backtesting import Backtest, Strategy
        from backtesting.lib import crossover
        from backtesting.test import SMA

        class Cross(Strategy):
            def init(self) -> None:
                self.fast = self.I(SMA, self.data.Close, 10)
                self.slow = self.I(SMA, self.data.Close, 30)

            def next(self) -> None:
                if crossover(self.fast, self.slow):
                    self.buy()
                elif crossover(self.slow, self.fast):
                    self.sell()

        theirs = Backtest(data, Cross, commission=0, exclusive_orders=True, finalize_trades=True).run()
    ours = run(
        MovingAverageCross,
        from_pandas(data),
        bars.Plan(close_out=True),
        symbol="GOOG",
        fast=10,
        slow=30,
        fraction=1,
        allow_short=True,
    )
    assert (len(ours.trades), round(ours.final_equity, 2)) == (66, 51422.99)
    assert ours.final_equity == pytest.approx(theirs["Equity Final [$]"], abs=1e-6)
    expected = [
        (abs(one.Size), "long" if one.Size > 0 else "short", round(one.EntryPrice, 6), round(one.ExitPrice, 6))
        for one in theirs["_trades"].itertuples()
    ]
    found = ours.trades.select("quantity", "side", "entry_price", "exit_price").rows()
    assert [(quantity, side, round(entry, 6), round(left, 6)) for quantity, side, entry, left in found] == expected
