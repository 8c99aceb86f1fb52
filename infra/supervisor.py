"""Keeps a row of processes alive: starts them in order, restarts what dies, stops all in reverse order."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from infra.process import POLL_S, Process, ProcessFailed, Program
from infra.state import ServiceState

log = logging.getLogger(__name__)

STOP_S: Final = 8.5
"""For all together; what then still runs is killed."""
STAGE_S: Final = 3.0
"""For one stage at most."""
RESERVE_S: Final = 1.1
"""What each later stage keeps of the time, however long the earlier ones take: Kafka should not be killed because a
gateway hangs."""
BACKOFF_FIRST_S: Final = 0.5
BACKOFF_MAX_S: Final = 30.0
STABLE_S: Final = 60.0
"""A process that lived this long is forgiven its earlier deaths."""


@dataclass
class Entry:
    program: Program
    stage: int
    """Those of one stage are stopped together; the highest first."""
    process: Process | None
    state: ServiceState
    restart_at: float = 0.0
    backoff_s: float = BACKOFF_FIRST_S


class Supervisor:
    """All calls come from one thread: a child's life hangs on the thread that started it."""

    def __init__(self, changed: Callable[[list[ServiceState]], None], stop_s: float = STOP_S) -> None:
        """`changed` is told the states whenever one has changed."""
        self._entries: list[Entry] = []
        self._external: list[ServiceState] = []
        self._changed = changed
        self._stop_s = stop_s

    @property
    def states(self) -> list[ServiceState]:
        return [*self._external, *(entry.state for entry in self._entries)]

    @property
    def healthy(self) -> bool:
        return all(entry.state.state == "ready" for entry in self._entries)

    def add_external(self, name: str, detail: str) -> None:
        """A service that others run."""
        self._external.append(ServiceState(name=name, state="external", detail=detail))
        self._changed(self.states)

    def start(self, program: Program, stage: int, checkpoint: Callable[[], None] = lambda: None) -> None:
        """Starts it and waits until it is ready. Raises as `wait_ready` does."""
        self.begin(program, stage)
        self.wait_ready(program.name, checkpoint)

    def begin(self, program: Program, stage: int) -> None:
        """Starts it; `wait_ready` must follow. Raises `ProcessFailed` where it cannot be started."""
        entry = Entry(program, stage, None, ServiceState(name=program.name, state="starting"))
        self._entries.append(entry)
        self._spawn(entry)

    def wait_ready(self, name: str, checkpoint: Callable[[], None] = lambda: None) -> None:
        """Returns when the process that was begun is ready.

        Raises `ProcessFailed` where it, or one started before, has ended; whatever `checkpoint` raises."""
        entry = next(entry for entry in self._entries if entry.program.name == name)

        def check() -> None:
            checkpoint()
            self.check_alive()

        assert entry.process is not None
        entry.process.wait_ready(check)
        entry.state.state = "ready"
        self._changed(self.states)

    def check_alive(self) -> None:
        """Raises `ProcessFailed` where one has ended."""
        for entry in self._entries:
            if entry.process is not None and entry.process.exit_code is not None:
                raise ProcessFailed(entry.process.obituary())

    def _spawn(self, entry: Entry) -> None:
        entry.process = Process(entry.program)
        entry.state.state = "starting"
        entry.state.pid = entry.process.pid
        entry.state.started_at = entry.process.started_at
        self._changed(self.states)

    def tend(self) -> None:
        """One round: notices the dead, restarts those whose time has come, notices the ready. Does not wait."""
        for entry in self._entries:
            if entry.process is None:
                if time.monotonic() >= entry.restart_at:
                    self._restart(entry)
            elif entry.process.exit_code == 0:
                self._again(entry)
            elif entry.process.exit_code is not None:
                self._bury(entry, entry.process.obituary())
            elif entry.state.state == "starting":
                self._look(entry, entry.process)

    def _again(self, entry: Entry) -> None:
        """It was told to end and has (`hft restart`): nothing to wait for."""
        assert entry.process is not None
        log.info("%s ended as it was told to", entry.program.name)
        entry.process.kill()  # what it may have left
        self._restart(entry)

    def _restart(self, entry: Entry) -> None:
        entry.state.restarts += 1
        try:
            self._spawn(entry)
        except ProcessFailed as error:
            self._bury(entry, str(error))

    def _look(self, entry: Entry, process: Process) -> None:
        try:
            ready = process.ready()
        except ProcessFailed as error:
            self._bury(entry, str(error))
            return
        if ready:
            entry.state.state = "ready"
            entry.state.detail = ""
            log.info("%s is ready again (pid %d)", entry.program.name, process.pid)
            self._changed(self.states)
        elif time.time() - process.started_at > entry.program.start_limit_s:
            self._bury(entry, f"{entry.program.name} was not ready after {entry.program.start_limit_s:.0f} s")

    def _bury(self, entry: Entry, cause: str) -> None:
        if entry.process is not None:
            if time.time() - entry.process.started_at > STABLE_S:
                entry.backoff_s = BACKOFF_FIRST_S
            entry.process.kill()
        entry.process = None
        entry.restart_at = time.monotonic() + entry.backoff_s
        entry.state.state = "restarting"
        entry.state.pid = None
        entry.state.detail = entry.state.last_end = cause
        log.warning("%s; again in %.1f s", cause, entry.backoff_s)
        entry.backoff_s = min(2 * entry.backoff_s, BACKOFF_MAX_S)
        self._changed(self.states)

    def stop(self) -> list[str]:
        """Stops all, the highest stage first, within `stop_s` seconds; the names of those that had to be killed."""
        limit = time.monotonic() + self._stop_s
        stages = sorted({entry.stage for entry in self._entries}, reverse=True)
        killed: list[str] = []
        for number, stage in enumerate(stages):
            running = [entry for entry in self._entries if entry.stage == stage and entry.process is not None]
            later = len(stages) - number - 1
            own = min(STAGE_S, limit - time.monotonic() - RESERVE_S * later)
            killed += self._stop_stage(running, time.monotonic() + own)
        return killed

    def _stop_stage(self, entries: list[Entry], limit: float) -> list[str]:
        killed = []
        for entry in reversed(entries):
            assert entry.process is not None
            entry.process.signal_stop()
        while any(entry.process and entry.process.exit_code is None for entry in entries) and time.monotonic() < limit:
            time.sleep(POLL_S)
        for entry in entries:
            assert entry.process is not None
            if entry.process.exit_code is None:
                killed.append(entry.program.name)
            entry.process.kill()
            entry.process = None
            entry.state.state = "stopped"
            entry.state.pid = None
        self._changed(self.states)
        return killed
