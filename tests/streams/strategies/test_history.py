"""Where the history begins that a new run warms up on."""

from __future__ import annotations

import pytest

from streams.strategies.history import begin_ns

S = 10**9


@pytest.mark.parametrize(
    ("starts_s", "bars", "now_s", "begin_s"),
    [
        ([0, 60, 120, 180], 2, 200, 60),  # that of 180 is not over
        ([0, 60, 120, 180], 2, 240, 120),
        ([0, 300, 360], 3, 1000, 0),  # intervals without trades are no bars
        ([300, 0, 360, 301, 330], 2, 1000, 300),  # of shorter candles, in any order
        ([0, 60], 9, 1000, 0),
        ([60], 1, 90, 60),
        ([], 3, 90, None),
    ],
)
def test_as_many_bars_as_are_over(starts_s: list[int], bars: int, now_s: int, begin_s: int | None) -> None:
    found = begin_ns([start * S for start in starts_s], 60, bars, now_s * S)
    assert found == (None if begin_s is None else begin_s * S)
