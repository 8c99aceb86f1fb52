"""Answers that are long in the making: made once for all who ask in the same moment, and good for a while that grows
with what they cost, so that asking again and again takes at most a tenth of one connection's time."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from typing import Final, Generic, TypeVar

T = TypeVar("T")

REST: Final = 9.0
"""An answer is good for so many times as long as it took to make."""
LONGEST_S: Final = 30.0
MOST: Final = 64
"""Answers kept; the longest unused ones are forgotten."""


class _Answer(Generic[T]):
    def __init__(self) -> None:
        self.making: asyncio.Future[T] | None = None
        self.until = float("inf")
        """By the clock; while it is being made there is no end."""


class Remembered(Generic[T]):
    def __init__(
        self, *, longest_s: float = LONGEST_S, most: int = MOST, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """`longest_s`: no answer is older."""
        self._longest_s = longest_s
        self._most = most
        self._clock = clock
        self._answers: OrderedDict[Hashable, _Answer[T]] = OrderedDict()

    async def get(self, key: Hashable, make: Callable[[], Awaitable[T]]) -> T:
        """What `make` gives, now or a moment ago. Raises what it raises, which is not remembered."""
        answer = self._answers.get(key)
        if answer is None or answer.until <= self._clock():
            answer = self._answers[key] = _Answer()
            answer.making = asyncio.ensure_future(self._make(answer, make))
            # Its error is told to those who wait, who may all have left.
            answer.making.add_done_callback(lambda made: made.cancelled() or made.exception())
        assert answer.making is not None
        self._answers.move_to_end(key)
        if len(self._answers) > self._most:
            self._answers.popitem(last=False)
        # Whoever gives up waiting leaves the answer to the others.
        return await asyncio.shield(answer.making)

    async def _make(self, answer: _Answer[T], make: Callable[[], Awaitable[T]]) -> T:
        begun = self._clock()
        try:
            made = await make()
        except BaseException:
            answer.until = begun
            raise
        now = self._clock()
        answer.until = now + min(REST * (now - begun), self._longest_s - (now - begun))
        return made
