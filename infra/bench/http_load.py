"""Requests over connections that are kept open, each sending its next when it has the answer: as little work of its own
as Python allows, so that what is measured is the server."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from infra.errors import OperatorError


class Load(NamedTuple):
    seconds: float
    latencies: NDArray[np.float64]
    """Seconds, of each request."""

    @property
    def per_second(self) -> float:
        return len(self.latencies) / self.seconds

    def percentile(self, part: float) -> float:
        """Milliseconds."""
        return float(np.quantile(self.latencies, part)) * 1000


def request(path: str, token: str, body: bytes) -> bytes:
    head = (
        f"POST {path} HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {token}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


class _Connection(asyncio.Protocol):
    """Answers have a Content-Length; their statuses must be 2xx."""

    def __init__(self, following: Callable[[], bytes | None], latencies: list[float]) -> None:
        self._following = following
        self._latencies = latencies
        self._buffer = b""
        self._sent = 0.0
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is none by its class
        self._next()

    def _next(self) -> None:
        following = self._following()
        if following is None:
            self._transport.close()
            if not self.done.done():
                self.done.set_result(None)
            return
        self._sent = time.perf_counter()
        self._transport.write(following)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, end, rest = self._buffer.partition(b"\r\n\r\n")
        if not end:
            return
        place = head.lower().find(b"content-length:")
        length = int(head[place + 15 :].split(b"\r\n", 1)[0])
        if len(rest) < length:
            return
        if head[9:10] != b"2":
            self.done.set_exception(OperatorError(f"the server answered {head[:20]!r} {rest[:200]!r}"))
            self._transport.abort()
            return
        self._buffer = b""
        self._latencies.append(time.perf_counter() - self._sent)
        self._next()

    def connection_lost(self, error: Exception | None) -> None:
        if not self.done.done():
            self.done.set_exception(OperatorError(f"the server closed the connection: {error}"))

    def drop(self) -> None:
        self.done.cancel()
        self._transport.abort()


class _Paced(_Connection):
    """Sends what it is given, one after the other, and is idle between."""

    def __init__(self, latencies: list[float]) -> None:
        super().__init__(lambda: None, latencies)
        self._waiting: deque[bytes] = deque()
        self._idle = False
        self._last = False

    def send(self, following: bytes) -> None:
        self._waiting.append(following)
        if self._idle:
            self._next()

    def finish(self) -> None:
        """Closes once everything is answered."""
        self._last = True
        if self._idle:
            self._next()

    def _next(self) -> None:
        self._idle = False
        if self._waiting:
            self._sent = time.perf_counter()
            self._transport.write(self._waiting.popleft())
        elif self._last:
            super()._next()
        else:
            self._idle = True


async def paced(port: int, connections: int, rate: float, count: int, made: Callable[[int, float], bytes]) -> Load:
    """`rate` requests a second, whether or not those before are answered. `made` makes each from its number and the
    moment at which it is due (of `time.perf_counter`). Raises `OperatorError` where one is refused."""
    latencies: list[float] = []
    loop = asyncio.get_running_loop()
    open_ones = [
        (await loop.create_connection(lambda: _Paced(latencies), "127.0.0.1", port))[1] for _ in range(connections)
    ]
    begun = time.perf_counter()
    for number in range(count):
        due = begun + number / rate
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        connection = open_ones[number % connections]
        if connection.done.done():
            break
        connection.send(made(number, due))
    for connection in open_ones:
        connection.finish()
    await _end(open_ones)
    return Load(time.perf_counter() - begun, np.array(latencies))


async def _end(open_ones: Sequence[_Connection]) -> None:
    """Until all are done, or one has failed, which ends the others."""
    try:
        await asyncio.gather(*(connection.done for connection in open_ones))
    finally:
        for connection in open_ones:
            connection.drop()
        await asyncio.sleep(0)  # their ends are told in the next turn of the loop


async def load(port: int, connections: int, seconds: float, made: Callable[[], bytes]) -> Load:
    """`made` makes each request. Raises `OperatorError` where one is refused."""
    latencies: list[float] = []
    loop = asyncio.get_running_loop()
    begun = time.perf_counter()
    end = begun + seconds

    def following() -> bytes | None:
        return made() if time.perf_counter() < end else None

    open_ones = [
        (await loop.create_connection(lambda: _Connection(following, latencies), "127.0.0.1", port))[1]
        for _ in range(connections)
    ]
    await _end(open_ones)
    return Load(time.perf_counter() - begun, np.array(latencies))
