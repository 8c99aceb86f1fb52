"""The phases of trading days: real holidays, half days, breaks and changes of the clocks, each against the published
hours of the exchange (UTC)."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from engine.messages import SetPhase
from engine.words import Phase
from infra.calendars import UnknownCalendar, sessions
from infra.schedule import DAY_NS, Session, Step, around_the_clock, due, next_step_ns, steps


def at(text: str) -> int:
    """Nanoseconds of a time in UTC, `2026-11-24 14:30`."""
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * 1_000_000_000


def shown(time_ns: int) -> str:
    return f"{datetime.fromtimestamp(time_ns / 1e9, UTC):%m-%d %H:%M}"


def day(calendar: str, date: str) -> list[tuple[str, str]]:
    """The steps of a calendar on a UTC day."""
    first = at(f"{date} 00:00")
    plan = steps(sessions(calendar, first))
    today = [step for step in plan if first <= step.at_ns < first + DAY_NS]
    return [(shown(step.at_ns)[6:], step.phase.wire) for step in today if step.phase]


def usual(*times: str) -> list[tuple[str, str]]:
    return list(zip(times, ("opening_auction", "continuous", "closing_auction", "closed"), strict=True))


@pytest.mark.parametrize(
    ("calendar", "date", "expected"),
    [
        ("XNYS", "2026-11-24", usual("14:25", "14:30", "21:00", "21:05")),
        ("XNYS", "2026-11-26", []),  # Thanksgiving
        ("XNYS", "2026-11-27", usual("14:25", "14:30", "18:00", "18:05")),  # the half day after it
        ("XNYS", "2026-12-24", usual("14:25", "14:30", "18:00", "18:05")),
        ("XNYS", "2026-12-25", []),
        ("XNYS", "2026-07-03", []),  # the Fourth is a Saturday
        ("XNYS", "2026-11-28", []),  # a Saturday
        ("XNYS", "2026-03-06", usual("14:25", "14:30", "21:00", "21:05")),
        ("XNYS", "2026-03-09", usual("13:25", "13:30", "20:00", "20:05")),  # New York's clocks went forward
        ("XNYS", "2026-10-30", usual("13:25", "13:30", "20:00", "20:05")),
        ("XNYS", "2026-11-02", usual("14:25", "14:30", "21:00", "21:05")),  # and back
        ("XLON", "2026-03-30", usual("06:55", "07:00", "15:30", "15:35")),  # London's went forward three weeks later
        ("XLON", "2026-12-24", usual("07:55", "08:00", "12:30", "12:35")),
        (
            "XHKG",
            "2026-11-24",
            [
                ("01:25", "opening_auction"),
                ("01:30", "continuous"),
                ("04:00", "opening_auction"),  # orders are collected over lunch
                ("05:00", "continuous"),
                ("08:00", "closing_auction"),
                ("08:05", "closed"),
            ],
        ),
        ("24/7", "2026-11-24", [("00:00", "continuous")]),
        ("CMES", "2026-11-24", [("23:00", "continuous")]),  # one session follows the other
    ],
)
def test_the_day_of_an_exchange(calendar: str, date: str, expected: list[tuple[str, str]]) -> None:
    assert day(calendar, date) == expected


def test_day_orders_end_after_the_closing_auction_has_traded() -> None:
    plan = steps(sessions("XNYS", at("2026-11-27 00:00")))
    ends = {shown(step.day_ends_ns) for step in plan if shown(step.at_ns).startswith("11-27")}
    assert ends == {"11-27 18:06"}


def test_where_sessions_adjoin_only_the_day_ends() -> None:
    plan = steps(
        [
            Session(at("2026-11-24 00:00"), at("2026-11-25 00:00")),
            Session(at("2026-11-25 00:00"), at("2026-11-26 00:00")),
        ]
    )
    assert plan[1:3] == [
        Step(at("2026-11-24 00:00"), Phase.CONTINUOUS, at("2026-11-25 00:00")),
        Step(at("2026-11-25 00:00"), Phase.CONTINUOUS, at("2026-11-26 00:06")),
    ]


def test_a_short_gap_has_no_room_for_auctions() -> None:
    plan = steps(
        [
            Session(at("2026-11-24 10:00"), at("2026-11-24 11:00")),
            Session(at("2026-11-24 11:08"), at("2026-11-24 12:00")),
        ]
    )
    between = [(shown(step.at_ns), step.phase) for step in plan][1:4]
    assert between == [
        ("11-24 10:00", Phase.CONTINUOUS),
        ("11-24 11:00", Phase.CLOSED),
        ("11-24 11:08", Phase.CONTINUOUS),
    ]


@pytest.mark.parametrize("name", ["NOPE", "XNYS2"])
def test_an_unknown_calendar(name: str) -> None:
    with pytest.raises(UnknownCalendar, match=f"^calendar {name}: "):
        sessions(name, at("2026-11-24 00:00"))


NEW_YORK = steps([Session(at("2026-11-24 14:30"), at("2026-11-24 21:00"))])
ENDS = at("2026-11-24 21:06")


@pytest.mark.parametrize(
    ("now", "phase", "done", "command"),
    [
        ("14:24", Phase.CLOSED, "", None),  # nothing has been reached yet
        ("14:25", Phase.CLOSED, "", "opening_auction"),
        ("14:29", Phase.OPENING_AUCTION, "14:25", None),
        ("14:30", Phase.OPENING_AUCTION, "14:25", "continuous"),
        ("17:00", Phase.OPENING_AUCTION, "14:25", "continuous"),  # the machine slept
        ("17:00", Phase.CONTINUOUS, "", "continuous"),  # started anew: the same phase changes nothing
        ("17:00", Phase.CLOSED, "14:30", None),  # an operator closed it: it stays so until the next step
        ("17:00", Phase.HALTED, "", None),
        ("21:02", Phase.HALTED, "14:30", None),  # halted over the close ...
        ("21:02", Phase.CONTINUOUS, "14:30", "closing_auction"),  # ... and resumed: what was due follows
        ("21:05", Phase.CLOSING_AUCTION, "21:00", "closed"),
        ("23:00", Phase.CLOSED, "21:05", None),
        ("14:40", Phase.CLOSED, "21:05", None),  # a clock that was set back sends nothing twice
    ],
)
def test_what_is_due(now: str, phase: Phase, done: str, command: str | None) -> None:
    found = due("IBM", at(f"2026-11-24 {now}"), NEW_YORK, phase, at(f"2026-11-24 {done}") if done else 0)
    expected = None if command is None else SetPhase(symbol="IBM", phase=command, day_ends_ns=ENDS)
    assert (None if found is None else found[1]) == expected


@pytest.mark.parametrize("phase", [Phase.CONTINUOUS, Phase.CLOSED])
def test_around_the_clock_the_day_ends_at_midnight_and_the_phase_stays(phase: Phase) -> None:
    now = at("2026-11-24 23:59")
    found = due("BTCUSD", now, around_the_clock(now), phase, 0)
    assert found is not None
    step, command = found
    assert command == SetPhase(symbol="BTCUSD", phase=phase.wire, day_ends_ns=at("2026-11-25 00:00"))
    midnight = at("2026-11-25 00:00")
    assert next_step_ns(now, around_the_clock(now)) == midnight
    assert due("BTCUSD", now + 1, around_the_clock(now), phase, step.at_ns) is None
    later = due("BTCUSD", midnight, around_the_clock(midnight), phase, step.at_ns)
    assert later is not None
    assert later[1].day_ends_ns == at("2026-11-26 00:00")
