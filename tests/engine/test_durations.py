from __future__ import annotations

from itertools import accumulate, pairwise

import numba
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from engine import durations
from engine.durations import BOUNDS_NS, SLOTS, Durations, Series

compiled_note = numba.njit(durations.note)
DURATIONS = st.lists(st.tuples(st.integers(-10, 1 << 40), st.integers(1, 100)), max_size=50)


@given(DURATIONS)
def test_buckets_are_those_of_a_comparison_with_every_bound(noted: list[tuple[int, int]]) -> None:
    series = Series()
    for ns, count in noted:
        series.note(ns, count)
    expected = [sum(count for ns, count in noted if ns < bound) for bound in BOUNDS_NS]
    assert series.cumulative() == [*expected, sum(count for _, count in noted)]


@settings(deadline=None)  # the first one is compiled
@given(DURATIONS)
def test_compiled_code_notes_the_same(noted: list[tuple[int, int]]) -> None:

    ours, theirs = Series(), Series(np.zeros(SLOTS + 1, np.int64))
    for ns, count in noted:
        ours.note(ns, count)
        compiled_note(theirs.cells, ns, count)
    assert theirs.cumulative() == ours.cumulative()
    assert theirs.total_ns == ours.total_ns


def test_bounds_begin_at_a_microsecond_and_rise_by_half_at_most() -> None:
    assert BOUNDS_NS[0] == 1024
    assert BOUNDS_NS[-1] > 10 * 10**9
    assert all(1 < after / before <= 1.5 for before, after in pairwise(BOUNDS_NS))


def test_prometheus_reads_a_histogram_of_seconds() -> None:
    registry = CollectorRegistry()
    trial = Durations("hft_trial_seconds", "A trial.", "leg")
    registry.register(trial)
    assert trial.series("a") is trial.series("a")
    trial.series("a").note(1_200, 3)
    trial.series("b").note(2_000_000_000)
    [family] = text_string_to_metric_families(generate_latest(registry).decode())
    assert (family.name, family.type) == ("hft_trial_seconds", "histogram")
    counts = {
        float(sample.labels["le"]): sample.value
        for sample in family.samples
        if sample.name.endswith("_bucket") and sample.labels["leg"] == "a"
    }
    assert counts[1.024e-06] == 0
    assert counts[1.536e-06] == counts[float("inf")] == 3
    assert list(counts.values()) == list(accumulate(counts.values(), max)), "cumulative"
    sums = {sample.labels["leg"]: sample.value for sample in family.samples if sample.name.endswith("_sum")}
    assert sums == {"a": 3.6e-06, "b": 2.0}
