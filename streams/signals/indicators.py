"""Indicators, one value in and one out, as a strategy keeps them in its state. Each has its twin as a Polars expression
in `streams.signals.expressions`, which gives the same numbers; both say None until there is enough to say.

They are msgspec structs, so that a strategy's state with indicators in it is saved and restored as it is.
"""

from __future__ import annotations

import math

from msgspec import Struct


class Mean(Struct):
    """Simple moving average of the last `length` values."""

    length: int
    values: list[float] = []

    def update(self, value: float) -> float | None:
        self.values.append(value)
        if len(self.values) > self.length:
            del self.values[0]
        # Summed anew: a running sum would drift away from what the window holds.
        return math.fsum(self.values) / self.length if len(self.values) == self.length else None

    @property
    def value(self) -> float | None:
        return math.fsum(self.values) / self.length if len(self.values) == self.length else None


class Deviation(Struct):
    """Sample standard deviation (n − 1) of the last `length` values."""

    length: int
    values: list[float] = []

    def update(self, value: float) -> float | None:
        self.values.append(value)
        if len(self.values) > self.length:
            del self.values[0]
        if len(self.values) < self.length:
            return None
        mean = math.fsum(self.values) / self.length
        return math.sqrt(math.fsum((one - mean) ** 2 for one in self.values) / (self.length - 1))


class ExponentialMean(Struct):
    """y = y + 2 / (length + 1) × (x − y), from the first value on (no bias correction)."""

    length: int
    mean: float | None = None

    def update(self, value: float) -> float:
        self.mean = value if self.mean is None else self.mean + 2 / (self.length + 1) * (value - self.mean)
        return self.mean


class Highest(Struct):
    """Largest of the last `length` values."""

    length: int
    values: list[float] = []

    def update(self, value: float) -> float | None:
        self.values.append(value)
        if len(self.values) > self.length:
            del self.values[0]
        return max(self.values) if len(self.values) == self.length else None


class Lowest(Struct):
    """Smallest of the last `length` values."""

    length: int
    values: list[float] = []

    def update(self, value: float) -> float | None:
        self.values.append(value)
        if len(self.values) > self.length:
            del self.values[0]
        return min(self.values) if len(self.values) == self.length else None


class TrueRange(Struct):
    """Average true range: simple mean over `length` of max(high − low, |high − close before|, |low − close before|)
    (J. Welles Wilder, New Concepts in Technical Trading Systems, 1978; he smooths, this is the plain mean)."""

    length: int
    close: float | None = None
    ranges: list[float] = []

    def update(self, high: float, low: float, close: float) -> float | None:
        before = self.close
        self.close = close
        width = high - low if before is None else max(high - low, abs(high - before), abs(low - before))
        self.ranges.append(width)
        if len(self.ranges) > self.length:
            del self.ranges[0]
        return math.fsum(self.ranges) / self.length if len(self.ranges) == self.length else None


class Strength(Struct):
    """Relative strength index with Wilder's smoothing (alpha = 1 / length), 0 to 100, from the first change on."""

    length: int
    before: float | None = None
    gain: float | None = None
    loss: float | None = None

    def update(self, value: float) -> float | None:
        before, self.before = self.before, value
        if before is None:
            return None
        up, down = max(value - before, 0.0), max(before - value, 0.0)
        alpha = 1 / self.length
        self.gain = up if self.gain is None else self.gain + alpha * (up - self.gain)
        self.loss = down if self.loss is None else self.loss + alpha * (down - self.loss)
        total = self.gain + self.loss
        return 50.0 if total == 0 else 100 * self.gain / total


class Change(Struct):
    """Logarithmic return over `length` steps."""

    length: int
    values: list[float] = []

    def update(self, value: float) -> float | None:
        self.values.append(value)
        if len(self.values) <= self.length:
            return None
        return math.log(value / self.values.pop(0))


def imbalance(bid_quantity: float, ask_quantity: float) -> float:
    """(bid − ask) / (bid + ask), between −1 and 1; 0 for an empty book."""
    total = bid_quantity + ask_quantity
    return (bid_quantity - ask_quantity) / total if total else 0.0


def microprice(bid: float, bid_quantity: float, ask: float, ask_quantity: float) -> float:
    """The middle weighted by the opposite side's size (Gatheral and Oomen 2010; Stoikov 2018 calls it the weighted
    mid)."""
    return (bid * ask_quantity + ask * bid_quantity) / (bid_quantity + ask_quantity)
