"""A short run of the simulation, that a seed repeats, and that it fails where a guard is off."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager

import pytest

from tests.simulation.controls import GUARDS
from tests.simulation.faults import KINDS
from tests.simulation.invariants import Broken
from tests.simulation.seeds import main, table
from tests.simulation.world import simulate

SEEDS = 6
MOST_SEEDS = 40
"""A guard that is off must have been missed by then."""
Guard = Callable[[], AbstractContextManager[None]]


@pytest.mark.parametrize("seed", range(SEEDS))
def test_nothing_is_lost_or_doubled(seed: int) -> None:
    assert simulate(seed, 1000).total() > 0


def test_a_seed_repeats() -> None:
    assert simulate(SEEDS, 300) == simulate(SEEDS, 300)


@pytest.mark.parametrize(("guard", "invariant"), GUARDS.items(), ids=lambda value: getattr(value, "__name__", value))
def test_a_guard_that_is_off_is_missed(guard: Guard, invariant: str) -> None:
    found = []
    with guard():
        for seed in range(MOST_SEEDS):
            try:
                simulate(seed, 300)
            except Broken as error:
                found.append(f"seed {seed}: {str(error)[:300]}")
                if error.invariant == invariant:
                    print(f"without {guard.__name__}: {found[-1]}")  # noqa: T201 - pytest -s shows the seed
                    return
    pytest.fail(f"without {guard.__name__}, {invariant} was never broken; {found}")


def test_the_command_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--seeds", "1", "--commands", "50"]) == 0
    shown = capsys.readouterr().out
    assert all(f"  {kind}: " in shown for kind in KINDS)
    assert "1 seeds of 50 commands: none failed" in shown
    assert table(simulate(0, 50)) in shown
