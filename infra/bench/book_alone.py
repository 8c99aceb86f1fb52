"""Measures the book alone on a stream."""

from __future__ import annotations

import time
from typing import NamedTuple

import numpy as np

from engine.book import LIVE
from infra.bench.book_loop import QUANTITY, SLOWEST, TRADES, Run, allocate, run_all, run_timed
from infra.bench.cycles import ns_per_tick
from infra.bench.stream import Expected, Stream


class Speed(NamedTuple):
    operations_per_s: float
    made: Expected
    """What came of the stream."""


class Latency(NamedTuple):
    """Nanoseconds of single operations, the reading of the clock included."""

    p50: float
    p99: float
    p999: float


def _filled(stream: Stream) -> Run:
    """A new book with the orders that rest before the measuring starts; everything is compiled."""
    run = allocate(stream.prefill, stream.room)
    run_all(run, stream.records[: stream.prefill], run.shift)
    return run


def speed(stream: Stream) -> Speed:
    run = _filled(stream)
    run_all(run, stream.records[:0], run.shift)
    started = time.perf_counter()
    run_all(run, stream.measured, run.shift)
    seconds = time.perf_counter() - started
    made = Expected(int(run.totals[TRADES]), int(run.totals[QUANTITY]), int(run.books.pool[LIVE]))
    return Speed(len(stream.measured) / seconds, made)


def latency(stream: Stream) -> Latency:
    run = _filled(stream)
    histogram = np.zeros(SLOWEST, np.int64)
    run_timed(run, stream.records[:0], run.shift, histogram)
    run_timed(run, stream.measured, run.shift, histogram)
    below = np.cumsum(histogram)
    scale = ns_per_tick()
    p50, p99, p999 = (
        float(np.searchsorted(below, part * len(stream.measured), "right")) * scale for part in (0.5, 0.99, 0.999)
    )
    return Latency(p50, p99, p999)
