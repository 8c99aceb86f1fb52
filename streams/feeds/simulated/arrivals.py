"""Clustered arrivals: a marked Hawkes process in its cluster form. Pure, given a seeded generator.

Every event sets off a Poisson number of others after delays drawn from its kernel (Hawkes and Oakes, 1974, "A cluster
process representation of a self-exciting process"), so the process needs no thinning: events wait in a heap.
"""

from __future__ import annotations

import heapq
import math
from random import Random
from typing import Generic, TypeVar

from streams.feeds.simulated.parameters import Excitation

T = TypeVar("T")


class Agenda(Generic[T]):
    """Events to come, by time; those of one time in the order they were put."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, T]] = []
        self._count = 0

    def put(self, time_s: float, event: T) -> None:
        heapq.heappush(self._heap, (time_s, self._count, event))
        self._count += 1

    def pop(self) -> tuple[float, T]:
        time_s, _, event = heapq.heappop(self._heap)
        return time_s, event

    @property
    def next_s(self) -> float:
        return self._heap[0][0]

    def __len__(self) -> int:
        return len(self._heap)


def delays(random: Random, excitation: Excitation) -> list[float]:
    """Seconds until each event that one event sets off."""
    found = []
    for _ in range(poisson(random, excitation.mean)):
        slow = random.random() < excitation.slow_share
        found.append(random.expovariate(1 / (excitation.slow_s if slow else excitation.fast_s)))
    return found


def poisson(random: Random, mean: float) -> int:
    """A Poisson number by Knuth's product of uniforms: for small means."""
    limit = math.exp(-mean)
    count, product = 0, random.random()
    while product > limit:
        count += 1
        product *= random.random()
    return count
