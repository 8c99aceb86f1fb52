"""The Hawkes process in its cluster form."""

from __future__ import annotations

from random import Random

import pytest

from streams.feeds.simulated.arrivals import Agenda, delays, poisson
from streams.feeds.simulated.parameters import Excitation


def test_events_come_by_time_and_ties_in_the_order_they_were_put() -> None:
    agenda: Agenda[str] = Agenda()
    for time_s, event in ((2.0, "c"), (1.0, "a"), (1.0, "b"), (0.5, "first")):
        agenda.put(time_s, event)
    assert agenda.next_s == 0.5
    assert [agenda.pop()[1] for _ in range(len(agenda))] == ["first", "a", "b", "c"]


@pytest.mark.parametrize("mean", [0.0, 0.3, 1.5])
def test_poisson_has_its_mean_and_variance(mean: float) -> None:
    random = Random(1)
    numbers = [poisson(random, mean) for _ in range(20_000)]
    average = sum(numbers) / len(numbers)
    variance = sum((n - average) ** 2 for n in numbers) / len(numbers)
    assert average == pytest.approx(mean, abs=0.05)
    assert variance == pytest.approx(mean, abs=0.1)


def test_delays_mix_a_fast_and_a_slow_exponential() -> None:
    random = Random(1)
    excitation = Excitation(1.0, fast_s=0.1, slow_s=10.0, slow_share=0.25)
    found = [delay_s for _ in range(20_000) for delay_s in delays(random, excitation)]
    assert len(found) / 20_000 == pytest.approx(1, abs=0.03)
    assert sum(found) / len(found) == pytest.approx(0.75 * 0.1 + 0.25 * 10, rel=0.05)


def test_a_branching_process_grows_to_its_expected_size() -> None:
    """One event with branching ratio n sets off 1 / (1 − n) in all."""
    random, excitation = Random(1), Excitation(0.6, 1.0, 1.0)
    total = 0
    for _ in range(5_000):
        waiting = 1
        while waiting:
            waiting -= 1
            total += 1
            waiting += len(delays(random, excitation))
    assert total / 5_000 == pytest.approx(2.5, rel=0.05)
