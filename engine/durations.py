"""Histograms that cost the one who notes a duration a fraction of a microsecond, and nothing to anybody else.

Buckets lie at powers of two of a nanosecond and half-way between, so that a duration's bucket is a matter of its bits:
from 1 µs (1,024 ns) to 17 s. A number is noted by one thread; whoever asks meanwhile sees one that is being added or
not, which a histogram that is asked every few seconds can bear."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Final

from prometheus_client.core import HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

FIRST_BIT: Final = 11
"""Bit length of 1,024 ns: what is shorter is in the first bucket."""
LAST_BIT: Final = 34
SLOTS: Final = 2 * (LAST_BIT + 1) + 2
BOUNDS_NS: Final = tuple(bound for bit in range(FIRST_BIT, LAST_BIT + 1) for bound in (1 << (bit - 1), 3 << (bit - 2)))
"""Upper bounds of the buckets in nanoseconds; what is longer than all is in `+Inf`."""


class Series:
    """The durations of one kind."""

    __slots__ = ("counts", "total_ns")

    def __init__(self) -> None:
        self.counts = [0] * SLOTS
        self.total_ns = 0

    def note(self, ns: int, count: int = 1) -> None:
        """`count` things took `ns` each; what clocks that were set make negative counts as nothing."""
        if ns < 4:
            ns = 4
        bits = ns.bit_length()
        slot = 2 * bits + (ns >> (bits - 2) & 1) if bits <= LAST_BIT else SLOTS - 1
        self.counts[slot] += count
        self.total_ns += ns * count

    def cumulative(self) -> list[int]:
        """How many were shorter than each of `BOUNDS_NS`, and of any length."""
        counts = self.counts.copy()
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

    def series(self, value: str) -> Series:
        """That of a label's value; the same one at each call."""
        with self._lock:
            return self._series.setdefault(value, Series())

    def collect(self) -> Iterator[Metric]:
        family = HistogramMetricFamily(self.name, self._documentation, labels=[self.label])
        for value, series in sorted(self._series.items()):
            *counts, total = series.cumulative()
            buckets = [(repr(bound / 1e9), float(count)) for bound, count in zip(BOUNDS_NS, counts, strict=True)]
            family.add_metric([value], [*buckets, ("+Inf", float(total))], series.total_ns / 1e9)
        yield family
