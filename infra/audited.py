"""Operators' commands that change who may do what, in the topic `audit` as every request of the gateways is."""

from __future__ import annotations

import fcntl
import getpass
import hashlib
import os
import secrets
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import click

from infra.errors import OperatorError
from infra.folders import folders
from infra.settings import Settings, load

WRITER: Final = "operator."
"""And a number of this folder's own. Names of gateways have no dot."""
SENT_S: Final = 5.0
"""How long Kafka may take; what it has not then goes out with the next command."""
DONE: Final = (200, None)
AWAY: Final = (503, "unavailable")
"""Postgres was lost: perhaps in the middle of it."""
FAILED: Final = (500, "failed")


class Denied(OperatorError):
    """What was asked cannot be done as things are."""

    def __init__(self, status: int, reason: str, text: str) -> None:
        """`status` and `reason` as the REST API answers the same."""
        super().__init__(text)
        self.status = status
        self.reason = reason


class Audited(click.Command):
    """A command that becomes a link of the operators' chain, however it ends."""

    def invoke(self, context: click.Context) -> Any:
        assert context.parent is not None
        action = f"hft {context.parent.info_name} {context.info_name}"
        outcome: tuple[int, str | None] = FAILED
        with _folder(load()) as (settings, lock):
            try:
                value = super().invoke(context)
                outcome = DONE
            except Denied as denied:
                outcome = denied.status, denied.reason
                raise
            except OperatorError:
                outcome = AWAY
                raise
            finally:
                _keep(settings, lock, action, _target(context), *outcome)
        return value


def _target(context: click.Context) -> str:
    """What was asked for, in the order of the command line. No parameter holds a secret: passwords are asked for."""
    words: list[str] = []
    for parameter in context.command.params:
        value = context.params.get(parameter.name or "")
        if isinstance(value, tuple):
            words.extend(map(str, value))
        elif value is not None and not isinstance(value, bool):
            words.append(str(value))
    return " ".join(words)


@contextmanager
def _folder(settings: Settings) -> Iterator[tuple[Settings, int]]:
    """An open file of the trail's folder, to lock. Raises `OperatorError` before anything is changed where what is
    changed could not be kept."""
    folder = folders(settings.var).audit
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = os.open(folder / "operator.lock", os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise OperatorError(f"{folder}, the audit trail, cannot be written ({error.strerror}): set HFT_VAR") from None
    try:
        yield settings, lock
    finally:
        os.close(lock)


def _keep(settings: Settings, lock: int, action: str, target: str, status: int, reason: str | None) -> None:
    from gateway.audit import AuditTrail

    folder = folders(settings.var).audit
    fcntl.flock(lock, fcntl.LOCK_EX)
    writer, is_new = _writer(folder)
    trail = AuditTrail(settings.bootstrap, folder, writer, is_new=is_new)
    trail.operation(
        actor=getpass.getuser(),
        address=socket.gethostname(),
        action=action,
        target=target,
        status=status,
        reason=reason,
        content=hashlib.sha256(target.encode()).hexdigest(),
    )
    trail.start()
    sent = trail.wait_sent(SENT_S)
    trail.close()
    if not sent:
        click.echo(
            f"note: Kafka at {settings.bootstrap} does not take the audit record; it is kept in {folder} and goes out "
            "with the next such command",
            err=True,
        )


def _writer(folder: Path) -> tuple[str, bool]:
    """Who writes the chain of this folder, and whether it begins now. A lost folder begins another chain, so that no
    two ever go by one name."""
    for path in sorted(folder.glob(f"audit-{WRITER}*.jsonl")):
        return path.stem.removeprefix("audit-"), False
    return f"{WRITER}{secrets.token_hex(4)}", True
