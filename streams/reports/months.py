"""Returns by calendar month (UTC). Pure."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from streams.analytics.curve import Curve


class Month(NamedTuple):
    year: int
    month: int
    """1 to 12."""
    change: float
    """As a part."""


def months(of: Curve) -> list[Month]:
    """The return of each month in which there is any point; of the first from the curve's beginning on."""
    if not len(of.ts_ns):
        return []
    number = of.ts_ns.astype("datetime64[ns]").astype("datetime64[M]").astype(int)
    last = np.flatnonzero(np.diff(number, append=number[-1] + 1))
    before = np.concatenate([[of.growth[0]], of.growth[last][:-1]])
    return [
        Month(1970 + int(number[row]) // 12, int(number[row]) % 12 + 1, float(of.growth[row] / was - 1))
        for row, was in zip(last.tolist(), before.tolist(), strict=True)
        if was > 0
    ]
