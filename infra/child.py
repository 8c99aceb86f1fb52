"""What runs in each child process around its own work: logging, the ready mark, the last word."""

from __future__ import annotations

import logging
from contextlib import suppress
from pathlib import Path

from infra import log_lines, notify, services
from infra.errors import OperatorError
from infra.folders import folders
from infra.secrets import jwt_secret
from infra.settings import ADDRESSES, SECRETS, Settings


def secrets_of(settings: Settings) -> list[str]:
    """What no line of a log may hold."""
    found = [getattr(settings, name) for name in SECRETS if name not in ADDRESSES]
    with suppress(OperatorError):  # none was made yet
        found.append(jwt_secret(settings.jwt_secret, folders(settings.var).secrets))
    return found


def run(name: str, settings: Settings, ready_file: Path | None) -> int:
    """Runs a service to its end; the exit code."""
    log_lines.configure(
        settings.log_level, process=name, json=settings.log_format == "json", secrets=secrets_of(settings)
    )
    log = logging.getLogger(name)

    def ready() -> None:
        log.info("ready")
        if ready_file is not None:
            ready_file.touch()
        notify.ready()

    try:
        services.run(name, settings, ready)
    except OperatorError as error:
        log.error("%s", error)
        return 1
    except Exception as error:
        # Its last line is what `hft up` and `hft status` show.
        said = str(error).strip().splitlines()
        log.exception("failed")
        log.critical("%s: %s", type(error).__name__, said[0] if said else "no text")
        return 1
    log.info("stopped")
    return 0
