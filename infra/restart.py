"""`hft restart`: our processes, one after the other, each ready again before the next is told to end."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Final

from infra.errors import OperatorError
from infra.folders import Folders
from infra.state import ServiceState, State
from infra.status import running

POLL_S: Final = 0.1
END_S: Final = 30.0
ORDER: Final = (
    *("hashes", "sink-postgres", "sink-redis", "audit", "streams"),
    *("publisher", "engine", "gateway", "schedule", "market", "alpaca", "venue"),
)
"""Of an upgrade (docs/upgrades.md): what reads before what writes, several of a kind one after the other."""


def order(names: Iterable[str]) -> list[str]:
    """Those of `names` that are processes of ours, in the order of an upgrade."""

    def place(name: str) -> tuple[int, int]:
        base, number = _parts(name)
        return ORDER.index(base), number

    return sorted((name for name in names if _parts(name)[0] in ORDER), key=place)


def _parts(name: str) -> tuple[str, int]:
    """`streams-2` is the second `streams`."""
    base, _, number = name.rpartition("-")
    return (base, int(number)) if number.isdecimal() else (name, 1)


def restart(folders: Folders, names: Iterable[str], say: Callable[[str], None], end_s: float = END_S) -> None:
    """Tells each of `names`, or all of ours where none is named, to end, and waits until the launcher has a new one of
    it ready. Raises `OperatorError` where one is not ours or does not get there; the later ones are then left alone."""
    found = _running(folders)
    ours = order(service.name for service in found.services)
    chosen = list(names) or ours
    for name in chosen:
        if name not in ours:
            raise OperatorError(f"{name} is none of the processes that hft restart knows here: {', '.join(ours)}")
    for name in chosen:
        say(f"{name}: ready again after {_one(folders, name, end_s):.1f} s")


def _one(folders: Folders, name: str, end_s: float) -> float:
    """Seconds from telling it to end to the new one being ready."""
    before = _state(_running(folders), name)
    if before.pid is None or before.state != "ready":
        raise OperatorError(f"{name} is {before.state}: hft restart wants it ready first (hft logs {name})")
    started = time.monotonic()
    with suppress(ProcessLookupError):
        os.kill(before.pid, signal.SIGTERM)
    while True:
        now = _state(_running(folders), name)
        taken = time.monotonic() - started
        if now.state == "ready" and now.pid != before.pid:
            return taken
        if now.pid == before.pid and taken > end_s:
            raise OperatorError(
                f"{name} (pid {before.pid}) does not end: kill -9 {before.pid} ends it, and it is started again"
            )
        if now.restarts > before.restarts + 1 and now.detail:
            raise OperatorError(f"{name} does not start again: {now.detail}")
        time.sleep(POLL_S)


def _running(folders: Folders) -> State:
    found = running(folders)
    if found is None:
        raise OperatorError(f"nothing runs in {folders.var}: hft up starts it")
    return found


def _state(found: State, name: str) -> ServiceState:
    return next(service for service in found.services if service.name == name)
