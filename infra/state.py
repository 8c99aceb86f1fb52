"""What is running under a VAR: a lock that only one launcher holds, and a file that tells others about it."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import Literal, TextIO

import msgspec
from msgspec import Struct

from infra.errors import OperatorError
from infra.folders import Folders

Phase = Literal["starting", "healthy", "degraded", "stopping", "stopped", "failed"]


class ServiceState(Struct, kw_only=True):
    name: str
    state: Literal["starting", "ready", "restarting", "stopped", "external"]
    pid: int | None = None
    started_at: float | None = None
    """Seconds since the epoch."""
    restarts: int = 0
    detail: str = ""
    last_end: str = ""
    """How it ended last, where nobody had told it to; kept when it is ready again."""


class State(Struct, kw_only=True):
    pid: int
    phase: Phase = "starting"
    error: str = ""
    url: str = ""
    services: list[ServiceState] = msgspec.field(default_factory=list)


def write(folder: Path, state: State) -> None:
    new = folder / f".state.{os.getpid()}"
    new.write_bytes(msgspec.json.format(msgspec.json.encode(state), indent=1))
    new.replace(folder / "state.json")


def read(folder: Path) -> State | None:
    """The last state written; None where there was none."""
    try:
        return msgspec.json.decode((folder / "state.json").read_bytes(), type=State)
    except (FileNotFoundError, NotADirectoryError, msgspec.DecodeError):
        return None


class RunLock:
    """Held by the launcher for as long as it lives: the kernel releases it however the launcher ends."""

    def __init__(self, file: TextIO) -> None:
        self._file = file

    @classmethod
    def take(cls, folders: Folders) -> RunLock:
        """Raises `OperatorError` where another launcher holds it."""
        file = (folders.run / "lock").open("a+")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            pid = file.read().strip() or "?"
            file.close()
            raise OperatorError(
                f"already running (pid {pid}, state in {folders.var}): hft status shows it, hft down stops it; "
                "a second system needs another HFT_VAR and other ports"
            ) from None
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        return cls(file)

    def release(self) -> None:
        self._file.truncate(0)
        self._file.close()


def holder(folders: Folders) -> int | None:
    """The pid of the launcher that runs under this VAR; None where none does."""
    try:
        with (folders.run / "lock").open("r") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                text = file.read().strip()
                return int(text) if text else None
    except OSError:
        return None
    return None
