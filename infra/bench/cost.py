"""What a piece of work costs a system that does other things too, and how exactly that is known."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple

from infra.bench.figures import Figure

Counters = Mapping[str, float]

HALF: Final = 0.5
"""Of the unit: what is less is not told from nothing in whole numbers."""


class Growth(NamedTuple):
    """By how much counters have grown."""

    counters: Counters
    seconds: float


class Cost(NamedTuple):
    """Of one piece of work, in whole units: what is printed is what sums are made of."""

    amount: int
    """0 where the cost is below the resolution: it may be nothing, and it is nothing in a sum."""
    below: int
    """The resolution, where the cost is below it; otherwise 0."""

    @property
    def shown(self) -> int | str:
        return f"below {self.below:,}" if self.below else self.amount

    def figure(self, name: str, unit: str) -> Figure:
        return Figure(name, self.shown, unit)


def cost(grown: float, resolution: float, pieces: int) -> Cost:
    """`grown`: by all the pieces, uncertain by `resolution`. What is less than that, or than nothing, is below it."""
    least = max(resolution / pieces, HALF)
    each = grown / pieces
    return Cost(0, math.ceil(least)) if each < least else Cost(round(each), 0)


def total(costs: Iterable[Cost]) -> int:
    """The sum of the amounts as they are printed."""
    return sum(one.amount for one in costs)


def costs(work: Growth, rests: Sequence[Growth], grains: Counters, pieces: int) -> dict[str, Cost]:
    """Each counter's cost of a piece of the work, without those that the work left as they were.

    `rests`: growth while there was none of that work, several times; the mean rate is taken off, and what the rates
    differ by is what is not known of it. `grains`: the smallest steps of the counters.
    """
    found = {}
    for name, grown in work.counters.items():
        if not grown:
            continue
        rates = [rest.counters[name] / rest.seconds for rest in rests]
        usual = sum(rates) / len(rates)
        unknown = (max(rates) - min(rates)) * work.seconds + grains[name]
        found[name] = cost(grown - usual * work.seconds, unknown, pieces)
    return found
