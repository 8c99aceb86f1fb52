"""When orders are due: an open loop, whose arrivals know nothing of the answers."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def poisson(rate: float, seconds: float, seed: int) -> NDArray[np.int64]:
    """Nanoseconds from the start at which orders are due, in order: independent arrivals, `rate` a second on average.

    Traders do not keep a beat, and the queue that a burst makes is what shows first when a system is near its limit."""
    random = np.random.default_rng(seed)
    count = int(random.poisson(rate * seconds))
    return np.sort(random.integers(0, int(seconds * 1e9), count)).astype(np.int64)
