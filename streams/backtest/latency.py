"""How long news takes to a strategy, and its orders to the market: a constant, or drawn from what was measured."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import numpy as np


class Delay(Protocol):
    def next_ns(self) -> int:
        """The next delay in nanoseconds, 0 or more."""


class Constant:
    def __init__(self, ns: int) -> None:
        """Raises ValueError below 0."""
        if ns < 0:
            raise ValueError(f"latency {ns} ns is below 0")
        self._ns = ns

    def next_ns(self) -> int:
        return self._ns

    def __str__(self) -> str:
        return f"{self._ns / 1000:g} µs"


class Measured:
    """Drawn with replacement from measured delays; the seed makes a run repeatable."""

    def __init__(self, samples_ns: Sequence[int], seed: int = 1) -> None:
        """Raises ValueError where there is no sample, or one below 0."""
        self._samples = np.asarray(samples_ns, np.int64)
        if len(self._samples) == 0 or int(self._samples.min()) < 0:
            raise ValueError("measured latencies must be one or more numbers, none below 0")
        self._random = np.random.default_rng(seed)
        self._drawn: list[int] = []

    def next_ns(self) -> int:
        if not self._drawn:
            self._drawn = self._random.choice(self._samples, 4096).tolist()
        return self._drawn.pop()

    def __str__(self) -> str:
        half, most = np.percentile(self._samples, [50, 99]) / 1000
        return f"{len(self._samples):,} measured, p50 {half:,.0f} µs, p99 {most:,.0f} µs"


class Latency(NamedTuple):
    """Orders of one strategy never overtake each other, nor do its news."""

    news: Delay
    orders: Delay

    def __str__(self) -> str:
        return f"news {self.news}, orders {self.orders}"


NONE = Latency(Constant(0), Constant(0))
