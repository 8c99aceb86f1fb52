"""From equity at uneven moments to the growth of 1, and to returns of equal periods."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Stamps = NDArray[np.int64]

SECOND_NS: Final = 10**9
DAY_S: Final = 86_400
YEAR_S: Final = 365 * DAY_S
SHORT_STEPS: Final = (3600, 60)
"""Of an hour and a minute: for what is too short for days."""
LEAST: Final = 10
"""Returns that a step must give, or a shorter one is taken; of fewer no ratio is told."""
TRADING_DAYS: Final = 252
DENSE: Final = 200
"""Days a year from which on bars are taken to be daily ones, and not weekly or monthly."""
SATURDAY_OF_EPOCH: Final = 2
"""Days after 1 January 1970, a Thursday."""


class Curve(NamedTuple):
    """Growth of 1 in time."""

    ts_ns: Stamps
    """Rising."""
    growth: Floats
    """First 1."""


class Sampled(NamedTuple):
    """Returns of equal periods."""

    step_s: float
    """Length of a period; of days without weekends a day."""
    periods_per_year: float
    ts_ns: Stamps
    """End of each period: of the last equity in it."""
    returns: Floats


def curve(ts_ns: Stamps, equity: Floats, deposits: Floats, starting: float) -> Curve:
    """Time-weighted growth: what is paid in or out between two moments (a change of `deposits`, the sum of all payments
    so far) is no gain and no loss, and counts as there at the later one. `starting` is the equity before the first.

    Between moments of which the earlier has no equity above 0 nothing can be earned: growth stands still.
    """
    if not len(ts_ns):
        return Curve(ts_ns, equity)
    if equity[0] != starting and starting > 0:
        ts_ns = np.concatenate([[ts_ns[0] - 1], ts_ns])
        equity = np.concatenate([[starting], equity])
        deposits = np.concatenate([deposits[:1], deposits])
    before = equity[:-1]
    can_earn = before > 0
    earned = np.diff(equity) - np.diff(deposits)
    steps = np.where(can_earn, 1 + earned / np.where(can_earn, before, 1.0), 1.0)
    return Curve(ts_ns, np.concatenate([[1.0], np.cumprod(steps)]))


def returns_of(growth: Floats) -> Floats:
    """Of each point against the one before, up to the one that lost everything."""
    lost = np.flatnonzero(growth <= 0)
    kept = growth[: lost[0] + 1] if len(lost) else growth
    return kept[1:] / kept[:-1] - 1


def sampled(of: Curve) -> Sampled:
    """Days where there are enough of them, else hours where they give enough returns, else minutes.

    Days are those (UTC) on which there is any equity, 252 of them in a year, where none is a Saturday or Sunday (fewer
    where there are fewer than 200 a year, as with weekly bars). Else, and for shorter steps, time goes on around the
    clock, and where nothing was written down equity stood still.
    """
    days = of.ts_ns // (DAY_S * SECOND_NS)
    if len(np.unique(days)) > LEAST:
        weekend = ((days - SATURDAY_OF_EPOCH) % 7 < 2).any()
        return _by_steps(of, DAY_S) if weekend else _by_days(of, days)
    span_s = (int(of.ts_ns[-1]) - int(of.ts_ns[0])) / SECOND_NS if len(of.ts_ns) else 0
    step_s = next((step for step in SHORT_STEPS if span_s / step >= LEAST), SHORT_STEPS[-1])
    return _by_steps(of, step_s)


def _by_days(of: Curve, days: Stamps) -> Sampled:
    last = np.flatnonzero(np.diff(days, append=days[-1] + 1))
    rows = last if last[0] == 0 else np.concatenate([[0], last])
    span_years = (int(of.ts_ns[-1]) - int(of.ts_ns[0])) / SECOND_NS / YEAR_S
    density = (len(rows) - 1) / span_years
    is_daily = density >= DENSE
    if is_daily:
        return _sampled(of, rows, DAY_S, TRADING_DAYS)
    return _sampled(of, rows, YEAR_S / density, density)


def _by_steps(of: Curve, step_s: int) -> Sampled:
    per_year = YEAR_S / step_s
    if len(of.ts_ns) < 2:
        return Sampled(step_s, per_year, of.ts_ns[:0], of.growth[:0])
    step_ns = step_s * SECOND_NS
    first = (int(of.ts_ns[0]) // step_ns + 1) * step_ns
    ends = np.arange(first, int(of.ts_ns[-1]) + step_ns + 1, step_ns, dtype=np.int64)
    # What is stamped with an edge belongs to the period that begins there: a day's bar often has its own midnight.
    rows = np.searchsorted(of.ts_ns, ends, side="left") - 1
    if rows[0] != 0:
        rows = np.concatenate([[0], rows])
    return _sampled(of, rows, step_s, per_year)


def _sampled(of: Curve, rows: NDArray[np.intp], step_s: float, per_year: float) -> Sampled:
    returns = returns_of(of.growth[rows])
    return Sampled(step_s, per_year, of.ts_ns[rows[1 : len(returns) + 1]], returns)
