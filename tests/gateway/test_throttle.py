"""Buckets fill with time, and no faster."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gateway.throttle import Buckets


def test_a_burst_and_then_the_rate() -> None:
    buckets = Buckets(2.0, 3)
    assert [buckets.take("ann", 10.0).allowed for _ in range(4)] == [True, True, True, False]
    refused = buckets.take("ann", 10.0)
    assert (refused.remaining, refused.wait_s, refused.reset_s) == (0, 0.5, 1.5)
    assert buckets.take("bob", 10.0).allowed, "others have their own"
    assert buckets.take("ann", 10.5).allowed
    assert not buckets.take("ann", 10.5).allowed
    assert buckets.look("ann", 11.0).allowed
    assert buckets.take("ann", 11.0).allowed, "looking takes nothing"


@given(
    st.lists(st.floats(0, 5), min_size=1, max_size=60),
    st.floats(0.1, 50),
    st.integers(1, 20),
)
def test_never_more_than_burst_and_rate(gaps: list[float], rate: float, burst: int) -> None:
    buckets, now, taken = Buckets(rate, burst), 0.0, 0
    for gap in gaps:
        now += gap
        taken += buckets.take("x", now).allowed
        assert taken <= burst + rate * now + 1e-6


def test_only_so_many_names_are_kept() -> None:
    buckets = Buckets(1.0, 1, most=2)
    assert buckets.take("a", 0).allowed
    assert not buckets.take("a", 0).allowed
    assert buckets.take("b", 0).allowed
    assert buckets.take("c", 0).allowed
    assert buckets.take("a", 0).allowed, "the longest unused one was forgotten"
