"""Figures of round trips: from flat until flat again."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def hit_rate(pnl: Floats) -> float:
    """The part of them that earned something. One that earned nothing counts as none that did."""
    return float((pnl > 0).mean()) if len(pnl) else math.nan


def profit_factor(pnl: Floats) -> float:
    """Sum of the gains over the sum of the losses; NaN where there is no loss."""
    lost = -float(pnl[pnl < 0].sum())
    return float(pnl[pnl > 0].sum()) / lost if lost > 0 else math.nan


def average(values: Floats) -> float:
    """NaN of none."""
    return float(values.mean()) if len(values) else math.nan
