"""The disk that VAR is on: what a durable reply waits for, and whether what is written there lasts."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from infra.doctor.finding import Finding, advice, ok, problem, unknown

SYNCS: Final = 200
BLOCK: Final = 4096
SLOW_SYNC_US: Final = 5_000
"""Above this p99 a `synced` reply waits longer than a round trip between cities."""
FREE_MIN: Final = 10 * 10**9
IN_MEMORY: Final = ("tmpfs", "ramfs")
OVER_NETWORK: Final = ("nfs", "nfs4", "cifs", "smb3", "fuse.sshfs", "9p")


def findings(folder: Path, mounts: str) -> Iterator[Finding]:
    """`folder`: VAR, or the nearest folder above it that is there; `mounts`: the text of /proc/mounts."""
    yield _file_system(folder, mounts)
    yield _room(folder)
    yield _sync_latency(folder)


def nearest(folder: Path) -> Path:
    """The folder itself, or the first above it that exists."""
    return next(path for path in (folder, *folder.parents) if path.is_dir())


def kind_of(folder: Path, mounts: str) -> tuple[str, str] | None:
    """(mount point, type) of the file system that the folder is on."""
    best: tuple[str, str] | None = None
    for line in mounts.splitlines():
        _, point, kind, *_ = line.split(" ")
        point = point.replace("\\040", " ")
        inside = folder == Path(point) or Path(point) in folder.parents
        if inside and (best is None or len(point) >= len(best[0])):
            best = (point, kind)
    return best


def _file_system(folder: Path, mounts: str) -> Finding:
    name = "file system of VAR"
    found = kind_of(folder.resolve(), mounts)
    if found is None:
        return unknown(name, "/proc/mounts does not say")
    point, kind = found
    if kind in IN_MEMORY:
        return problem(
            name, f"{kind} at {point}", "the journal is gone when the machine stops", "HFT_VAR to a folder on a disk"
        )
    if kind in OVER_NETWORK:
        return problem(
            name,
            f"{kind} at {point}",
            "locks and fdatasync of a network file system do not hold what the journal relies on",
            "HFT_VAR to a folder on a disk of this machine",
        )
    return ok(name, f"{kind} at {point}")


def _room(folder: Path) -> Finding:
    name = "room for VAR"
    usage = os.statvfs(folder)
    free = usage.f_bavail * usage.f_frsize
    found = f"{free / 1e9:.1f} GB free"
    if free >= FREE_MIN:
        return ok(name, found)
    return problem(
        name, found, "with a full disk the engine takes cancels and refuses orders", "make room, or HFT_VAR elsewhere"
    )


def sync_latencies(folder: Path, count: int = SYNCS) -> list[int]:
    """Microseconds of each of `count` appends of a block with fdatasync, in a file of its own that is taken away."""
    taken = []
    with tempfile.NamedTemporaryFile(dir=folder, prefix=".doctor-") as file:
        block = os.urandom(BLOCK)
        for _ in range(count):
            os.write(file.fileno(), block)
            begun = time.perf_counter_ns()
            os.fdatasync(file.fileno())
            taken.append((time.perf_counter_ns() - begun) // 1000)
    return taken


def _sync_latency(folder: Path) -> Finding:
    name = "disk sync"
    try:
        taken = sorted(sync_latencies(folder))
    except OSError as error:
        return unknown(name, f"{folder} cannot be written: {error.strerror}")
    return judge_syncs(taken)


def judge_syncs(taken: list[int]) -> Finding:
    """Of sorted microseconds."""
    p50, p99 = taken[len(taken) // 2], taken[len(taken) * 99 // 100]
    found = f"fdatasync p50 {p50:,} µs, p99 {p99:,} µs"
    if p99 <= SLOW_SYNC_US:
        return ok("disk sync", found)
    return advice(
        "disk sync",
        found,
        "a reply of the level `synced` waits for it, and so does the roll of a journal segment",
        "a disk with a write cache that survives a loss of power (NVMe for servers), on its own for HFT_VAR",
    )
