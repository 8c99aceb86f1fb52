"""Many variants: in processes as in one, split by time, and judged by how many there were."""

from __future__ import annotations

import math
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from streams.analytics.deflated_sharpe import deflated_sharpe, expected_maximum, probabilistic_sharpe
from streams.backtest import report, sweep
from streams.backtest.bar_data import DataError, series
from streams.backtest.bars import Plan
from streams.backtest.files import named, read_bars
from streams.backtest.sweep import Job
from streams.backtest.tape import TAPE, bars_of
from streams.strategies.bar_builder import BarBuilder
from streams.strategies.events import Bar, TradeUpdate
from streams.strategies.strategy import ParameterError
from tests.streams.backtest.bar_tables import flat, random_walk


def job(count: int = 300) -> Job:
    data, unit = random_walk(11, count)
    return Job("moving-average-cross", {"symbol": "TEST", "allow_short": "true"}, [data], {"TEST": unit}, Plan())


def test_a_grid_has_every_combination() -> None:
    assert sweep.grid(["fast=1:3:1", "slow=5,8"])[:3] == [
        {"fast": "1", "slow": "5"},
        {"fast": "1", "slow": "8"},
        {"fast": "2", "slow": "5"},
    ]
    assert sweep.grid(["x=0:0.3:0.1"])[-1] == {"x": "0.3"}
    for wrong in ("fast", "fast=", "fast=5:1:1", "fast=1:2:0", "fast=a:b:c"):
        with pytest.raises(ParameterError, match="--sweep"):
            sweep.grid([wrong])


def test_processes_give_what_one_gives() -> None:
    variants = sweep.grid(["fast=2,3,9", "slow=8,12"])
    seen: list[tuple[int, int]] = []
    alone = sweep.run(job(), variants, processes=1)
    parallel = sweep.run(job(), variants, processes=2, progress=lambda done, total: seen.append((done, total)))
    assert alone == parallel
    assert len(alone) == 5, "fast 9 and slow 8 do not fit together"
    assert seen[-1] == (6, 6)
    assert sweep.table(alone)["sharpe"].is_sorted(descending=True)
    with pytest.raises(ParameterError, match="fast: must be less than slow"):
        sweep.run(job(), [{"fast": "9", "slow": "3"}], processes=1)


def test_walking_forward_never_looks_ahead() -> None:
    variants = sweep.grid(["fast=2,3", "slow=8,12"])
    folds = sweep.walk_forward(job(), variants, 3, processes=1)
    whole = job().data[0]
    for before, after in pairwise(folds):
        assert before.end_ns == after.split_ns
    for fold in folds:
        assert fold.start_ns < fold.split_ns < fold.end_ns
        past = job()._replace(data=sweep.between([whole], fold.start_ns, fold.split_ns))
        assert fold.chosen == sweep.best(sweep.run(past, variants, processes=1)).parameters
        assert int(past.data[0].ts_ns[-1]) < fold.split_ns
    assert "out of sample together" in report.fold_text(folds, len(variants))
    with pytest.raises(ParameterError, match="too few"):
        sweep.splits([random_walk(1, 5)[0]], 4)


def test_the_warning_says_how_many_trials_there_were() -> None:
    trials = sweep.run(job(), sweep.grid(["fast=2,3,4,5", "slow=8,12,20"]), processes=1)
    text = report.sweep_text(trials, 12)
    assert "the best of 12 trials" in text
    assert "deflated Sharpe" in text


def test_the_deflated_sharpe_ratio_of_its_paper() -> None:
    """The numerical example of Bailey and López de Prado: 100 trials, an annual Sharpe ratio of 2.5 on 1250 days."""
    variance = 0.5 / 250
    assert expected_maximum(100, variance) == pytest.approx(0.1132, abs=5e-5)
    found = deflated_sharpe(2.5 / 250**0.5, trials=100, variance=variance, returns=1250, skewness=-3, kurtosis=10)
    assert found == pytest.approx(0.9004, abs=5e-5)
    assert probabilistic_sharpe(0.1, 0.1, 100, 0, 3) == pytest.approx(0.5)
    assert math.isnan(probabilistic_sharpe(0.1, 0, 1, 0, 3))
    assert expected_maximum(1, variance) == 0


