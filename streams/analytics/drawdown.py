"""How far below its peak a curve was, and for how long."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Stamps = NDArray[np.int64]


class Drawdown(NamedTuple):
    """One fall below a peak."""

    depth: float
    """As a part of the peak, 0 to 1; more where the equity was negative."""
    peak_ns: int
    """Last moment at the peak."""
    trough_ns: int
    """First moment at the bottom."""
    recovered_ns: int | None
    """First moment at the peak's height again; None where that has not been."""

    def length_ns(self, end_ns: int) -> int:
        """From the peak until it was reached again, or until the curve's end."""
        return (end_ns if self.recovered_ns is None else self.recovered_ns) - self.peak_ns


def underwater(curve: Floats) -> Floats:
    """The fall from the highest point so far as a part of it, for each point: 0 at a peak. The curve begins above 0."""
    peak = np.maximum.accumulate(curve)
    return 1 - curve / peak


def max_drawdown(curve: Floats) -> float:
    """NaN for an empty curve."""
    return float(underwater(curve).max()) if len(curve) else math.nan


def drawdowns(ts_ns: Stamps, curve: Floats) -> list[Drawdown]:
    """All of them, in the order of time."""
    below = curve < np.maximum.accumulate(curve)
    edges = np.diff(below.astype(np.int8))
    starts = np.flatnonzero(edges == 1)
    ends = np.flatnonzero(edges == -1) + 1
    found = []
    for number, start in enumerate(starts.tolist()):
        end = int(ends[number]) if number < len(ends) else len(curve)
        trough = start + 1 + int(np.argmin(curve[start + 1 : end]))
        found.append(
            Drawdown(
                depth=float(1 - curve[trough] / curve[start]),
                peak_ns=int(ts_ns[start]),
                trough_ns=int(ts_ns[trough]),
                recovered_ns=int(ts_ns[end]) if end < len(curve) else None,
            )
        )
    return found
