"""What was measured at one rate, and which of several rates was too much."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

PERCENTILES: Final = (50.0, 90.0, 99.0, 99.9, 99.99)
WIDTH: Final = 50
KEPT_UP: Final = 0.99
"""Answers in time for fewer of the orders than this: the rate was too much, whatever their latency."""


class Level(NamedTuple):
    """One rate, held for a while."""

    rate: float
    """Orders a second that were due."""
    due: int
    latencies_us: NDArray[np.float64]
    """From the moment an order was due to its answer, of those that were answered; what the sender itself was late is
    in it, so that a slow answer is not hidden by the orders that waited behind it."""
    refused: int
    seconds: float
    """From the first order that was due to the last answer."""

    def percentile(self, share: float) -> float:
        """Microseconds; infinite where nothing was answered."""
        return float(np.percentile(self.latencies_us, share)) if len(self.latencies_us) else float("inf")

    @property
    def answered(self) -> float:
        """Share of the orders."""
        return len(self.latencies_us) / self.due if self.due else 1.0


def breaking(levels: Sequence[Level], factor: float) -> Level | None:
    """The first level whose p99 is more than `factor` times that of the first one, or that left orders unanswered."""
    if not levels:
        return None
    bar = levels[0].percentile(99) * factor
    return next((level for level in levels if level.percentile(99) > bar or level.answered < KEPT_UP), None)


def line(level: Level) -> str:
    parts = "  ".join(f"p{share:g} {shown(level.percentile(share))}" for share in PERCENTILES)
    refused = f"  refused {level.refused:,}" if level.refused else ""
    missing = f"  unanswered {level.due - len(level.latencies_us):,}" if level.answered < 1 else ""
    return f"{level.rate:>10,.0f}/s  {parts}{refused}{missing}"


def shown(us: float) -> str:
    if us == float("inf"):
        return "never"
    return f"{us / 1000:,.1f} ms" if us >= 1000 else f"{us:,.0f} µs"


def histogram(latencies_us: NDArray[np.float64]) -> str:
    """Bars of counts, each for latencies up to twice those of the one before."""
    if not len(latencies_us):
        return "no answers"
    exponents = np.ceil(np.log2(np.maximum(latencies_us, 1.0))).astype(int)
    counts = np.bincount(exponents)
    first = int(np.flatnonzero(counts)[0])
    most = int(counts.max())
    lines = []
    below = 0
    for exponent in range(first, len(counts)):
        count = int(counts[exponent])
        below += count
        bar = "█" * max(int(count / most * WIDTH), 1 if count else 0)
        share = 100 * below / len(latencies_us)
        lines.append(f"  ≤ {shown(2.0**exponent):>10}  {count:>10,}  {share:>8.3f} %  {bar}")
    return "\n".join(lines)
