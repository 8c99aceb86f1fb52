"""The agents' part of a replay in a process of its own, so that the engine's part has a processor to itself."""

from __future__ import annotations

import gc
import signal
import time
from collections import deque
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from typing import Any, Final

from confluent_kafka import KafkaError, KafkaException

from engine import kafka
from streams.consumer import Partition
from streams.day.agents import Agents, Block
from streams.day.log import Log
from streams.day.result import DayResult

MOST_WAITING: Final = 32
"""Blocks that the other process may lie behind."""

_agents: Agents | None = None
"""Of that process."""


class Failed(Exception):
    """What Kafka said there, its code and its text: a `KafkaException` does not come across."""


@contextmanager
def _told() -> Iterator[None]:
    """What Kafka says inside comes across."""
    try:
        yield
    except KafkaException as error:
        raise Failed(error.args[0].code(), error.args[0].str()) from None


def _result(future: Future[Any]) -> Any:
    try:
        return future.result()
    except Failed as failed:
        raise KafkaException(KafkaError(*failed.args)) from None


class Aside:
    """`Agents`, elsewhere. Its methods raise what those of `Agents` do, and `BrokenProcessPool`."""

    def __init__(
        self,
        log: Log,
        day: str,
        bounds: Mapping[Partition, tuple[int, int]],
        hashes: Mapping[Partition, list[tuple[int, str]]],
    ) -> None:
        # Not forked: a copy of threads that hold locks may hang.
        self._pool = ProcessPoolExecutor(1, get_context("spawn"))
        begun = self._pool.submit(_begin, kafka.security(), log, day, bounds, hashes)
        self._waiting: deque[Future[Any]] = deque([begun])

    def take(self, block: Block) -> None:
        self._waiting.append(self._pool.submit(_take, block))
        while len(self._waiting) > MOST_WAITING:
            _result(self._waiting.popleft())

    def finish(self, last_seq: int) -> DayResult:
        while self._waiting:
            _result(self._waiting.popleft())
        result: DayResult = _result(self._pool.submit(_finish, last_seq))
        return result

    def close(self) -> None:
        """Ends the process."""
        self._pool.shutdown(cancel_futures=True)


def _begin(
    security: kafka.Security,
    log: Log,
    day: str,
    bounds: Mapping[Partition, tuple[int, int]],
    hashes: Mapping[Partition, list[tuple[int, str]]],
) -> None:
    global _agents
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # who asked for the replay ends it
    gc.disable()  # records make no cycles, and millions of them are made
    kafka.choose(lambda: security)
    with _told():
        _agents = Agents(log, day, bounds, hashes)


def _take(block: Block) -> None:
    assert _agents is not None
    with _told():
        _agents.take(block)


def _finish(last_seq: int) -> DayResult:
    assert _agents is not None
    with _told():
        result = _agents.finish(last_seq)
    result.processor_seconds = time.process_time()
    return result
