"""How much of a Sharpe ratio is left when it is the best of many trials.

Source: D. Bailey and M. López de Prado, "The Deflated Sharpe Ratio: Correcting for Selection Bias, Backtest Overfitting
and Non-Normality", Journal of Portfolio Management 40 (5), 2014. Sharpe ratios are those of one period, not annualized.
"""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import Final

NORMAL: Final = NormalDist()
EULER_MASCHERONI: Final = 0.5772156649015329


def expected_maximum(trials: int, variance: float) -> float:
    """The Sharpe ratio that the best of `trials` worthless, independent strategies is expected to show, where the
    ratios of the trials have this variance. 0 for a single trial."""
    if trials < 2 or variance <= 0:
        return 0.0
    first = NORMAL.inv_cdf(1 - 1 / trials)
    second = NORMAL.inv_cdf(1 - 1 / (trials * math.e))
    return math.sqrt(variance) * ((1 - EULER_MASCHERONI) * first + EULER_MASCHERONI * second)


def probabilistic_sharpe(sharpe: float, benchmark: float, returns: int, skewness: float, kurtosis: float) -> float:
    """Probability that the true Sharpe ratio is above the benchmark, from `returns` observations. `kurtosis` is 3 for a
    normal distribution. NaN where there are too few returns, or the moments belong to no distribution."""
    spread = 1 - skewness * sharpe + (kurtosis - 1) / 4 * sharpe**2
    if returns < 2 or not spread > 0:
        return math.nan
    return NORMAL.cdf((sharpe - benchmark) * math.sqrt(returns - 1) / math.sqrt(spread))


def deflated_sharpe(
    sharpe: float, *, trials: int, variance: float, returns: int, skewness: float, kurtosis: float
) -> float:
    """Probability that the best of `trials` has a true Sharpe ratio above 0: below 0.95 it may well be luck.

    `variance`: of the Sharpe ratios of all trials."""
    return probabilistic_sharpe(sharpe, expected_maximum(trials, variance), returns, skewness, kurtosis)
