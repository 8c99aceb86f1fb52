"""Figures of a series of returns of equal periods.

A return is a part of the equity before it (0.01: one percent). Where a figure is not defined (too few returns, no
spread, no loss) it is NaN. The risk-free rate is nothing everywhere. A test holds each of them to empyrical.

Sources: W. F. Sharpe, "The Sharpe Ratio", Journal of Portfolio Management 21 (1), 1994; F. A. Sortino and R. van der
Meer, "Downside Risk", Journal of Portfolio Management 17 (4), 1991; T. W. Young, "Calmar Ratio: A Smoother Tool",
Futures 20 (1), 1991; R. T. Rockafellar and S. Uryasev, "Optimization of Conditional Value-at-Risk", Journal of Risk 2,
2000.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

TAIL: Final = 0.05
"""The part of the returns that value at risk is about."""


def total_return(returns: Floats) -> float:
    """All of them compounded, as a part of what there was at first."""
    return float(np.prod(1 + returns) - 1) if len(returns) else math.nan


def cagr(returns: Floats, periods_per_year: float) -> float:
    """Compound annual growth rate. -1 where everything was lost."""
    if not len(returns):
        return math.nan
    growth = 1 + total_return(returns)
    if growth < 0:
        return math.nan
    try:
        return float(growth ** (periods_per_year / len(returns)) - 1)
    except OverflowError:
        return math.inf


def volatility(returns: Floats, periods_per_year: float) -> float:
    """Standard deviation (of a sample) of a year's returns."""
    return _spread(returns) * math.sqrt(periods_per_year)


def sharpe(returns: Floats, periods_per_year: float) -> float:
    """Mean over standard deviation, scaled to a year."""
    spread = _spread(returns)
    return float(returns.mean()) / spread * math.sqrt(periods_per_year) if spread > 0 else math.nan


def downside_deviation(returns: Floats, periods_per_year: float) -> float:
    """Root of the mean square of the losses, where a gain counts as a loss of nothing; scaled to a year."""
    if not len(returns):
        return math.nan
    losses = np.minimum(returns, 0.0)
    return math.sqrt(float(np.mean(losses * losses)) * periods_per_year)


def sortino(returns: Floats, periods_per_year: float) -> float:
    """Mean return of a year over the downside deviation. NaN where there is no loss."""
    downside = downside_deviation(returns, periods_per_year)
    return float(returns.mean()) * periods_per_year / downside if downside > 0 else math.nan


def calmar(annual_growth: float, max_drawdown: float) -> float:
    """`cagr` over the largest drawdown. NaN where there was none."""
    return annual_growth / max_drawdown if max_drawdown > 0 else math.nan


def value_at_risk(returns: Floats, tail: float = TAIL) -> float:
    """The return that only a part `tail` of all returns is below, between two of them linearly."""
    return float(np.quantile(returns, tail)) if len(returns) else math.nan


def conditional_value_at_risk(returns: Floats, tail: float = TAIL) -> float:
    """Mean of the worst part `tail` of the returns; at least one of them."""
    if not len(returns):
        return math.nan
    last = int((len(returns) - 1) * tail)
    return float(np.partition(returns, last)[: last + 1].mean())


def skewness(returns: Floats) -> float:
    """Third standardized moment, 0 where there is no spread."""
    return _standardized(returns, 3) if _spread(returns) > 0 else 0.0


def kurtosis(returns: Floats) -> float:
    """Fourth standardized moment, 3 for a normal distribution and where there is no spread."""
    return _standardized(returns, 4) if _spread(returns) > 0 else 3.0


def _standardized(returns: Floats, power: int) -> float:
    # Scaled first: the fourth power of a return of a hundred-millionth is still a number, of far less it is not.
    centred = returns - returns.mean()
    centred /= np.abs(centred).max()
    return float(np.mean(centred**power) / np.mean(centred**2) ** (power / 2))


def _spread(returns: Floats) -> float:
    """NaN for fewer than two; exactly 0 where all are alike, which rounding of the mean would hide."""
    if len(returns) < 2:
        return math.nan
    if (returns == returns[0]).all():
        return 0.0
    return float(returns.std(ddof=1))
