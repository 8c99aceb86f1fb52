"""A task is ended even where it loses a cancellation."""

from __future__ import annotations

import asyncio

from gateway.tasks import end


async def deaf(losses: int) -> None:
    """Goes on for ever, and loses so many cancellations."""
    while True:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            if not losses:
                raise
            losses -= 1


def test_a_lost_cancellation_is_said_again() -> None:
    async def run() -> list[bool]:
        tasks = [asyncio.create_task(deaf(losses)) for losses in (0, 1, 2)]
        await asyncio.sleep(0)
        async with asyncio.timeout(10):
            await end(tasks)
        return [task.cancelled() for task in tasks]

    assert asyncio.run(run()) == [True, True, True]


def test_nothing_to_end() -> None:
    asyncio.run(end([]))


def test_a_task_that_has_ended() -> None:
    async def run() -> None:
        task = asyncio.create_task(asyncio.sleep(0))
        await task
        await end([task])

    asyncio.run(run())
