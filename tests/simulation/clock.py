"""Time that only passes when the simulation says so, and jumps when a fault does."""

from __future__ import annotations

from typing import Final

from tests.simulation.faults import Faults

START_NS: Final = 1_700_000_000_000_000_000
LONGEST_JUMP_S: Final = 3600.0


class Clock:
    def __init__(self, faults: Faults) -> None:
        self._faults = faults
        self._elapsed_ns = 0
        self._offset_ns = START_NS

    def pass_by(self) -> None:
        """Microseconds to milliseconds; now and then somebody sets the wall clock."""
        chance = self._faults.chance
        self._elapsed_ns += chance.choice((1_000, 100_000, 1_000_000, 20_000_000))
        jump = int(chance.choice((0.001, 1.0, LONGEST_JUMP_S)) * chance.random() * 1e9) + 1
        if self._faults.strikes("clock back", 0.01):
            self._offset_ns -= jump
        if self._faults.strikes("clock forward", 0.01):
            self._offset_ns += jump

    def wait(self, seconds: float) -> None:
        self._elapsed_ns += int(seconds * 1e9)

    def wall_ns(self) -> int:
        return self._offset_ns + self._elapsed_ns

    def monotonic(self) -> float:
        """Seconds."""
        return self._elapsed_ns / 1e9
