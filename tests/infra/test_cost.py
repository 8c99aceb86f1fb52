"""What a piece of work costs: beside what goes on without it, never less than nothing, and in sums that add up."""

from __future__ import annotations

import pytest

from infra.bench.cost import Cost, Growth, cost, costs, total

GRAINS = {"journal": 0.0, "cpu kafka": 20_000.0}


def rests(*grown: float, name: str = "journal", seconds: float = 2.0) -> list[Growth]:
    return [Growth({name: one}, seconds) for one in grown]


def test_what_the_system_does_besides_is_no_cost_of_an_order() -> None:
    """Ten orders in four seconds, beside 3 bytes a second that were written without them too."""
    found = costs(Growth({"journal": 1012.0}, 4.0), rests(6.0, 6.0), GRAINS, 10)
    assert found == {"journal": Cost(100, 0)}


@pytest.mark.parametrize(
    ("grown", "shown"),
    [
        pytest.param(100.0, "below 4", id="less than it did without: not a cost of less than nothing"),
        pytest.param(130.0, "below 4", id="as much as it did without"),
        pytest.param(150.0, "below 4", id="within what the whiles without differ by"),
        pytest.param(160.0, 4, id="as much as that"),
        pytest.param(320.0, 20, id="more"),
    ],
)
def test_a_cost_below_the_resolution_says_so(grown: float, shown: int | str) -> None:
    """Ten orders in four seconds; without them 25, 30 and 35 bytes a second."""
    [found] = costs(Growth({"journal": grown}, 4.0), rests(50.0, 60.0, 70.0), GRAINS, 10).values()
    assert found.shown == shown
    assert found.figure("journal", "B").line.split() == ["journal", *str(shown).split(), "B"]


def test_nothing_is_known_more_exactly_than_the_counter_counts() -> None:
    work, quiet = Growth({"cpu kafka": 10_000.0}, 4.0), rests(0.0, 0.0, name="cpu kafka")
    assert costs(work, quiet, GRAINS, 100) == {"cpu kafka": Cost(0, 200)}


def test_less_than_half_a_unit_is_not_printed_as_nothing() -> None:
    assert cost(4.0, 0.0, 10).shown == "below 1"
    assert cost(5.0, 0.0, 8).shown == 1


def test_what_the_work_left_as_it_was_is_no_figure() -> None:
    assert costs(Growth({"journal": 0.0}, 4.0), rests(6.0, 6.0), GRAINS, 10) == {}


def test_a_sum_is_that_of_its_parts_as_they_are_printed() -> None:
    parts = [cost(14.0, 0.0, 10), cost(14.0, 0.0, 10), cost(14.0, 0.0, 10), cost(-8.0, 0.0, 10)]
    assert [one.shown for one in parts] == [1, 1, 1, "below 1"]
    assert total(parts) == 3
