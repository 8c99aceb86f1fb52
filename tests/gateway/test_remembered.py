"""An answer is made once for all, and good for a while that grows with what it cost."""

from __future__ import annotations

import asyncio

import pytest

from gateway.remembered import Remembered


class Made:
    """Answers that take `cost` seconds of a clock of their own to make."""

    def __init__(self, cost: float) -> None:
        self.now = 100.0
        self.cost = cost
        self.count = 0
        self.go = asyncio.Event()
        self.go.set()

    def clock(self) -> float:
        return self.now

    async def make(self) -> int:
        self.count += 1
        await self.go.wait()
        self.now += self.cost
        if self.cost > 100:
            raise RuntimeError("too long")
        return self.count


@pytest.mark.parametrize(("cost", "good_s"), [(0.5, 4.5), (2.0, 18.0), (10.0, 20.0)])
def test_an_answer_is_good_for_nine_times_what_it_took(cost: float, good_s: float) -> None:
    async def run() -> None:
        made = Made(cost)
        remembered: Remembered[int] = Remembered(clock=made.clock)
        assert await remembered.get("one", made.make) == 1
        made.now += good_s - 0.01
        assert await remembered.get("one", made.make) == 1
        made.now += 0.02
        assert await remembered.get("one", made.make) == 2

    asyncio.run(run())


def test_all_who_ask_in_the_same_moment_get_the_same_and_one_who_leaves_takes_it_from_nobody() -> None:
    async def run() -> None:
        made = Made(1.0)
        made.go.clear()
        remembered: Remembered[int] = Remembered(clock=made.clock)
        first, second = (asyncio.ensure_future(remembered.get("one", made.make)) for _ in range(2))
        await asyncio.sleep(0)
        first.cancel()
        made.now += 60  # long in the making, and still not begun again
        third = asyncio.ensure_future(remembered.get("one", made.make))
        await asyncio.sleep(0)
        made.go.set()
        assert await asyncio.gather(second, third) == [1, 1]
        assert first.cancelled()

    asyncio.run(run())


def test_a_failure_is_told_to_all_who_wait_and_not_remembered() -> None:
    async def run() -> None:
        made = Made(101.0)
        remembered: Remembered[int] = Remembered(clock=made.clock)
        both = await asyncio.gather(*(remembered.get("one", made.make) for _ in range(2)), return_exceptions=True)
        assert [str(error) for error in both] == ["too long", "too long"]
        made.cost = 1.0
        assert await remembered.get("one", made.make) == 2

    asyncio.run(run())


def test_memory_is_bounded() -> None:
    async def run() -> None:
        made = Made(1.0)
        remembered: Remembered[int] = Remembered(most=2, clock=made.clock)
        assert [await remembered.get(key, made.make) for key in "abca"] == [1, 2, 3, 4]

    asyncio.run(run())