def test_the_expected_maximum_is_that_of_random_trials() -> None:
    rng = np.random.default_rng(4)
    best = rng.standard_normal((4000, 50)).max(axis=1).mean()
    assert expected_maximum(50, 1.0) == pytest.approx(best, rel=0.02)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.drop("low"), "no column low"),
        (lambda t: t.with_columns(high=pl.lit(1.0)), "row 1: high and low must hold"),
        (lambda t: t.with_columns(close=pl.lit(None)), "row 1: close is no number"),
        (lambda t: t.with_columns(ts_ns=pl.lit(5)), "row 2: its time must be later"),
        (lambda t: t.drop("ts_ns"), "no column for the time"),
        (lambda t: t.head(0), "there are no bars"),
        (lambda t: t.with_columns(close=pl.lit(100.000001)), "name the tick"),
    ],
)
def test_bad_bars_are_refused_with_row_and_rule(change: object, message: str) -> None:
    with pytest.raises(DataError, match=message):
        series(change(flat([100.0, 101.0, 102.0])), "TEST")  # type: ignore[operator]


def test_files_are_read_alike(tmp_path: Path) -> None:
    table = flat([100.25, 101.5, 99.75])
    table.write_parquet(tmp_path / "a.parquet")
    table.rename(str.title).write_csv(tmp_path / "a.csv")
    both = [read_bars(tmp_path / name, "TEST") for name in ("a.parquet", "a.csv")]
    assert both[0][0].close.tolist() == both[1][0].close.tolist() == [10025, 10150, 9975]
    assert both[0][1].scale.tick == Decimal("0.01")
    assert named("X=/a/b.csv") == ("X", Path("/a/b.csv"))
    assert named("/a/goog_daily.csv")[0] == "GOOG"
    # As pandas writes an index that has no name.
    days = pl.Series(["2004-08-19", "2004-08-20", "2004-08-23"])
    table.drop("ts_ns").insert_column(0, days.alias("")).write_csv(tmp_path / "a.csv")
    first_ns = 1_092_873_600 * 10**9
    assert read_bars(tmp_path / "a.csv", "TEST")[0].ts_ns[0] == first_ns
    for unit in (1, 10**3, 10**6, 10**9):  # epochs of s, ms, µs and ns
        stamps = [(1_092_873_600 + k) * unit for k in range(3)]
        table.drop("ts_ns").with_columns(time=pl.Series(stamps)).write_parquet(tmp_path / "a.parquet")
        assert read_bars(tmp_path / "a.parquet", "TEST")[0].ts_ns.tolist() == [first_ns + k * 10**9 for k in range(3)]
    (tmp_path / "a.txt").touch()
    for name, message in (("none.csv", "No such file"), ("a.txt", "must end in")):
        with pytest.raises(DataError, match=message):
            read_bars(tmp_path / name, "TEST")


def test_bars_made_live_are_those_made_from_the_table() -> None:
    rng = np.random.default_rng(3)
    times = np.sort(rng.integers(0, 3_000, 2_000)) * 10**9
    rows = [
        (("A", "B")[k % 2], int(ts), float(100 + rng.integers(0, 50)), float(rng.integers(1, 9)), "buy", k, 0)
        for k, ts in enumerate(times)
    ]
    tables = bars_of(pl.DataFrame(rows, schema=TAPE, orient="row"), 60)
    builder = BarBuilder(60)
    live: list[Bar] = []
    for symbol, ts_ns, price, quantity, *_ in rows:
        live += builder.passed(ts_ns)
        builder.add(TradeUpdate(symbol, ts_ns, price, quantity))
    live += builder.passed(2**62)
    for symbol, table in tables.items():
        mine = [(bar.ts_ns, bar.open, bar.high, bar.low, bar.close, bar.volume) for bar in live if bar.symbol == symbol]
        assert mine == table.rows()
        assert len(mine) > 40
