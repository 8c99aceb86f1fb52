"""What every agent does with its state, without servers: once, in order, and never saved half done."""

from __future__ import annotations

import asyncio
from typing import Any, ClassVar

import pytest
from aiokafka import ConsumerRecord
from confluent_kafka import Message

from engine.words import Reason
from streams.agents.keeper import SAVE_INTERVAL_S, HalfDone, Keeper, Shelf
from streams.records import Unusable


class FakeOutbox:
    def __init__(self) -> None:
        self.ends: dict[tuple[str, int], int] = {("output", 0): 0}
        self.sent: list[tuple[str, str]] = []
        self.letters: list[tuple[int, str | None]] = []

    def partition_count(self, topic: str) -> int:
        return 4

    def send(self, topic: str, key: str, value: bytes, partition: int | None = None, trace: bytes = b"") -> None:
        self.sent.append((topic, key))

    def dead_letter(self, source: Any, *rest: Any) -> None:
        _, _, _, _, field, _, self.trace = rest
        self.letters.append((source.offset, field))

    def delivered(self) -> None:
        """At once."""


class Sums(Keeper[int]):
    """Adds numbers up, by their last digit."""

    agent: ClassVar[str] = "sums"
    source: ClassVar[str] = "numbers"
    output: ClassVar[str] = "output"

    def __init__(self) -> None:
        self.now = 0.0
        self.fake = FakeOutbox()
        super().__init__("nowhere", self.fake, lambda: self.now)  # type: ignore[arg-type]
        self.shelves = {2: Shelf(2, 10)}

    async def fold(self, shelf: Shelf[int], value: bytes) -> None:
        if value == b"boom":
            raise RuntimeError("boom")
        if value == b"odd":
            raise Unusable(Reason.INVALID_FIELD, "value", "odd")
        number = int(value)
        key = str(number % 10)
        shelf.states[key] = shelf.states.get(key, 0) + number
        shelf.touched.add(key)

    def restore(self, saved: dict[str, Any]) -> int:
        return int(saved["sum"])

    def preserve(self, kept: int) -> dict[str, Any]:
        return {"sum": kept}

    def recall(self, shelves: dict[int, Shelf[int]], message: Message) -> None:
        """Has no output."""

    async def tick(self) -> None:
        self.now += SAVE_INTERVAL_S
        await self.save_due()


def batch(first: int, *values: bytes) -> tuple[Any, ...]:
    return tuple(
        ConsumerRecord("numbers", 2, first + place, 0, 0, None, value, None, 0, len(value), ())
        for place, value in enumerate(values)
    )


def test_records_are_folded_once_and_the_cursor_is_saved_behind_the_states() -> None:
    async def scenario() -> Sums:
        sums = Sums()
        await sums.advance(2, batch(10, b"11", b"22"))
        await sums.advance(2, batch(11, b"22", b"31"))
        await sums.tick()
        return sums

    sums = asyncio.run(scenario())
    assert sums.shelves[2].states == {"1": 42, "2": 22}
    assert sums.shelves[2].next_offset == 13
    assert sorted(key for _, key in sums.fake.sent[:-1]) == ["sums|2|1", "sums|2|2"]
    assert sums.fake.sent[-1] == ("ledger-state", "sums|2|")


def test_what_is_for_another_worker_is_left_out() -> None:
    sums = Sums()
    asyncio.run(sums.advance(3, batch(0, b"1")))
    assert 3 not in sums.shelves


def test_an_unusable_record_is_set_aside_and_passed() -> None:
    sums = Sums()
    asyncio.run(sums.advance(2, batch(10, b"1", b"odd", b"no number", b"2")))
    assert sums.fake.letters == [(11, "value"), (12, None)]
    assert sums.shelves[2].states == {"1": 1, "2": 2}


def test_nothing_is_saved_where_nothing_has_changed() -> None:
    async def scenario() -> Sums:
        sums = Sums()
        await sums.advance(2, batch(10, b"1"))
        await sums.tick()
        sums.fake.sent.clear()
        await sums.tick()
        return sums

    assert asyncio.run(scenario()).fake.sent == []


def test_an_idle_partition_saves_where_the_output_ends_from_time_to_time() -> None:
    async def scenario() -> Sums:
        sums = Sums()
        await sums.advance(2, batch(10, b"1"))
        await sums.tick()
        sums.fake.sent.clear()
        sums.fake.ends["output", 0] += 20_000
        await sums.tick()
        return sums

    assert asyncio.run(scenario()).fake.sent == [("ledger-state", "sums|2|")]


def test_a_batch_that_was_left_half_done_is_never_saved() -> None:
    async def scenario() -> Sums:
        sums = Sums()
        with pytest.raises(RuntimeError, match="boom"):
            await sums.advance(2, batch(10, b"1", b"boom", b"2"))
        with pytest.raises(HalfDone):
            await sums.tick()
        with pytest.raises(HalfDone):
            await sums.advance(2, batch(12, b"2"))
        return sums

    sums = asyncio.run(scenario())
    assert sums.fake.sent == []
    assert sums.shelves == {}


def test_a_cancelled_batch_is_never_saved() -> None:
    async def scenario() -> Sums:
        sums = Sums()
        work = asyncio.ensure_future(sums.advance(2, batch(10, b"1")))
        await asyncio.sleep(0)
        work.cancel()
        with pytest.raises(asyncio.CancelledError):
            await work
        with pytest.raises(HalfDone):
            await sums.tick()
        return sums

    assert asyncio.run(scenario()).fake.sent == []
