"""The processes of a running system, killed and held."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager

from tests.faults.settings import KILL_LIMIT_S
from tests.integration.waiting import wait_for
from tests.system import System


def wait_back(system: System, name: str, pid: int, *, ready: bool = True) -> None:
    """Until the launcher has another process of that name running, and `ready` where that is asked for."""

    def back() -> bool:
        service = system.service(name)
        return service.pid not in (None, pid) and (service.state == "ready" or not ready)

    wait_for(f"{name} to be back", back, KILL_LIMIT_S)


def kill(system: System, name: str) -> int:
    """kill -9; the pid that it was."""
    wait_for(f"{name} to run", lambda: system.service(name).pid is not None, KILL_LIMIT_S)
    pid: int | None = system.service(name).pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    return pid


@contextmanager
def launcher_held(system: System) -> Iterator[None]:
    """What is killed stays dead for as long as the block runs."""
    os.kill(system.state.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(system.state.pid, signal.SIGCONT)
