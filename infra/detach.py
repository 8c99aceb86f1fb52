"""`hft up --detach`: the launcher in the background, while we show how far it is and then leave."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Final, TextIO

from infra import state
from infra.errors import OperatorError
from infra.folders import Folders
from infra.settings import Settings

POLL_S: Final = 0.1


def detach(settings: Settings, folders: Folders, out: TextIO) -> None:
    """Starts the launcher in a session of its own and returns when it is healthy. Raises `OperatorError` with the
    cause where it does not get there; an interrupt takes it down again."""
    folders.create()
    pid = state.holder(folders)
    if pid is not None:
        state.RunLock.take(folders)  # says who has it
    path = folders.log("launcher")
    with path.open("ab") as log:
        offset = log.tell()
        launcher = subprocess.Popen(
            (sys.executable, "-m", "infra.cli", "up"),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env={**os.environ, **settings.environment()},
            start_new_session=True,
        )
    try:
        while True:
            ended = launcher.poll() is not None
            now = state.read(folders.run)
            healthy = now is not None and now.pid == launcher.pid and now.phase == "healthy"
            offset = _show(path, offset, out)
            if ended:
                raise OperatorError(_cause(folders, launcher.pid, path))
            if healthy:
                out.write("in the background\n")
                return
            time.sleep(POLL_S)
    except KeyboardInterrupt:
        launcher.send_signal(signal.SIGTERM)
        launcher.wait()
        _show(path, offset, out)
        raise


def _cause(folders: Folders, pid: int, log: Path) -> str:
    last = state.read(folders.run)
    if last is not None and last.pid == pid and last.error:
        return last.error
    lines = log.read_text(errors="replace").strip().splitlines()
    return lines[-1].removeprefix("hft: ") if lines else f"the launcher ended (log: {log})"


def _show(path: Path, offset: int, out: TextIO) -> int:
    """Copies what the launcher wrote since `offset`, but for its error, which we raise ourselves."""
    with path.open("rb") as log:
        log.seek(offset)
        data = log.read()
    whole = data[: data.rfind(b"\n") + 1]
    for line in whole.decode(errors="replace").splitlines():
        if not line.startswith("hft: "):
            out.write(line + "\n")
    out.flush()
    return offset + len(whole)
