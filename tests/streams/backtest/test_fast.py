"""The compiled backtests against the ones that are easy to read: the same fills, the same money."""

from __future__ import annotations

from decimal import Decimal

import numpy as np
import polars as pl
import pytest

from streams.backtest import bars, dbn_tape, levels, vectorized
from streams.backtest.fees import Fees
from streams.backtest.levels import BEHIND, PROPORTIONAL, LevelTape
from streams.signals import expressions
from streams.strategies.moving_average_cross import MovingAverageCross
from tests.streams.backtest.bar_tables import random_walk, run_series
from tests.streams.feeds.lobster_day import MARKETDATA


@pytest.mark.parametrize(("seed", "fast", "slow", "short"), [(1, 1, 7, False), (2, 3, 11, True), (3, 5, 20, True)])
def test_vectorized_bars_give_what_events_give(seed: int, fast: int, slow: int, short: bool) -> None:
    data, unit = random_walk(seed, 800)
    fees = Fees(100, 100)
    events = run_series(
        MovingAverageCross,
        [(data, unit)],
        bars.Plan(fees=fees),
        symbol="TEST",
        fast=fast,
        slow=slow,
        quantity=3,
        allow_short=short,
    )
    targets = vectorized.cross_targets(data.close, fast, slow, 3, short)
    outcome = vectorized.run(data, unit, targets, fee_ppm=100)
    result = vectorized.as_result(data, unit, outcome, Decimal(10_000), fee_ppm=100)
    columns = ["ts_ns", "side", "quantity", "price", "fee", "decided_ns", "position"]
    assert result.fills.select(columns).equals(events.fills.select(columns))
    assert result.equity.drop("account").equals(events.equity.drop("account"))
    assert (outcome.equity / 1e6).tolist() == events.equity["equity"].to_list()
    assert outcome.fills == len(events.fills) > 20
    assert outcome.cash / 1e6 == events.final_cash


def test_targets_come_from_an_expression() -> None:
    data, unit = random_walk(4, 300)
    fast, slow = (expressions.mean(pl.col("close"), length) for length in (1, 9))
    wanted = pl.when(fast > slow).then(2).when(fast < slow).then(0)
    targets = vectorized.lots_of(wanted, data, unit)
    assert set(targets.tolist()) == {2, 0, vectorized.KEEP}
    outcome = vectorized.run(data, unit, targets)
    assert set(outcome.lots.tolist()) == {0, 2}
    assert outcome.lots[1:].tolist() == [
        held if target == vectorized.KEEP else target
        for target, held in zip(targets[:-1].tolist(), outcome.lots[:-1].tolist(), strict=True)
    ], "what is wanted at a close is held after the next open"
    with pytest.raises(ValueError, match="5 targets for 300 bars"):
        vectorized.run(data, unit, targets[:5])


# ------------------------------------------------------------------------------------------------------------- levels


def tape(rows: list[tuple[int, int, int, int, int, int, int]]) -> LevelTape:
    """One level of each side, a microsecond apart: bid, size, ask, size, then trade price, size, aggressor."""
    book = np.array([[[[r[0], r[1]]], [[r[2], r[3]]]] for r in rows], np.int64)
    return LevelTape((np.arange(len(rows), dtype=np.int64) + 1) * 1000, book, np.array([r[4:] for r in rows], np.int64))


def fills(rows: list[tuple[int, int, int, int, int, int, int]], **options: int) -> list[tuple[int, int, int, int]]:
    """(row, lots, price, whether as a maker) of one buyer of 5 at the best bid: threshold 0.5, at most 5 held."""
    outcome = levels.run(levels.imbalance_quotes, tape(rows), np.array([0.5, 5.0, 5.0]), **options)
    return [(int(one["row"]), int(one["lots"]), int(one["ticks"]), int(one["is_maker"])) for one in outcome.fills]


JOIN = (100, 10, 105, 1, 0, 0, 0)
"""The bid is heavy: the strategy joins behind 10."""


@pytest.mark.parametrize(
    ("name", "rows", "expected"),
    [
        ("a trade takes those in front first", [JOIN, (100, 2, 105, 1, 100, 8, -1)], []),
        (
            "and then the order, no more than it traded",
            [JOIN, (100, 9, 105, 1, 100, 8, -1), (100, 9, 105, 1, 100, 5, -1)],
            [(2, 3, 100, 1)],
        ),
        ("a trade beyond its price fills it", [JOIN, (99, 9, 105, 1, 99, 4, -1)], [(1, 4, 100, 1)]),
        ("the other side's best price fills it", [JOIN, (99, 9, 100, 3, 0, 0, 0)], [(1, 5, 100, 1)]),
        ("a buyer's trade does not", [JOIN, (100, 10, 105, 1, 105, 50, 1)], []),
        ("another price does not", [JOIN, (101, 9, 105, 1, 101, 4, -1)], []),
    ],
)
def test_the_queue(
    name: str, rows: list[tuple[int, int, int, int, int, int, int]], expected: list[tuple[int, int, int, int]]
) -> None:
    assert fills(rows) == expected


