"""How much was traded and how much was held, against what there was."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Stamps = NDArray[np.int64]


def over_time(ts_ns: Stamps, values: Floats) -> float:
    """Mean of what stood until the next moment, by how long it stood. Of one moment: its value."""
    if len(values) < 2 or ts_ns[0] == ts_ns[-1]:
        return float(values[-1]) if len(values) else math.nan
    return float(np.average(values[:-1], weights=np.diff(ts_ns)))


def turnover(traded: float, mean_equity: float, years: float) -> float:
    """Notional of both sides that is traded in a year, as a multiple of the mean equity."""
    return traded / mean_equity / years if mean_equity > 0 and years > 0 else math.nan


def exposure(held: Floats, equity: Floats) -> Floats:
    """What is held as a multiple of the equity at each moment; 0 where there is no equity above 0."""
    return np.divide(held, equity, out=np.zeros(len(equity)), where=equity > 0)
