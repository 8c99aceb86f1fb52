"""Seeded mutations of the matcher, each of which the comparison with the reference must catch (`mutants/`).

They run as plain Python, without the compiler, over the same kind of streams as `test_against_reference`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from mutants import MUTANTS, Mutant

import engine

RUNNER = Path(__file__).with_name("mutation_runner.py")
LEAST = 100
pytestmark = [pytest.mark.long, pytest.mark.timeout(1_800)]


@pytest.fixture(scope="module")
def verdicts() -> dict[str, str]:
    root = Path(engine.__file__).parents[1]
    environment = os.environ | {"NUMBA_DISABLE_JIT": "1", "PYTHONPATH": str(root)}
    run = subprocess.run([sys.executable, RUNNER], env=environment, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    return dict(json.loads(run.stdout))


def test_the_matcher_as_it_is_differs_in_nothing(verdicts: dict[str, str]) -> None:
    """Otherwise a mutant could be caught by what is no fault of its own."""
    assert verdicts["the matcher as it is"] == "no difference"


def test_every_mutant_is_caught(verdicts: dict[str, str], record_property: pytest.RecordProperty) -> None:
    table = "\n".join(f"{mutant.file:10} {mutant.what:60} {verdicts[mutant.what]}" for mutant in MUTANTS)
    record_property("mutants", table)
    print(f"\n{table}")  # noqa: T201 - the table is what this test is for: pytest -s
    assert [mutant.what for mutant in MUTANTS if verdicts[mutant.what] == "no difference"] == []
    assert len({mutant.what for mutant in MUTANTS}) == len(MUTANTS) >= LEAST


def test_a_mutant_that_does_not_apply_is_an_error() -> None:
    with pytest.raises(ValueError, match="stands 0 times"):
        Mutant("no such code", "matching", "match", "level > no_such_name", "level").source()
    with pytest.raises(ValueError, match="is not there"):
        Mutant("no such function", "matching", "no_such_function", "level", "limit").source()
