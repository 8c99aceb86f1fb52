"""Ending tasks that run as long as the gateway does."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any, Final

AGAIN_S: Final = 0.2


async def end(tasks: Iterable[asyncio.Task[Any]]) -> None:
    """Cancels the tasks until they have ended.

    Once is not always enough: before Python 3.12 `asyncio.wait_for`, with which the clients of Redis and Postgres wait,
    loses a cancellation that comes in the moment in which what it waits for is done, and the task would go on."""
    running = set(tasks)
    while running:
        for task in running:
            task.cancel()
        _, running = await asyncio.wait(running, timeout=AGAIN_S)
