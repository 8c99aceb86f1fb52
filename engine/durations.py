"""Histograms that cost the one who notes a duration a fraction of a microsecond, and nothing to anybody else.

Buckets lie at powers of two of a nanosecond and half-way between, so that a duration's bucket is a matter of its bits:
from 1 µs (1,024 ns) to 17 s. A number is noted by one thread; whoever asks meanwhile sees one that is being added or
not, which a histogram that is asked every few seconds can bear."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator
from typing import Any, Final

from prometheus_client.core import HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

BATCH_BUCKETS: Final = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000)
"""Of Prometheus's own histograms of how many things were done at once."""
FIRST_BIT: Final = 11
"""Bit length of 1,024 ns: what is shorter is in the first bucket."""
LAST_BIT: Final = 34
SLOTS: Final = 2 * (LAST_BIT + 1) + 2
BOUNDS_NS: Final = tuple(bound for bit in range(FIRST_BIT, LAST_BIT + 1) for bound in (1 << (bit - 1), 3 << (bit - 2)))
"""Upper bounds of the buckets in nanoseconds; what is longer than all is in `+Inf`."""


def note(cells: Any, ns: int, count: int) -> None:
    """`count` things took `ns` each; what clocks that were set make negative counts as nothing. `cells`: SLOTS + 1
    integers, the durations in each slot and the sum of all. Compiled code calls it too."""
    if ns < 1:
        ns = 1
    mantissa, bits = math.frexp(ns)
    slot = 2 * bits + (1 if mantissa >= 0.75 else 0) if bits <= LAST_BIT else SLOTS - 1
    cells[slot] += count
    cells[SLOTS] += ns * count


class Series:
    """The durations of one kind."""

    __slots__ = ("cells",)

    def __init__(self, cells: Any = None) -> None:
        """`cells`: as of `note`, where another one notes them."""
        self.cells = [0] * (SLOTS + 1) if cells is None else cells

    def note(self, ns: int, count: int = 1) -> None:
        note(self.cells, ns, count)

    @property
    def total_ns(self) -> int:
        return int(self.cells[SLOTS])

    def cumulative(self) -> list[int]:
        """How many were shorter than each of `BOUNDS_NS`, and of any length."""
        counts = [int(count) for count in self.cells[:SLOTS]]
        total = sum(counts[: 2 * FIRST_BIT])
        found = [total]
        for count in counts[2 * FIRST_BIT :]:
            total += count
            found.append(total)
        # The slot before a bound holds what is shorter; the last one what is longer than all.
        return [*found[: len(BOUNDS_NS)], total]


class Durations(Collector):
    """One histogram of seconds with one label, as Prometheus reads it."""

    def __init__(self, name: str, documentation: str, label: str) -> None:
        self.name = name
        self._documentation = documentation
        self.label = label
        self._series: dict[str, Series] = {}
        self._lock = threading.Lock()

    def series(self, value: str, cells: Any = None) -> Series:
        """That of a label's value; the same one at each call. `cells`: for a new one, as of `Series`."""
        with self._lock:
            return self._series.setdefault(value, Series(cells))

    def collect(self) -> Iterator[Metric]:
        family = HistogramMetricFamily(self.name, self._documentation, labels=[self.label])
        for value, series in sorted(self._series.items()):
            *counts, total = series.cumulative()
            buckets = [(repr(bound / 1e9), float(count)) for bound, count in zip(BOUNDS_NS, counts, strict=True)]
            family.add_metric([value], [*buckets, ("+Inf", float(total))], series.total_ns / 1e9)
        yield family
