"""The engine process of a benchmark: the real one, at the address of the command line.

With `HFT_BENCH_METRICS` it tells them (`1`) or notes none (`0`); without it they are noted and not told."""

from __future__ import annotations

import os
import sys
from importlib import import_module
from pathlib import Path
from typing import Final

from engine.durations import Series
from engine.metrics import EngineGauges, EngineMetrics
from infra import garbage, kafka_security, log_lines, metrics
from infra.folders import folders
from infra.services import SERVICES
from infra.settings import load

METRICS: Final = "HFT_BENCH_METRICS"


def note_nothing() -> None:
    """What the engine's thread does for metrics is left out, but for reading the clock four times a batch."""
    for owner, name in ((EngineMetrics, "matched"), (EngineGauges, "step"), (Series, "note")):
        setattr(owner, name, _nothing)


def _nothing(*_: object) -> None:
    """Takes any arguments."""


def main(address: str, ready_file: Path) -> None:
    settings = load()
    kafka_security.choose(lambda: settings)
    log_lines.configure(settings.log_level)
    chosen = os.environ.get(METRICS)
    if chosen == "0":
        note_nothing()
    elif chosen == "1":
        metrics.serve("engine", settings.metrics_host, settings.metrics_port, folders(settings.var).metrics)
    service = SERVICES["engine"]
    service.place(settings)
    arguments = service.arguments(settings, folders(settings.var))
    import_module(service.module).run(**{**arguments, "address": address}, ready=garbage.rarely(ready_file.touch))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
