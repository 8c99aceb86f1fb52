"""What runs in each child process around its own work: logging, the ready mark, the last word."""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from typing import Final

from infra import notify, services
from infra.errors import OperatorError
from infra.settings import Settings

LOG_FORMAT: Final = "%(asctime)s %(levelname)s %(name)s: %(message)s"


def configure_logging(level: str) -> None:
    logging.basicConfig(level=level.upper(), format=LOG_FORMAT, stream=sys.stderr)


def run(name: str, settings: Settings, ready_file: Path | None) -> int:
    """Runs a service to its end; the exit code."""
    configure_logging(settings.log_level)
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
