"""`hft bench metrics`: what the engine's metrics cost on the order's way, in alternating pairs of runs.

Two engines run side by side: one notes every batch, sets its gauges each second and is scraped each second, as by an
eager Prometheus; the other notes nothing. They take turns, so that both see the same machine.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from statistics import median
from typing import Final
from urllib.request import urlopen

import numpy as np

from infra.bench.engine_child import METRICS
from infra.bench.figures import Figure, Result
from infra.bench.sandbox import Sandbox, sandbox
from infra.bench.side import Side
from infra.metrics import addresses

SCRAPE_S: Final = 1.0


def run(pairs: int, singles: int, seconds: float, frame: int, say: Callable[[str], None]) -> Result:
    """`pairs` times for each: `singles` commands one at a time, then `seconds` of frames of `frame` commands."""
    with sandbox(kafka=False) as told, sandbox(kafka=False) as untold:
        sides = {
            "with": Side(told, frame, **{METRICS: "1"}),
            "without": Side(untold, frame, **{METRICS: "0"}),
        }
        stopped = threading.Event()
        scraper = threading.Thread(target=_scrape, args=(told, stopped), daemon=True)
        scraper.start()
        alone: dict[str, list[float]] = {"with": [], "without": []}
        rates: dict[str, list[float]] = {"with": [], "without": []}
        for pair in range(pairs):
            say(f"pair {pair + 1} of {pairs}")
            for name in ("with", "without") if pair % 2 else ("without", "with"):
                alone[name].append(float(np.median(sides[name].singles(singles))))
                rates[name].append(sides[name].burst(seconds))
        stopped.set()
        scraper.join()
    sizes = {
        "pairs": pairs,
        "one at a time, commands a run": singles,
        "burst, seconds a run": seconds,
        "a frame": frame,
    }
    return Result("Metrics on the order's way", sizes, [
        *_compared("one command at a time, p50", alone, "µs"),
        *_compared("burst", rates, "/s"),
    ])  # fmt: skip


def _compared(name: str, found: dict[str, list[float]], unit: str) -> list[Figure]:
    """Medians, and the median, smallest and largest of the pairs' ratios."""
    ratios = [one / other for one, other in zip(found["with"], found["without"], strict=True)]
    return [
        *(Figure(f"{name}: {side} metrics", median(values), unit) for side, values in found.items()),
        Figure(f"{name}: with to without, median of pairs", median(ratios), "×"),
        Figure(f"{name}: smallest and largest of the pairs", f"{min(ratios):.3f} to {max(ratios):.3f}", "×"),
    ]


def _scrape(place: Sandbox, stopped: threading.Event) -> None:
    while not stopped.wait(SCRAPE_S):
        for address in addresses(place.folders.metrics).values():
            with urlopen(f"http://{address}/metrics", timeout=5) as answer:
                answer.read()
