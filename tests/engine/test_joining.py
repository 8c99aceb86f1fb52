"""What is submitted together goes together, and each gets its own."""

from __future__ import annotations

import asyncio
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from engine.joining import Joining
from engine.layout import COMMAND, REPLY


def commands(*quantities: int, durability: int = 0) -> NDArray[Any]:
    records = np.zeros(len(quantities), COMMAND)
    records["quantity"], records["durability"] = quantities, durability
    return records


def gone() -> Exception:
    return TimeoutError("the connection is given up")


class Engine:
    """Answers each command with its own quantity."""

    def __init__(self) -> None:
        self.frames: list[list[int]] = []
        self.fails = False

    async def send(self, records: NDArray[Any]) -> NDArray[Any]:
        self.frames.append(records["quantity"].tolist())
        await asyncio.sleep(0)
        if self.fails:
            raise TimeoutError("nobody answers")
        replies = np.zeros(len(records), REPLY)
        replies["quantity"] = records["quantity"]
        return replies


def test_one_frame_of_a_moment_and_each_its_own_replies() -> None:
    async def run() -> None:
        engine = Engine()
        joining = Joining(engine.send, gone)
        found = await asyncio.gather(*(joining.submit(commands(*some)) for some in ((1,), (2, 3), (4,))))
        assert [replies["quantity"].tolist() for replies in found] == [[1], [2, 3], [4]]
        assert engine.frames == [[1, 2, 3, 4]]
        assert (await joining.submit(commands(5)))["quantity"].tolist() == [5]
        assert engine.frames[1:] == [[5]]

    asyncio.run(run())


def test_levels_of_durability_do_not_wait_for_each_other() -> None:
    async def run() -> None:
        engine = Engine()
        joining = Joining(engine.send, gone)
        await asyncio.gather(
            joining.submit(commands(1)), joining.submit(commands(2, durability=3)), joining.submit(commands(3))
        )
        assert engine.frames == [[1, 3], [2]]

    asyncio.run(run())


def test_a_failure_is_everybodys_and_one_who_gave_up_disturbs_nobody() -> None:
    async def run() -> None:
        engine = Engine()
        joining = Joining(engine.send, gone)
        impatient = asyncio.ensure_future(joining.submit(commands(1)))
        stays = asyncio.ensure_future(joining.submit(commands(2)))
        await asyncio.sleep(0)
        impatient.cancel()
        assert (await stays)["quantity"].tolist() == [2]
        engine.fails = True
        outcomes = await asyncio.gather(
            joining.submit(commands(3)), joining.submit(commands(4)), return_exceptions=True
        )
        assert [type(outcome) for outcome in outcomes] == [TimeoutError, TimeoutError]

    asyncio.run(run())


def test_close_gives_the_error_to_whoever_still_waits() -> None:
    async def run() -> None:
        async def never(records: NDArray[Any]) -> NDArray[Any]:
            await asyncio.Event().wait()
            return records

        joining = Joining(never, gone)
        waiting = asyncio.ensure_future(joining.submit(commands(1)))
        await asyncio.sleep(0.01)
        joining.close()
        with pytest.raises(TimeoutError, match="the connection is given up"):
            await asyncio.wait_for(waiting, 5)

    asyncio.run(run())