def test_cancels_in_front_are_a_model() -> None:
    """10 in front, 20 join behind, 15 leave, 6 are traded: behind, or in proportion."""
    rows = [JOIN, (100, 30, 105, 1, 0, 0, 0), (100, 15, 105, 1, 0, 0, 0), (100, 9, 105, 1, 100, 6, -1)]
    assert fills(rows, queue=BEHIND) == []
    assert fills(rows, queue=PROPORTIONAL) == [(3, 1, 100, 1)]


def test_latency_on_levels() -> None:
    rows = [JOIN, (100, 10, 105, 1, 100, 10, -1), (100, 10, 105, 1, 100, 12, -1), (100, 10, 105, 1, 100, 12, -1)]
    assert fills(rows) == [(2, 5, 100, 1)]
    assert fills(rows, latency_ns=1000) == [(2, 2, 100, 1), (3, 3, 100, 1)], "it joins a row later, behind 10 again"


def test_the_numbers_add_up_and_what_comes_later_changes_nothing() -> None:
    rng = np.random.default_rng(5)
    middle = 1000 + rng.integers(-1, 2, 3000).cumsum()
    rows = [
        (
            int(m) - 1,
            int(rng.integers(1, 30)),
            int(m) + 1,
            int(rng.integers(1, 30)),
            *((int(m) + int(s), int(rng.integers(1, 40)), int(s)) if rng.random() < 0.4 else (0, 0, 0)),
        )
        for m, s in zip(middle, rng.choice([-1, 1], 3000), strict=True)
    ]
    one = levels.run(levels.imbalance_quotes, tape(rows), np.array([0.3, 4.0, 12.0]), latency_ns=1500)
    assert len(one.fills) > 50
    assert abs(one.fills["lots"].cumsum()).max() <= 12 + 4
    assert one.position == one.fills["lots"].sum()
    assert one.cash == -(one.fills["lots"] * one.fills["ticks"]).sum()
    half = len(rows) // 2
    part = levels.run(levels.imbalance_quotes, tape(rows[:half]), np.array([0.3, 4.0, 12.0]), latency_ns=1500)
    assert part.fills.tolist() == one.fills[one.fills["row"] < half].tolist(), "the rest changes nothing before it"
    with pytest.raises(ValueError, match="room for 3"):
        levels.run(levels.imbalance_quotes, tape(rows), np.array([0.3, 4.0, 12.0]), most_fills=3)


@pytest.mark.marketdata
def test_a_databento_file_ends_with_the_book_that_it_is_known_for() -> None:
    files = [MARKETDATA / "cme_es_mbo" / f"esh4-glbx-mdp3-202312{day}.mbo.dbn.zst" for day in (24, 25)]
    if not files[0].exists():
        pytest.skip("../shared/marketdata/cme_es_mbo is not there")
    unit, tape = dbn_tape.read(files, "ESH4")
    assert [unit.price(int(tape.book[-1, side, 0, 0])) for side in (0, 1)] == [4810.0, 4810.25]
    assert (np.diff(tape.ts_ns) >= 0).all()
    traded = tape.trade[tape.trade[:, 1] > 0]
    assert len(traded) > 1000
    assert set(traded[:, 2].tolist()) == {1, -1}
    outcome = levels.run(levels.imbalance_quotes, tape, np.array([0.6, 1.0, 5.0]))
    result = levels.as_result(outcome, tape, unit, Decimal(100_000), Fees(0, 0), {})
    assert (tape.book[:, 0, 0, 0] < tape.book[:, 1, 0, 0]).all(), "no row of the crossed book before the open"
    assert len(result.fills) == len(outcome.fills) > 0
    middle = (int(tape.book[-1, 0, 0, 0]) + int(tape.book[-1, 1, 0, 0])) / 2
    gain = (outcome.cash + outcome.position * middle) * unit.price(1)
    assert result.trades["pnl"].sum() == pytest.approx(gain, abs=abs(outcome.position) * unit.price(4) + 1e-6)
