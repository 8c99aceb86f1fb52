"""Where the marks of an axis stand and what they say. Pure."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final, NamedTuple

from streams.analytics.wording import SECOND_NS

STEPS: Final = (1.0, 2.0, 2.5, 5.0, 10.0)
TIMES: Final = (
    *((seconds, "%H:%M:%S") for seconds in (1, 2, 5, 10, 15, 30)),
    *((60 * minutes, "%H:%M") for minutes in (1, 2, 5, 10, 15, 30, 60, 120, 180, 360)),
    *((86_400 * days, "%d %b") for days in (0.5, 1, 2, 7, 14)),
)
MONTHS: Final = (1, 2, 3, 6, 12, 24, 60, 120, 240)
DAYS_OF_MONTH: Final = 30.4


class Tick(NamedTuple):
    value: float
    text: str


def numbers(low: float, high: float, most: int, text: Callable[[float], str]) -> list[Tick]:
    """At most `most` round values within [low, high], at equal distances."""
    if not high > low:
        return [Tick(low, text(low))]
    rough = (high - low) / most
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(step * power for step in STEPS if step * power >= rough * (1 - 1e-9))
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [Tick(k * step, text(k * step)) for k in range(first, last + 1)]


def moments(start_ns: int, end_ns: int, most: int) -> list[Tick]:
    """The same of time (UTC): whole seconds, hours, days, or first days of months and years."""
    span_s = (end_ns - start_ns) / SECOND_NS
    for step, form in TIMES:
        if span_s / step <= most:
            step_ns = int(step * SECOND_NS)
            first = -(-start_ns // step_ns) * step_ns
            return [Tick(at, _utc(at).strftime(form)) for at in range(first, end_ns + 1, step_ns)]
    months = next((count for count in MONTHS if span_s / (count * DAYS_OF_MONTH * 86_400) <= most), MONTHS[-1])
    start = _utc(start_ns)
    number = -(-(start.year * 12 + start.month - 1) // months) * months
    found = []
    while (at := int(datetime(number // 12, number % 12 + 1, 1, tzinfo=UTC).timestamp()) * SECOND_NS) <= end_ns:
        if at >= start_ns:
            found.append(Tick(at, _utc(at).strftime("%b %Y" if months < 12 else "%Y")))
        number += months
    return found


def _utc(ts_ns: int) -> datetime:
    return datetime.fromtimestamp(ts_ns / SECOND_NS, UTC)
