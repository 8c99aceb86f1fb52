"""The engine process of a benchmark: the real one, at the address of the command line."""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path

from infra import kafka_security, log_lines
from infra.folders import folders
from infra.services import SERVICES
from infra.settings import load


def main(address: str, ready_file: Path) -> None:
    settings = load()
    kafka_security.choose(lambda: settings)
    log_lines.configure(settings.log_level)
    service = SERVICES["engine"]
    arguments = service.arguments(settings, folders(settings.var))
    import_module(service.module).run(**{**arguments, "address": address}, ready=ready_file.touch)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
