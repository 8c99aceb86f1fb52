"""Futures that may each wait the same time, under one timer: one for each would cost as much as a request."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any


class Deadlines:
    def __init__(self, limit_s: float, error: Callable[[], Exception]) -> None:
        """A future that is not done `limit_s` after it was added gets `error()`."""
        self._limit_s = limit_s
        self._error = error
        self._waiting: deque[tuple[float, asyncio.Future[Any]]] = deque()
        self._timer: asyncio.TimerHandle | None = None

    def add(self, future: asyncio.Future[Any]) -> None:
        waiting = self._waiting
        while waiting and waiting[0][1].done():
            waiting.popleft()
        loop = asyncio.get_running_loop()
        waiting.append((loop.time() + self._limit_s, future))
        if self._timer is None:
            self._timer = loop.call_later(self._limit_s, self._look)

    def _look(self) -> None:
        loop = asyncio.get_running_loop()
        waiting = self._waiting
        while waiting and (waiting[0][0] <= loop.time() or waiting[0][1].done()):
            _, future = waiting.popleft()
            if not future.done():
                future.set_exception(self._error())
        self._timer = loop.call_at(waiting[0][0], self._look) if waiting else None

    def close(self) -> None:
        """No answer comes any more: whoever still waits has the error now."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        while self._waiting:
            _, future = self._waiting.popleft()
            if not future.done():
                future.set_exception(self._error())
