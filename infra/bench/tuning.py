"""`hft bench tuning`: what each of the engine's settings gains on this machine, in alternating pairs of engines.

One engine runs at a time, since one that never sleeps takes a processor from whatever runs beside it."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from statistics import median
from typing import Any, Final, NamedTuple

import numpy as np

from infra.bench.figures import Figure, Result
from infra.bench.sandbox import sandbox
from infra.bench.side import Side
from infra.services import HUGE_PAGES

PAUSE_S: Final = 0.001
"""Before a command that meets an engine which had nothing to do."""


class Gain(NamedTuple):
    setting: str
    changes: Callable[[], Mapping[str, Any]]
    """Of the settings, for the side that has it."""
    environment: tuple[str, str] = ("1", "1")
    """HUGE_PAGES with and without it."""


GAINS: Final[dict[str, Gain]] = {
    "busy-poll": Gain("HFT_BUSY_POLL", lambda: {"busy_poll": True}),
    "engine-cpu": Gain("HFT_ENGINE_CPU", lambda: {"engine_cpu": str(max(os.sched_getaffinity(0)))}),
    "lock-memory": Gain("HFT_LOCK_MEMORY", lambda: {"lock_memory": True}),
    "huge-pages": Gain("HFT_HUGE_PAGES", dict, ("1", "0")),
}


class Measured(NamedTuple):
    """Of one engine."""

    p50_us: float
    p99_us: float
    paused_p50_us: float
    """Of commands that come after a pause."""
    rate: float
    """Commands a second of the burst."""


FIGURES: Final = (
    ("one command at a time, p50", "µs"),
    ("one command at a time, p99", "µs"),
    ("after a pause of 1 ms, p50", "µs"),
    ("burst", "/s"),
)


def measure(changes: Mapping[str, Any], huge_pages: str, singles: int, seconds: float, frame: int) -> Measured:
    with sandbox(kafka=False, **changes) as place:
        side = Side(place, frame, **{HUGE_PAGES: huge_pages})
        alone = side.singles(singles)
        paused = side.singles(max(10, singles // 4), PAUSE_S)
        p50, p99 = np.percentile(alone, (50, 99))
        return Measured(float(p50), float(p99), float(np.median(paused)), side.burst(seconds))


def run(names: list[str], pairs: int, singles: int, seconds: float, frame: int, say: Callable[[str], None]) -> Result:
    """`pairs` engines with each of the settings and as many without, in turns."""
    figures = []
    for name in names:
        gain = GAINS[name]
        found: dict[str, list[Measured]] = {"with": [], "without": []}
        for pair in range(pairs):
            say(f"{gain.setting}: pair {pair + 1} of {pairs}")
            for side in ("with", "without") if pair % 2 else ("without", "with"):
                changes = gain.changes() if side == "with" else {}
                huge = gain.environment[0 if side == "with" else 1]
                found[side].append(measure(changes, huge, singles, seconds, frame))
        figures += _compared(gain.setting, found)
    sizes = {"pairs": pairs, "one at a time, commands": singles, "burst, seconds": seconds, "a frame": frame}
    return Result("What the engine's settings gain", sizes, figures)


def _compared(setting: str, found: dict[str, list[Measured]]) -> list[Figure]:
    """Of each figure the medians, and the median, smallest and largest of the pairs' ratios."""
    figures = []
    for place, (name, unit) in enumerate(FIGURES):
        ours, others = ([measured[place] for measured in found[side]] for side in ("with", "without"))
        ratios = [one / other for one, other in zip(ours, others, strict=True)]
        spread = f"{median(ratios):.3f} ({min(ratios):.3f} to {max(ratios):.3f})"
        figures += [
            Figure(f"{setting}: {name}, without", median(others), unit),
            Figure(f"{setting}: {name}, with", median(ours), unit),
            Figure(f"{setting}: {name}, with to without", spread, "×"),
        ]
    return figures
