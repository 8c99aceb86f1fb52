"""How often something may be tried or asked for: token buckets by name. Pure: the clock is given."""

from __future__ import annotations

from collections import OrderedDict
from typing import Final, NamedTuple

MOST_BUCKETS: Final = 50_000
"""The longest unused ones are forgotten: they are full again by then, or nearly."""


class Allowance(NamedTuple):
    allowed: bool
    limit: int
    per_second: float
    remaining: int
    reset_s: float
    """Until the bucket is full again."""
    wait_s: float
    """Until the next one is allowed; 0: now."""


class Buckets:
    """Each name has a bucket that holds `burst` and fills at `per_second`."""

    def __init__(self, per_second: float, burst: int, most: int = MOST_BUCKETS) -> None:
        self.per_second = per_second
        self.burst = burst
        self._most = most
        self._levels: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def _level(self, name: str, now: float) -> float:
        level, at = self._levels.get(name, (float(self.burst), now))
        return min(float(self.burst), level + max(0.0, now - at) * self.per_second)

    def take(self, name: str, now: float) -> Allowance:
        """One of `name`'s, where there is one."""
        level = self._level(name, now)
        allowed = level >= 1
        return self._kept(name, level - 1 if allowed else level, now, allowed)

    def look(self, name: str, now: float) -> Allowance:
        """What `take` would say, taking nothing."""
        level = self._level(name, now)
        return self._told(level, level >= 1)

    def _kept(self, name: str, level: float, now: float, allowed: bool) -> Allowance:
        self._levels[name] = (level, now)
        self._levels.move_to_end(name)
        if len(self._levels) > self._most:
            self._levels.popitem(last=False)
        return self._told(level, allowed)

    def _told(self, level: float, allowed: bool) -> Allowance:
        wait_s = 0.0 if level >= 1 else (1 - level) / self.per_second
        return Allowance(
            allowed, self.burst, self.per_second, int(level), (self.burst - level) / self.per_second, wait_s
        )
