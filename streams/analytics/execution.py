"""What trading cost: slippage against the price at the decision, and where the price went after the fill.

Both are in basis points of the price, positive where it was good for whoever traded, and weighted by notional.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

import numpy as np
import polars as pl
from msgspec import Struct
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Stamps = NDArray[np.int64]

BASIS_POINTS: Final = 10_000
SECOND_NS: Final = 10**9
QUICK: Final = (0.1, 1, 5, 10, 30, 60, 300)
"""Horizons in seconds."""
MINUTES: Final = (60, 300, 900, 1800, 3600, 14_400)
QUICKEST_S: Final = 5
HOUR_S: Final = 3600
DAYS: Final = (86_400, 2 * 86_400, 5 * 86_400, 10 * 86_400, 20 * 86_400)


class Prices(NamedTuple):
    """What one symbol was worth."""

    ts_ns: Stamps
    """Rising."""
    price: Floats


class Markout(Struct, kw_only=True, frozen=True):
    """How far the price had gone in favour of the fills after a while."""

    horizon_s: float
    basis_points: float | None
    """None where no fill is so long before the end of the data."""
    fills: int
    """That it is the mean of."""


def signs(fills: pl.DataFrame) -> Floats:
    """1 for a purchase, -1 for a sale."""
    return np.where((fills["side"] == "buy").to_numpy(), 1.0, -1.0)


def slippage(fills: pl.DataFrame) -> tuple[float, float]:
    """(basis points, money) that fills were better than the price known at the decision; negative: worse. NaN and 0
    where no fill has such a price.

    `fills`: `side`, `quantity`, `price`, `decision_price`."""
    known = fills.filter(pl.col("decision_price").is_not_nan() & (pl.col("decision_price") > 0))
    if known.is_empty():
        return math.nan, 0.0
    quantity, asked = known["quantity"].to_numpy(), known["decision_price"].to_numpy()
    money = float((signs(known) * (asked - known["price"].to_numpy()) * quantity).sum())
    return money / float((asked * quantity).sum()) * BASIS_POINTS, money


def horizons(prices: Mapping[str, Prices]) -> tuple[float, ...]:
    """Those that the data can tell: none is shorter than the usual time between two prices."""
    gaps = [float(np.median(np.diff(one.ts_ns))) for one in prices.values() if len(one.ts_ns) > 1]
    usual_s = min(gaps) / SECOND_NS if gaps else 0.0
    choice = QUICK if usual_s <= QUICKEST_S else MINUTES if usual_s <= HOUR_S else DAYS
    return tuple(horizon for horizon in choice if horizon >= usual_s)


def markouts(fills: pl.DataFrame, prices: Mapping[str, Prices], after_s: Sequence[float]) -> list[Markout]:
    """One for each horizon: the last price at or before fill + horizon against the fill's own. Fills whose horizon lies
    beyond the last price are left out.

    `fills`: `ts_ns`, `symbol`, `side`, `quantity`, `price`."""
    earned, notional, counts = np.zeros(len(after_s)), np.zeros(len(after_s)), np.zeros(len(after_s), np.int64)
    for (symbol,), part in fills.group_by("symbol", maintain_order=True):
        at = prices.get(str(symbol))
        if at is None or not len(at.ts_ns):
            continue
        times, paid = part["ts_ns"].to_numpy(), part["price"].to_numpy()
        quantity = part["quantity"].to_numpy()
        for number, horizon in enumerate(after_s):
            then = times + round(horizon * SECOND_NS)
            rows = np.searchsorted(at.ts_ns, then, side="right") - 1
            known = (then <= at.ts_ns[-1]) & (rows >= 0)
            move = signs(part) * (at.price[np.maximum(rows, 0)] - paid) * quantity
            earned[number] += move[known].sum()
            notional[number] += np.abs(paid * quantity)[known].sum()
            counts[number] += int(known.sum())
    return [
        Markout(
            horizon_s=float(horizon),
            basis_points=float(earned[k] / notional[k] * BASIS_POINTS) if notional[k] > 0 else None,
            fills=int(counts[k]),
        )
        for k, horizon in enumerate(after_s)
    ]
