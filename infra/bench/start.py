"""`hft bench start`: how long the engine takes to be ready, with its machine code in Numba's cache."""

from __future__ import annotations

import time
from collections.abc import Callable

from infra.bench.figures import Figure, Result, middle
from infra.bench.sandbox import Sandbox, sandbox


def _seconds(place: Sandbox) -> float:
    started = time.perf_counter()
    process = place.start(place.engine())
    seconds = time.perf_counter() - started
    process.stop()
    return seconds


def run(times: int, say: Callable[[str], None]) -> Result:
    """The first start, which may have to compile, then `times` more; the journal holds the instruments alone."""
    with sandbox(kafka=False) as place:
        say("the first start")
        first = _seconds(place)
        warm = []
        for number in range(1, times + 1):
            say(f"start {number} of {times}")
            warm.append(_seconds(place))
    return Result(
        "Cold start of the engine",
        {"starts": times, "room for orders": place.settings.max_orders},
        [
            Figure("the first start, which compiles what is not in the cache", first, "s"),
            Figure("from the cache to ready: median", middle(warm), "s"),
            Figure("from the cache to ready: slowest", max(warm), "s"),
        ],
    )
