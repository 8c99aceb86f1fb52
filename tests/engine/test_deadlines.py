"""One timer for many futures."""

from __future__ import annotations

import asyncio

import pytest

from engine.deadlines import Deadlines


class Late(Exception):
    pass


def test_each_future_has_its_own_time() -> None:
    async def waited() -> list[str]:
        loop = asyncio.get_running_loop()
        deadlines = Deadlines(0.05, Late)
        first, answered, canceled, last = (loop.create_future() for _ in range(4))
        for future in (first, answered, canceled):
            deadlines.add(future)
        answered.set_result("in time")
        canceled.cancel()
        await asyncio.sleep(0.03)
        deadlines.add(last)
        with pytest.raises(Late):
            await first
        states = [await answered, f"canceled: {canceled.cancelled()}", f"done: {last.done()}"]
        with pytest.raises(Late):
            await last
        return states

    assert asyncio.run(waited()) == ["in time", "canceled: True", "done: False"]


def test_nothing_is_left_of_those_that_were_answered() -> None:
    async def left() -> int:
        deadlines = Deadlines(60.0, Late)
        for _ in range(1000):
            future = asyncio.get_running_loop().create_future()
            deadlines.add(future)
            future.set_result(None)
        return len(deadlines._waiting)

    assert asyncio.run(left()) == 1


def test_at_the_end_whoever_waits_has_the_error_at_once() -> None:
    async def late() -> bool:
        deadlines = Deadlines(60.0, Late)
        waiting, canceled = (asyncio.get_running_loop().create_future() for _ in range(2))
        for future in (waiting, canceled):
            deadlines.add(future)
        canceled.cancel()
        deadlines.close()
        with pytest.raises(Late):
            await waiting
        return canceled.cancelled()

    assert asyncio.run(late())
