"""Commands that several callers send in the same moment, in one frame: the way there and back costs as much for one."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from numpy.typing import NDArray

from engine.rows import joined

Group = list[tuple[NDArray[Any], asyncio.Future[NDArray[Any]]]]


class Joining:
    """What is submitted before the event loop turns to anything else goes together, in that order. Commands that wait
    for different levels of durability do not wait for each other's."""

    def __init__(self, send: Callable[[NDArray[Any]], Awaitable[NDArray[Any]]], error: Callable[[], Exception]) -> None:
        """`send` sends COMMAND records in one frame and returns one REPLY record each; `error` is what those get who
        still wait for it at the end."""
        self._send = send
        self._error = error
        self._groups: dict[int, Group] = {}
        self._sending: set[asyncio.Task[None]] = set()

    async def submit(self, records: NDArray[Any]) -> NDArray[Any]:
        """The replies to these records, which stay next to each other. Raises what `send` raises."""
        loop = asyncio.get_running_loop()
        answered: asyncio.Future[NDArray[Any]] = loop.create_future()
        levels = records["durability"]
        level = int(levels[0]) if len(levels) == 1 else int(levels.max())
        group = self._groups.setdefault(level, [])
        group.append((records, answered))
        if len(group) == 1:
            loop.call_soon(self._start, level)
        return await answered

    def _start(self, level: int) -> None:
        task = asyncio.get_running_loop().create_task(self._answer(self._groups.pop(level)))
        self._sending.add(task)
        task.add_done_callback(self._sending.discard)

    async def _answer(self, group: Group) -> None:
        try:
            received = await self._send(joined([records for records, _ in group]))
        except asyncio.CancelledError:
            # Not the callers are cancelled, who are to go on: nobody answers them any more.
            for _, answered in group:
                if not answered.done():
                    answered.set_exception(self._error())
            raise
        except Exception as error:
            for _, answered in group:
                if not answered.done():
                    answered.set_exception(error)
            return
        start = 0
        for records, answered in group:
            if not answered.done():
                answered.set_result(received[start : start + len(records)])
            start += len(records)

    def close(self) -> None:
        """No answer comes any more: whoever still waits has the error as soon as the loop turns to it."""
        for task in self._sending:
            task.cancel()
