"""The process `schedule`: begins each phase of every instrument's trading day, and moves the end of its day orders.

All that it knows it asks the engine for, so a restart at any moment goes on where the day stands. What is due is
decided in `infra.schedule`."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final, NamedTuple

from engine.client import Client
from engine.instruments import load
from engine.messages import Instrument, Timer
from engine.refusal import Refusal
from engine.tokens import EVERY_ACCOUNT, Identity, issue
from engine.words import Outcome, Phase
from infra.errors import OperatorError
from infra.schedule import DAY_NS, Step, around_the_clock, due, next_step_ns, steps
from streams.lifecycle import Outage, stop_on_signals

log = logging.getLogger(__name__)

TOKEN_S: Final = 86_400
TIMEOUT_S: Final = 2.0
LOOK_S: Final = 1.0
"""How often the engine is asked for its instruments: for new ones, and for halts that have ended."""


class Plan(NamedTuple):
    calendar: str
    day: int
    """Of the epoch, when it was made; each day makes a new one."""
    steps: list[Step]


class Scheduler:
    def __init__(self) -> None:
        self._plans: dict[str, Plan] = {}
        self._done: dict[str, int] = {}

    def check(self, calendar: str, now_ns: int) -> None:
        """Raises `OperatorError` where no calendar has this name."""
        from infra.calendars import UnknownCalendar, sessions

        try:
            sessions(calendar, now_ns)
        except UnknownCalendar as error:
            raise OperatorError(str(error)) from None

    def round(self, client: Client, now_ns: int) -> float:
        """Sends what is due; seconds until the next look. Raises TimeoutError where the engine is away."""
        next_ns = now_ns + int(LOOK_S * 1e9)
        waiting = []
        for instrument in client.connect().instruments:
            plan = self._plan(instrument, now_ns)
            found = due(
                instrument.symbol, now_ns, plan, Phase[instrument.phase.upper()], self._done.get(instrument.symbol, 0)
            )
            if found is not None:
                waiting.append(found)
            next_ns = min(next_ns, next_step_ns(now_ns, plan) or next_ns)
        if waiting:
            # What is good for the day that ends here expires before that end is moved on.
            client.administer(Timer())
        for step, command in waiting:
            reply = client.administer(command)
            if reply.outcome == Outcome.REJECTED.wire:
                log.warning("%s: %s was refused: %s", command.symbol, command.phase, reply.text or reply.reason)
                continue
            self._done[command.symbol] = step.at_ns
            log.info("%s: %s", command.symbol, command.phase)
        return (next_ns - now_ns) / 1e9

    def _plan(self, instrument: Instrument, now_ns: int) -> list[Step]:
        known = self._plans.get(instrument.symbol)
        if known is not None and (known.calendar, known.day) == (instrument.calendar, now_ns // DAY_NS):
            return known.steps
        plan = Plan(instrument.calendar, now_ns // DAY_NS, self._steps(instrument, now_ns))
        self._plans[instrument.symbol] = plan
        return plan.steps

    def _steps(self, instrument: Instrument, now_ns: int) -> list[Step]:
        if not instrument.calendar:
            return around_the_clock(now_ns)
        from infra.calendars import UnknownCalendar, sessions

        try:
            return steps(sessions(instrument.calendar, now_ns))
        except UnknownCalendar as error:
            log.error("%s has no trading hours, its phases are left alone: %s", instrument.symbol, error)
            return []


def run(engine_address: str, secret: str, instruments: Path, ready: Callable[[], None]) -> None:
    """The process: until SIGTERM or SIGINT. Raises `OperatorError` where the file names an unknown calendar."""
    stop = stop_on_signals()
    scheduler = Scheduler()
    for calendar in sorted({listing.definition.calendar for listing in load(instruments)} - {""}):
        scheduler.check(calendar, time.time_ns())
    outage = Outage(log, f"engine at {engine_address}")
    told = False
    while not stop.is_set():
        identity = Identity("schedule", "service", (EVERY_ACCOUNT,))
        token = issue(secret, identity, now_s=int(time.time()), lifetime_s=TOKEN_S)
        client = Client(engine_address, token, timeout_s=TIMEOUT_S)
        try:
            while not stop.is_set():
                rest_s = scheduler.round(client, time.time_ns())
                outage.back()
                if not told:
                    ready()
                    told = True
                stop.wait(rest_s)
        except (TimeoutError, Refusal) as error:
            # The engine is away, takes nothing, or our token is a day old: a new session follows.
            outage.lost(error)
            stop.wait(LOOK_S)
        finally:
            client.close()
