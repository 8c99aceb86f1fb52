"""What a benchmark found, as lines for people and as JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from infra.bench.conditions import conditions

NAME_WIDTH = 58


class Figure(NamedTuple):
    name: str
    value: float | int | bool | str
    unit: str = ""

    @property
    def line(self) -> str:
        return f"  {self.name:{NAME_WIDTH}} {shown(self.value)} {self.unit}".rstrip()


class Result(NamedTuple):
    """One benchmark's figures."""

    title: str
    sizes: dict[str, Any]
    """What was run: with other sizes the figures would be others."""
    figures: list[Figure]

    @property
    def text(self) -> str:
        lines = [self.title, *(f"  {name}: {value}" for name, value in {**conditions(), **self.sizes}.items()), ""]
        return "\n".join([*lines, *(figure.line for figure in self.figures)])

    @property
    def ok(self) -> bool:
        """Whether everything that had to agree did."""
        return all(figure.value for figure in self.figures if isinstance(figure.value, bool))

    def write(self, path: Path) -> None:
        """As JSON."""
        found = {figure.name: {"value": figure.value, "unit": figure.unit} for figure in self.figures}
        whole = {"title": self.title, "conditions": conditions(), "sizes": self.sizes, "figures": found}
        path.write_text(json.dumps(whole, indent=1) + "\n")


def shown(value: float | int | bool | str) -> str:
    if isinstance(value, bool):
        return "exact" if value else "WRONG"
    if isinstance(value, str):
        return value
    return f"{value:,.0f}" if abs(value) >= 1000 or isinstance(value, int) else f"{value:,.3g}"


def middle(values: Sequence[float]) -> float:
    return float(median(values))


def quantiles(name: str, values: NDArray[Any], unit: str, *, parts: Sequence[float] = (50, 99, 99.9)) -> list[Figure]:
    """`name` p50, p99 and p99.9 of the values."""
    return [
        Figure(f"{name} p{part:g}", float(found), unit)
        for part, found in zip(parts, np.percentile(values, parts), strict=True)
    ]
