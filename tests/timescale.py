"""A real TimescaleDB for tests: Debian's PostgreSQL 17 with TimescaleDB (Apache edition) in a folder of its own, made
once by debootstrap and kept in the cache.

The server runs in that folder with its mounts in a namespace of its own: they go when it ends, however that is.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from infra import postgres
from infra.ports import free_ports
from infra.process import Process, Program, run_to_end
from infra.settings import Settings

SUITE: Final = "trixie"
PACKAGES: Final = ("postgresql-17", "postgresql-17-timescaledb")
BINARIES: Final = "/usr/lib/postgresql/17/bin"
BUILD_LIMIT_S: Final = 600.0
INSIDE: Final = "/srv/data"
"""Where the server sees its data."""
MOUNT_AND_ENTER: Final = f"""
set -e
root="$1" data="$2"; shift 2
mount -t proc proc "$root/proc"
mount -t tmpfs tmpfs "$root/dev/shm"
mkdir -p "$root{INSIDE}"
mount --bind "$data" "$root{INSIDE}"
exec chroot "$root" setpriv --reuid postgres --regid postgres --clear-groups --pdeathsig KILL "$@"
"""


def folder() -> Path:
    return Settings().cache.expanduser() / f"timescaledb-{SUITE}"


def why_not() -> str | None:
    """What keeps it from running here, or None."""
    if os.geteuid() != 0:
        return "TimescaleDB for tests needs root: debootstrap, chroot and mounts"
    if not folder().exists() and shutil.which("debootstrap") is None:
        return "TimescaleDB for tests needs debootstrap (Debian: apt-get install debootstrap)"
    tried = subprocess.run(("unshare", "--mount", "true"), capture_output=True, text=True, check=False)
    if tried.returncode != 0:
        return f"TimescaleDB for tests needs mounts of its own: {tried.stderr.strip()}"
    return None


def build() -> Path:
    """The folder, made where it is not there yet."""
    there = folder()
    if not there.exists():
        new = there.with_name(f"{there.name}.{os.getpid()}")
        new.parent.mkdir(parents=True, exist_ok=True)
        command = ("debootstrap", "--variant=minbase", f"--include={','.join(PACKAGES)}", SUITE, str(new))
        run_to_end("debootstrap", command, new.with_suffix(".log"), limit_s=BUILD_LIMIT_S)
        new.rename(there)
        new.with_suffix(".log").unlink()
    return there


def _inside(root: Path, data: Path, *command: str) -> tuple[str, ...]:
    """The command as user postgres in `root`, with `data` in its place."""
    return ("unshare", "--mount", "sh", "-c", MOUNT_AND_ENTER, "sh", str(root), str(data), *command)


@contextmanager
def running(folder: Path) -> Iterator[str]:
    """DSN of an empty database, its data and log in `folder`. Its role may create databases and the extension."""
    root = build()
    data = folder / "data"
    data.mkdir(parents=True)
    entry = next(line for line in (root / "etc" / "passwd").read_text().splitlines() if line.startswith("postgres:"))
    os.chown(data, *map(int, entry.split(":")[2:4]))
    log = folder / "timescaledb.log"
    cluster = f"{INSIDE}/cluster"
    options = ("-D", cluster, "-U", postgres.ROLE, "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-instructions")
    run_to_end("initdb", _inside(root, data, f"{BINARIES}/initdb", *options), log)
    (port,) = free_ports(1)
    lines = {
        **postgres.CONFIGURATION,
        "port": str(port),
        "shared_preload_libraries": "timescaledb",
        "timescaledb.telemetry_level": "off",
    }
    with (data / "cluster" / "postgresql.conf").open("a") as file:
        file.writelines(f"{name} = '{value}'\n" for name, value in lines.items())
    dsn = postgres.dsn(port, "postgres")
    program = Program(
        name="timescaledb",
        command=_inside(root, data, f"{BINARIES}/postgres", "-D", cluster),
        log=log,
        stop_signal=signal.SIGINT,
        probe=postgres.Probe(dsn),
    )
    server = Process(program)
    try:
        server.wait_ready()
        yield dsn
    finally:
        server.stop()


if __name__ == "__main__":
    # Makes the folder, so that the tests' own time is theirs: what is missing is no failure.
    sys.stdout.write(f"{why_not() or build()}\n")
