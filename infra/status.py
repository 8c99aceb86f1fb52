"""What `hft status`, `hft logs` and `hft down` do: they look at a run from beside it."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from textwrap import shorten
from typing import Final, TextIO

import psutil
from rich.console import Console
from rich.table import Table

from infra import metrics, scrape
from infra.errors import OperatorError
from infra.folders import Folders
from infra.health import probes, without_password
from infra.log_lines import as_text
from infra.overview import status_lines
from infra.scrape import Scrape
from infra.settings import Settings
from infra.state import ServiceState, State, holder, read

DOWN_S: Final = 15.0
POLL_S: Final = 0.1
TAIL_LINES: Final = 40
LONGEST_END: Final = 80
"""Of why a process ended before; `hft logs` has all of it."""
WELL: Final = ("ready", "external")
"""States of a process that works."""


def running(folders: Folders) -> State | None:
    """The state of the run under this VAR; None where none runs."""
    pid = holder(folders)
    state = read(folders.run)
    return state if pid is not None and state is not None and state.pid == pid else None


def by_themselves(settings: Settings, seen: Scrape) -> State | None:
    """What runs without a launcher, as units do, by the metrics that it tells; None where nothing does."""
    started = seen.by("process_start_time_seconds", "process")
    if not started:
        return None
    services = [
        *(
            ServiceState(name=name, state="external", detail=without_password(where))
            for name, where in (("kafka", settings.bootstrap), ("postgres", settings.dsn), ("redis", settings.redis))
        ),
        *(ServiceState(name=name, state="ready", started_at=at) for name, at in started.items()),
        *(ServiceState(name=name, state="stopped", detail="does not tell its metrics") for name in seen.silent),
    ]
    return State(pid=0, phase="healthy", url=settings.gateway, services=services)


def table(settings: Settings, state: State, *, now_s: float) -> tuple[list[tuple[str, ...]], bool]:
    """Rows of (process, pid, state, uptime, restarts, remark), and whether all is healthy."""
    answering = probes(settings)
    rows: list[tuple[str, ...]] = []
    healthy = state.phase == "healthy"
    for service in state.services:
        name, condition = service.name, str(service.state)
        if condition in WELL and name in answering and not answering[name]():
            condition = "unreachable"
        healthy = healthy and condition in WELL
        runs = service.started_at is not None and (service.pid is not None or state.pid == 0)
        up = duration(now_s - (service.started_at or 0.0)) if runs else ""
        pid = "" if service.pid is None else str(service.pid)
        before = f"before: {shorten(service.last_end, LONGEST_END, placeholder=' …')}" if service.last_end else ""
        rows.append((name, pid, condition, up, str(service.restarts), service.detail or before))
    return rows, healthy


def duration(seconds: float) -> str:
    """3725.0 → "1h02m"."""
    whole = max(0, int(seconds))
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02}s"
    if whole < 86400:
        return f"{whole // 3600}h{whole % 3600 // 60:02}m"
    return f"{whole // 86400}d{whole % 86400 // 3600:02}h"


def show(settings: Settings, folders: Folders) -> bool:
    """Prints the table; whether all is healthy. Raises `OperatorError` where nothing runs."""
    seen = scrape.read(metrics.addresses(folders.metrics), time.time())
    state = running(folders) or by_themselves(settings, seen)
    if state is None:
        last = read(folders.run)
        cause = f" (the last run ended: {last.error})" if last is not None and last.error else ""
        raise OperatorError(f"nothing runs in {folders.var}{cause}: hft up starts it")
    rows, healthy = table(settings, state, now_s=time.time())
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 160)
    grid = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for heading in ("process", "pid", "state", "uptime", "restarts", ""):
        grid.add_column(heading, justify="right" if heading in ("pid", "restarts") else "left")
    for row in rows:
        grid.add_row(*row)
    console.print(grid)
    for line in status_lines(seen):
        console.print(line)
    console.print(audited(settings, now_s=time.time()))
    console.print(f"{state.phase if healthy or state.phase != 'healthy' else 'degraded'}: {state.url}")
    return healthy


def audited(settings: Settings, *, now_s: float) -> str:
    """One line on what the continuous audit has found last."""
    import redis

    from streams.watcher import outcome

    try:
        found = outcome(settings.redis)
    except redis.RedisError as error:
        return f"audit: Redis does not tell: {error}"
    if found is None:
        return "audit: nothing compared yet"
    ago = duration(now_s - found.ts_ns / 1e9)
    money = "" if found.drift is None else ", money conserved" if found.drift == 0 else f", money off by {found.drift}"
    text = f"audit: {found.differences} differences{money}; {found.compared:,} compared, {found.in_flight} in flight"
    return "\n  ".join([f"{text} ({ago} ago)", *found.shown])


def down(folders: Folders) -> str:
    """Stops the run and waits until it has ended; one line on it. Raises `OperatorError` where it does not end."""
    pid = holder(folders)
    if pid is None:
        return f"nothing runs in {folders.var}"
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGTERM)
    started = time.monotonic()
    while _runs(pid):
        if time.monotonic() - started > DOWN_S:
            raise OperatorError(f"the launcher (pid {pid}) does not end: kill -9 {pid} ends it and all its children")
        time.sleep(POLL_S)
    return f"stopped ({time.monotonic() - started:.1f} s)"


def _runs(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def logs(folders: Folders, names: Iterable[str], *, follow: bool, out: TextIO) -> None:
    """Prints the end of each log, and with `follow` goes on with what is added, until interrupted. On a terminal lines
    of JSON are shown as text; what reads from a pipe gets them as they are.

    Raises `OperatorError` for a name that has none."""
    known = {path.stem: path for path in sorted(folders.logs.glob("*.log"))}
    if not known:
        raise OperatorError(f"there are no logs in {folders.logs}")
    chosen = list(names) or list(known)
    for name in chosen:
        if name not in known:
            raise OperatorError(f"{name} has no log: there are {', '.join(known)}")
    prefix = len(chosen) > 1
    offsets = {}
    for name in chosen:
        offsets[name] = _tail(known[name], f"{name}: " if prefix else "", out)
    while follow:
        for name in chosen:
            offsets[name] = _copy(known[name], offsets[name], f"{name}: " if prefix else "", out)
        time.sleep(POLL_S)


def _tail(path: Path, prefix: str, out: TextIO) -> int:
    data = path.read_bytes()
    _print(data.decode(errors="replace").splitlines()[-TAIL_LINES:], prefix, out)
    return len(data)


def _print(lines: Iterable[str], prefix: str, out: TextIO) -> None:
    people = out.isatty()
    for line in lines:
        out.write(f"{prefix}{as_text(line) if people else line}\n")
    out.flush()


def _copy(path: Path, offset: int, prefix: str, out: TextIO) -> int:
    """Prints the whole lines after `offset`; where it got to. A file that became shorter is read from its start."""
    size = path.stat().st_size
    if size < offset:
        offset = 0
    if size == offset:
        return offset
    with path.open("rb") as file:
        file.seek(offset)
        data = file.read()
    whole = data[: data.rfind(b"\n") + 1]
    _print(whole.decode(errors="replace").splitlines(), prefix, out)
    return offset + len(whole)
