"""One child process: what to run, how to tell that it works, and how to stop it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, NamedTuple

from infra.errors import OperatorError
from infra.log_lines import message_of

LEASH: Final = Path(__file__).with_name("leash.py")
IN_ORDER: Final = {"PYTHONUNBUFFERED": "1"}
"""For what writes to a log: Python keeps back what is printed to a file, so that what was said first would stand last,
and be taken for the last word."""
POLL_S: Final = 0.05
LOG_BYTES_MAX: Final = 16 * 1024 * 1024
"""A log above this size is set aside (as `NAME.log.1`) when its process starts."""


class User(NamedTuple):
    """Whom a program runs as, where that is not ourselves."""

    uid: int
    gid: int
    reach: bool = False
    """It may pass through folders that are closed to it."""


@dataclass(frozen=True, kw_only=True)
class Program:
    """What to run, and how to know that it is ready."""

    name: str
    command: tuple[str, ...]
    log: Path
    probe: Callable[[], bool]
    """True once it does its work. Must not raise, and return within a second or two."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """In addition to our own."""
    folder: Path | None = None
    user: User | None = None
    stdin: Path = Path(os.devnull)
    stop_signal: signal.Signals = signal.SIGTERM
    start_limit_s: float = 120.0
    prepare: Callable[[], None] | None = None
    """Called before every start."""


class ProcessFailed(OperatorError):
    """A child ended, or was not ready in time."""


class Process:
    """A running `Program`: its leader of a session of its own, killed by the kernel if we die."""

    def __init__(self, program: Program) -> None:
        """Starts it. Raises `ProcessFailed` where it cannot be."""
        self.program = program
        self.started_at = time.time()
        user = "-" if program.user is None else f"{program.user.uid}:{program.user.gid}"
        reach = "reach" if program.user is not None and program.user.reach else "-"
        leash = (sys.executable, "-I", "-S", str(LEASH), str(os.getpid()), user, reach)
        try:
            if program.prepare is not None:
                program.prepare()
            _set_aside(program.log)
            with program.log.open("ab") as log, program.stdin.open("rb") as stdin:
                self._log_start = log.tell()
                self._child = subprocess.Popen(
                    (*leash, *program.command),
                    stdin=stdin,
                    stdout=log,
                    stderr=log,
                    cwd=program.folder,
                    env={**os.environ, **IN_ORDER, **program.environment},
                    start_new_session=True,
                )
        except OSError as error:
            raise ProcessFailed(f"{program.name} cannot be started: {error}") from None

    @property
    def pid(self) -> int:
        return self._child.pid

    @property
    def exit_code(self) -> int | None:
        """None while it runs; negative: the signal that ended it."""
        return self._child.poll()

    def ready(self) -> bool:
        """Whether it works now. Raises `ProcessFailed` where it has ended."""
        if self.exit_code is not None:
            raise ProcessFailed(self.obituary())
        return self.program.probe()

    def wait_ready(self, checkpoint: Callable[[], None] = lambda: None) -> None:
        """Returns when it works; `checkpoint` is called while waiting and may raise to give up.

        Raises `ProcessFailed` where it ended or its time is over."""
        limit = time.monotonic() + self.program.start_limit_s
        while not self.ready():
            checkpoint()
            if time.monotonic() > limit:
                seconds = self.program.start_limit_s
                raise ProcessFailed(f"{self.program.name} was not ready after {seconds:.0f} s{self._last_words()}")
            time.sleep(POLL_S)

    def obituary(self) -> str:
        """One line: how it ended, and the last line of its log."""
        code = self.exit_code
        how = (
            f"was ended by {signal.Signals(-code).name}" if code is not None and code < 0 else f"ended with code {code}"
        )
        return f"{self.program.name} {how}{self._last_words()}"

    def _last_words(self) -> str:
        try:
            with self.program.log.open("rb") as log:
                log.seek(max(self._log_start, self.program.log.stat().st_size - 8192))
                lines = log.read().decode(errors="replace").split("\n")
        except OSError:
            lines = []
        last = next((message_of(line.strip()) for line in reversed(lines) if line.strip()), "")
        said = f": {last[:300]}" if last else ""
        return f"{said} (log: {self.program.log})"

    def signal_stop(self) -> None:
        if self.exit_code is None:
            self._child.send_signal(self.program.stop_signal)

    def kill(self) -> None:
        """Ends it and whatever else is left in its session's process group."""
        try:
            os.killpg(self.pid, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            if self.exit_code is None:
                self._child.kill()
        self._child.wait()

    def wait_end(self, limit_s: float) -> bool:
        """Whether it ended within `limit_s`."""
        try:
            self._child.wait(max(0.0, limit_s))
        except subprocess.TimeoutExpired:
            return False
        return True

    def stop(self, limit_s: float = 10.0) -> None:
        """Asks it to end, and ends it where it does not within `limit_s`."""
        self.signal_stop()
        self.wait_end(limit_s)
        self.kill()


def _set_aside(log: Path) -> None:
    if log.exists() and log.stat().st_size > LOG_BYTES_MAX:
        log.replace(log.with_name(log.name + ".1"))


def run_to_end(
    name: str,
    command: tuple[str, ...],
    log: Path,
    *,
    user: User | None = None,
    stdin: Path = Path(os.devnull),
    folder: Path | None = None,
    environment: Mapping[str, str] | None = None,
    limit_s: float = 120.0,
    checkpoint: Callable[[], None] = lambda: None,
) -> None:
    """Runs a program that ends by itself. Raises `ProcessFailed` where it fails or takes longer than `limit_s`."""
    process = Process(
        Program(
            name=name,
            command=command,
            log=log,
            probe=lambda: True,
            user=user,
            stdin=stdin,
            folder=folder,
            environment=environment or {},
        )
    )
    limit = time.monotonic() + limit_s
    try:
        while process.exit_code is None:
            checkpoint()
            if time.monotonic() > limit:
                raise ProcessFailed(f"{name} took longer than {limit_s:.0f} s (log: {log})")
            time.sleep(POLL_S)
    finally:
        process.kill()
    if process.exit_code != 0:
        raise ProcessFailed(process.obituary())
