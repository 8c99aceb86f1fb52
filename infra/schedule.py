"""Which phase an instrument's trading day is in, and when its day orders end. Pure: no clock, no calendar library.

A calendar's session is its regular trading. The opening auction collects orders before it, the closing auction after
it; a break within it collects orders for an auction at its end. Sessions that follow each other at once leave no room
for auctions: trading goes on, and only the day of day orders ends."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from engine.messages import SetPhase
from engine.words import Phase

SECOND_NS: Final = 1_000_000_000
DAY_NS: Final = 86_400 * SECOND_NS
OPENING_AUCTION_NS: Final = 5 * 60 * SECOND_NS
"""How long before the open orders are collected."""
CLOSING_AUCTION_NS: Final = 5 * 60 * SECOND_NS
"""How long after the close orders are collected for the closing price."""
AUCTIONS_NS: Final = OPENING_AUCTION_NS + CLOSING_AUCTION_NS
FAR_NS: Final = DAY_NS
DAY_END_NS: Final = 60 * SECOND_NS
"""Day orders end so long after the market has closed: never before its closing auction has traded, also where the
command that closes it comes a little late."""


class Session(NamedTuple):
    """One trading day of a calendar, in nanoseconds since the epoch."""

    opens_ns: int
    closes_ns: int
    break_starts_ns: int = 0
    """0: no break."""
    break_ends_ns: int = 0


class Step(NamedTuple):
    """From `at_ns` on the phase holds (None: whichever it is), and day orders end at `day_ends_ns`."""

    at_ns: int
    phase: Phase | None
    day_ends_ns: int


def steps(sessions: Sequence[Session]) -> list[Step]:
    """The steps of these sessions, which are in order and do not overlap."""
    found: list[Step] = []
    for number, session in enumerate(sessions):
        before = session.opens_ns - sessions[number - 1].closes_ns if number else FAR_NS
        after = sessions[number + 1].opens_ns - session.closes_ns if number + 1 < len(sessions) else FAR_NS
        closing_ns = CLOSING_AUCTION_NS if after > AUCTIONS_NS else 0
        closed_ns = session.closes_ns + closing_ns
        day_ends_ns = closed_ns + (DAY_END_NS if closing_ns else 0)
        if before > AUCTIONS_NS:
            found.append(Step(session.opens_ns - OPENING_AUCTION_NS, Phase.OPENING_AUCTION, day_ends_ns))
        found.append(Step(session.opens_ns, Phase.CONTINUOUS, day_ends_ns))
        if session.break_starts_ns:
            found.append(Step(session.break_starts_ns, Phase.OPENING_AUCTION, day_ends_ns))
            found.append(Step(session.break_ends_ns, Phase.CONTINUOUS, day_ends_ns))
        if closing_ns:
            found.append(Step(session.closes_ns, Phase.CLOSING_AUCTION, day_ends_ns))
        if after:
            found.append(Step(closed_ns, Phase.CLOSED, day_ends_ns))
    return found


def around_the_clock(now_ns: int) -> list[Step]:
    """Of an instrument without a calendar: its day ends at midnight UTC."""
    midnight_ns = now_ns // DAY_NS * DAY_NS
    return [Step(day_ns, None, day_ns + DAY_NS) for day_ns in (midnight_ns, midnight_ns + DAY_NS)]


def due(symbol: str, now_ns: int, plan: Sequence[Step], phase: Phase, done_ns: int) -> tuple[Step, SetPhase] | None:
    """The command that the instrument needs now, and the step that it carries out; None where it needs none.

    `phase` is what the engine says, `done_ns` the time of the last step carried out (0: none since the start). What an
    operator sets by hand between two steps stays until the next. A halted instrument waits for its `resume`."""
    reached = [step for step in plan if step.at_ns <= now_ns]
    if not reached or reached[-1].at_ns <= done_ns or phase is Phase.HALTED:
        return None
    step = reached[-1]
    return step, SetPhase(symbol=symbol, phase=(step.phase or phase).wire, day_ends_ns=step.day_ends_ns)


def next_step_ns(now_ns: int, plan: Sequence[Step]) -> int | None:
    """When the next step of the plan begins, None after its last."""
    return next((step.at_ns for step in plan if step.at_ns > now_ns), None)
