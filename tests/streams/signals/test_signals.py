"""Research and live: an expression on the column and its twin, value by value, give the same numbers."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np
import polars as pl
import pytest

from streams.signals import expressions, indicators

COUNT = 400


def data(seed: int) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    close = 100 * np.exp(rng.normal(0, 0.01, COUNT).cumsum())
    close[50:60] = close[50]  # a stretch without a change
    return pl.DataFrame(
        {
            "close": close,
            "high": close * (1 + rng.uniform(0, 0.01, COUNT)),
            "low": close * (1 - rng.uniform(0, 0.01, COUNT)),
            "bids": rng.integers(0, 50, COUNT).astype(float),
            "asks": rng.integers(0, 50, COUNT).astype(float),
        }
    )


CLOSE = pl.col("close")
CASES: dict[str, tuple[pl.Expr, Callable[[], Callable[[dict[str, float]], float | None]]]] = {
    "mean": (expressions.mean(CLOSE, 7), lambda: of_close(indicators.Mean(7))),
    "deviation": (expressions.deviation(CLOSE, 9), lambda: of_close(indicators.Deviation(9))),
    "exponential_mean": (expressions.exponential_mean(CLOSE, 12), lambda: of_close(indicators.ExponentialMean(12))),
    "highest": (expressions.highest(CLOSE, 5), lambda: of_close(indicators.Highest(5))),
    "lowest": (expressions.lowest(CLOSE, 5), lambda: of_close(indicators.Lowest(5))),
    "strength": (expressions.strength(CLOSE, 14), lambda: of_close(indicators.Strength(14))),
    "change": (expressions.change(CLOSE, 3), lambda: of_close(indicators.Change(3))),
    "true_range": (
        expressions.true_range(pl.col("high"), pl.col("low"), CLOSE, 14),
        lambda: of_bar(indicators.TrueRange(14)),
    ),
    "imbalance": (
        expressions.imbalance(pl.col("bids"), pl.col("asks")),
        lambda: lambda row: indicators.imbalance(row["bids"], row["asks"]),
    ),
    "microprice": (
        expressions.microprice(pl.col("low"), pl.col("bids") + 1, pl.col("high"), pl.col("asks") + 1),
        lambda: lambda row: indicators.microprice(row["low"], row["bids"] + 1, row["high"], row["asks"] + 1),
    ),
}


def of_close(indicator: Any) -> Callable[[dict[str, float]], float | None]:
    return lambda row: indicator.update(row["close"])


def of_bar(indicator: Any) -> Callable[[dict[str, float]], float | None]:
    return lambda row: indicator.update(row["high"], row["low"], row["close"])


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("name", CASES)
def test_the_expression_and_its_twin_agree(name: str, seed: int) -> None:
    expression, twin = CASES[name]
    table = data(seed)
    step = twin()
    live = [step(row) for row in table.iter_rows(named=True)]
    research = table.select(expression.alias("value"))["value"].to_list()
    assert [value is None for value in live] == [value is None for value in research]
    for one, other in zip(live, research, strict=True):
        if one is not None:
            assert one == pytest.approx(other, rel=1e-9, abs=1e-9)
            assert math.isfinite(one)
    assert sum(value is not None for value in live) > 300


def test_every_expression_has_a_case() -> None:
    public = {name for name, value in vars(expressions).items() if callable(value) and not name.startswith("_")}
    assert public - {"annotations"} == set(CASES)


def test_an_indicator_goes_on_from_what_was_saved() -> None:
    values = data(3)["close"].to_list()
    for kind in (indicators.Mean, indicators.Deviation, indicators.Strength, indicators.Change):
        whole, part = kind(6), kind(6)
        for value in values[:50]:
            whole.update(value)
            part.update(value)
        again = msgspec.json.decode(msgspec.json.encode(part), type=kind)
        assert [again.update(value) for value in values[50:]] == [whole.update(value) for value in values[50:]]
