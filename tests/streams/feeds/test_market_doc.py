"""docs/market.md says what the code does."""

from __future__ import annotations

from dataclasses import astuple, fields
from pathlib import Path

import pytest

from streams.feeds.simulated.parameters import Excitation, Parameters
from tests.streams.feeds.test_simulated import GOOG_GREATEST, GOOG_LEAST

TEXT = (Path(__file__).parents[3] / "docs" / "market.md").read_text()


def rows(heading: str) -> list[list[str]]:
    """The cells of the table under a heading, without its head."""
    section = TEXT.split(f"### {heading}\n")[1].split("\n#")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")][2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_every_parameter_stands_there_with_its_value() -> None:
    parameters = Parameters()
    expected = {}
    for field in fields(parameters):
        value = getattr(parameters, field.name)
        numbers = astuple(value) if isinstance(value, Excitation) else (value,)
        expected[f"`{field.name}`"] = ", ".join(f"{number:g}" for number in numbers)
    assert {name: value for name, value, _ in rows("Parameters")} == expected


def test_the_ranges_are_those_that_the_test_holds() -> None:
    table = rows("How it is held to a real day")
    assert [float(row[1]) for row in table] == pytest.approx(list(GOOG_LEAST))
    assert [float(row[3]) for row in table] == pytest.approx(list(GOOG_GREATEST))
    for row in table:
        low, high = (float(part) for part in row[4].split(" to "))
        assert float(row[1]) <= low <= high <= float(row[3]), row[0]
