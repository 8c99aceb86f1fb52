"""Figures as people read them."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Final

SECOND_NS: Final = 10**9
DAY_NS: Final = 86_400 * SECOND_NS
NOTHING: Final = "–"
SMALLEST: Final = 1e-6
"""Percent: less is shown as nothing."""
UNITS: Final = ((365.25 * 86_400, "years"), (86_400, "days"), (3600, "h"), (60, "min"), (1, "s"))
ONE: Final = {86_400.0: "a day", 3600.0: "an hour", 60.0: "a minute", 1.0: "a second"}


def number(value: float | None, decimals: int = 2) -> str:
    # What rounds to nothing has no sign.
    return NOTHING if value is None else f"{round(value, decimals) + 0.0:,.{decimals}f}".replace("-", "−")


def percent(value: float | None, decimals: int = 2) -> str:
    """Of a part: 0.1 is 10 %. Of what is less than the last decimal two digits are shown."""
    if value is None:
        return NOTHING
    size = abs(100 * value)
    if SMALLEST <= size < 10.0**-decimals:
        decimals = 1 - math.floor(math.log10(size))
    return f"{number(100 * value, decimals)} %"


def signed_percent(value: float | None) -> str:
    return NOTHING if value is None else ("+" if value > 0 else "") + percent(value)


def signed(value: float | None, decimals: int = 2) -> str:
    return NOTHING if value is None else ("+" if value > 0 else "") + number(value, decimals)


def basis_points(value: float | None) -> str:
    return NOTHING if value is None else f"{signed(value, 1)} bp"


def duration(seconds: float | None) -> str:
    """In the largest unit of which there are two."""
    if seconds is None:
        return NOTHING
    for length, name in UNITS:
        if seconds >= 2 * length:
            return f"{seconds / length:,.{0 if seconds >= 10 * length else 1}f} {name}"
    return f"{seconds:.3g} s"


def period(step_s: float) -> str:
    """As in: returns of a day."""
    return ONE.get(step_s) or duration(step_s)


def moment(ts_ns: int | None) -> str:
    """UTC, to the second where it is not a whole minute; midnight is the day alone, as daily bars have it."""
    if ts_ns is None:
        return NOTHING
    time = datetime.fromtimestamp(ts_ns // SECOND_NS, UTC)
    if ts_ns % DAY_NS == 0:
        return time.strftime("%Y-%m-%d")
    return time.strftime("%Y-%m-%d %H:%M:%S" if ts_ns % (60 * SECOND_NS) else "%Y-%m-%d %H:%M")
