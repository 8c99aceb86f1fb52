"""Trading hours, holidays and early closes, from `exchange_calendars`. It brings pandas: only the process that needs a
calendar imports this."""

from __future__ import annotations

import warnings
from typing import Final

import exchange_calendars
import pandas as pd
from exchange_calendars.errors import CalendarError

from infra.schedule import DAY_NS, Session

DAYS_BEFORE: Final = 14
"""Longer than any exchange has ever been on holiday, so that the last session before now is among the sessions."""
DAYS_AFTER: Final = 21


class UnknownCalendar(ValueError):
    """No calendar has this name, or it does not reach this far; the text says which."""


def sessions(calendar: str, now_ns: int) -> list[Session]:
    """The sessions of a calendar (`XNYS`, …) for some weeks around a time, oldest first. Raises `UnknownCalendar`."""
    start = pd.Timestamp(now_ns - DAYS_BEFORE * DAY_NS).normalize()
    end = pd.Timestamp(now_ns + DAYS_AFTER * DAY_NS).normalize()
    try:
        with warnings.catch_warnings():
            # It still calls what newer versions of pandas announce to change.
            warnings.simplefilter("ignore", DeprecationWarning)
            schedule = exchange_calendars.get_calendar(calendar, start=start, end=end).schedule
    except (CalendarError, ValueError) as error:
        raise UnknownCalendar(f"calendar {calendar}: {error}") from None
    found = []
    for row in schedule.itertuples():
        breaks = (0, 0) if pd.isna(row.break_start) else (_nanoseconds(row.break_start), _nanoseconds(row.break_end))
        found.append(Session(_nanoseconds(row.open), _nanoseconds(row.close), *breaks))
    return found


def _nanoseconds(time: pd.Timestamp) -> int:
    return int(time.as_unit("ns").value)
