"""The measures that the simulated market and the real day are compared by, on series whose figures are known."""

from __future__ import annotations

import numpy as np
import pytest

from streams.feeds import statistics
from streams.feeds.statistics import SECOND, Tape

MINUTE = 60 * SECOND


def tape(times_s: np.ndarray, *, bid: float = 9_990.0, ask: float = 10_010.0) -> Tape:
    """Every event is a trade too, signs taking turns."""
    times = (times_s * SECOND).astype(np.int64)
    signs = np.where(np.arange(len(times)) % 2 == 0, 1.0, -1.0)
    return Tape(times, np.full(len(times), bid), np.full(len(times), ask), times, signs)


def test_a_poisson_process_has_fano_and_variation_one() -> None:
    random = np.random.default_rng(1)
    figures = statistics.figures(tape(np.cumsum(random.exponential(0.5, 40_000))))
    assert figures.trade_fano == pytest.approx(1, abs=0.1)
    assert figures.trade_cv == pytest.approx(1, abs=0.05)
    assert figures.trade_branching < 0.1
    assert figures.event_fano == figures.trade_fano


def test_pairs_of_events_double_the_fano_factor() -> None:
    random = np.random.default_rng(1)
    parents = np.cumsum(random.exponential(1.0, 40_000))
    figures = statistics.figures(tape(np.sort(np.concatenate([parents, parents + 0.001]))))
    assert figures.trade_fano == pytest.approx(2, abs=0.15)
    assert figures.trade_branching == pytest.approx(1 - 1 / 2**0.5, abs=0.04)


def test_a_regular_process_has_variation_zero() -> None:
    assert statistics.figures(tape(np.arange(0, 3600.0))).trade_cv == pytest.approx(0)


def test_signs_that_take_turns_and_signs_that_stay() -> None:
    figures = statistics.figures(tape(np.arange(0, 3600.0)))
    assert figures.sign_correlation_1 == pytest.approx(-1, abs=0.01)
    assert figures.sign_correlation_2 == pytest.approx(1, abs=0.01)


def test_spread_is_weighted_by_time() -> None:
    """10 ticks for a minute, 40 ticks for three: 32.5 on average."""
    times = np.array([0, 1, 4]) * MINUTE
    bid, ask = np.array([995.0, 980, 980]), np.array([1005.0, 1020, 1020])
    figures = statistics.figures(Tape(times, bid, ask, np.arange(5) * SECOND, np.array([1.0, -1, 1, 1, -1])))
    assert figures.spread_ticks == pytest.approx(32.5)
    assert figures.spread_bps == pytest.approx(325)


def test_volatility_of_a_price_that_moves_one_bps_up_and_down() -> None:
    times = np.arange(0, 120) * MINUTE + 1
    mid = np.where(np.arange(120) % 2 == 0, 10_000.0, 10_001.0)
    figures = statistics.figures(Tape(times, mid, mid, times, np.where(mid > 10_000, 1.0, -1.0)))
    assert figures.volatility_bps == pytest.approx(1, abs=0.01)


def test_a_side_that_is_missing_counts_neither_in_spread_nor_in_volatility() -> None:
    full = tape(np.arange(0, 3600.0))
    holes = full._replace(bid=np.where(np.arange(3600) % 7 == 3, np.nan, full.bid))
    assert statistics.figures(holes).spread_ticks == pytest.approx(20)
    assert statistics.figures(holes).volatility_bps == pytest.approx(0)


def test_executions_of_one_aggressor_are_one_trade() -> None:
    seconds = np.array([1, 1, 1, 2, 3, 3])
    sign = np.array([1.0, 1, -1, -1, 1, 1])
    execution = np.array([True, True, True, False, True, True])
    found = statistics.tape_of_lobster(seconds * SECOND, execution, sign, sign, sign)
    assert found.trade_ns.tolist() == [1 * SECOND, 1 * SECOND, 3 * SECOND]
    assert found.trade_sign.tolist() == [1, -1, 1]


def test_blocks_median_and_extremes() -> None:
    parts = statistics.blocks(tape(np.arange(0, 3600.0)), seconds=900)
    assert len(parts) == 4
    least, greatest = statistics.extremes(parts)
    middle = statistics.median(parts)
    assert all(low <= mid <= high for low, mid, high in zip(least, middle, greatest, strict=True))
