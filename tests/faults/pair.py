"""An engine and a publisher without a launcher, on a Kafka that is there: small enough to be started often."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Final

from infra import services
from infra.folders import Folders
from infra.process import Process
from infra.secrets import jwt_secret
from tests.system import System, settings_for

ROOT: Final = Path(__file__).parents[2]
NAMES: Final = ("engine", "publisher")


class Pair:
    """Its state lies in `folder`. `guard_off` names a guard that both processes run without (`guards.GUARDS`)."""

    def __init__(self, folder: Path, bootstrap: str, guard_off: str | None) -> None:
        folders = Folders(folder.absolute())
        folders.create()
        self.system = System(settings_for(folders.var, {"kafka_bootstrap": bootstrap}), folders)
        jwt_secret("", folders.secrets, create=True)
        self._guard_off = guard_off
        self._processes: dict[str, Process] = {}

    def start(self, *names: str) -> None:
        """Starts them and waits until they are ready."""
        for name in names:
            program = services.program(name, self.system.settings, self.system.folders)
            if self._guard_off is not None:
                arguments = program.command[program.command.index("run") :]
                command = (sys.executable, "-m", "tests.faults.guards", self._guard_off, *arguments)
                program = replace(program, command=command, folder=ROOT)
            self._processes[name] = Process(program)
        for name in names:
            self._processes[name].wait_ready()

    def kill(self, *names: str) -> None:
        """kill -9."""
        for name in names:
            self._processes.pop(name).kill()


@contextmanager
def running_pair(folder: Path, bootstrap: str, guard_off: str | None) -> Iterator[Pair]:
    pair = Pair(folder, bootstrap, guard_off)
    try:
        pair.start(*NAMES)
        yield pair
    finally:
        pair.kill(*[name for name in NAMES if name in pair._processes])
