"""Where each process tells Prometheus its metrics: a port of its own, and a file that says which.

The files are in the format of Prometheus' file discovery, so that `file_sd_configs` finds every process, however many
there are and whatever ports they got."""

from __future__ import annotations

import gc
import logging
import time
from pathlib import Path
from typing import Any, Final

import msgspec
from prometheus_client import REGISTRY, disable_created_metrics, start_http_server

from engine.durations import Durations
from infra.errors import OperatorError

log = logging.getLogger(__name__)

SUFFIX: Final = ".json"


class Target(msgspec.Struct, frozen=True):
    """An entry of a file of Prometheus' file discovery."""

    targets: list[str]
    """`host:port`"""
    labels: dict[str, str]


_decoder: Final = msgspec.json.Decoder(list[Target])


def serve(name: str, host: str, port: int, folder: Path) -> None:
    """Answers GET /metrics from a thread of its own, and leaves NAME.json in `folder` where that can be written. Port
    0 is a free one.

    Raises `OperatorError` where the port cannot be had."""
    watch_garbage()
    # A second series for each counter, which nobody asks for.
    disable_created_metrics()  # type: ignore[no-untyped-call]
    try:
        server, _ = start_http_server(port, addr=host)
    except OSError as error:
        text = error.strerror or str(error)
        raise OperatorError(f"port {port} on {host} for the metrics of {name}: {text}: set HFT_METRICS_PORT") from None
    address = f"{host}:{server.server_port}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        new = folder / f".{name}"
        new.write_bytes(msgspec.json.encode([Target([address], {"process": name})]))
        new.replace(folder / f"{name}{SUFFIX}")
    except OSError as error:  # a container without a volume: its port is a fixed one
        log.warning("the metrics are at %s, but %s cannot be written: %s", address, folder, error.strerror)


def watch_garbage() -> None:
    """Measures how long the searches for cycles hold the process up."""
    pauses = Durations("hft_gc_pause_seconds", "How long garbage collections held the process up.", "generation")
    REGISTRY.register(pauses)
    series = [pauses.series(str(generation)) for generation in range(len(gc.get_threshold()))]
    begun_ns = 0

    def note(phase: str, info: dict[str, Any]) -> None:
        nonlocal begun_ns
        if phase == "start":
            begun_ns = time.perf_counter_ns()
        else:
            series[info["generation"]].note(time.perf_counter_ns() - begun_ns)

    gc.callbacks.append(note)


def forget(folder: Path) -> None:
    """Removes what the processes of an earlier run have left."""
    for path in folder.glob(f"*{SUFFIX}"):
        path.unlink(missing_ok=True)


def addresses(folder: Path) -> dict[str, str]:
    """Process → `host:port` of its metrics, as the files say."""
    found = {}
    for path in sorted(folder.glob(f"*{SUFFIX}")):
        try:
            (target,) = _decoder.decode(path.read_bytes())
        except (OSError, msgspec.DecodeError, ValueError):
            continue  # just being replaced, or not ours
        found[target.labels["process"]] = target.targets[0]
    return found
