"""`hft bench sse`: from a fill to the event of each of many clients, with none of them stalled and with some; and what
a client costs the gateway."""

from __future__ import annotations

import asyncio
import itertools
import resource
import socket
import time
from collections.abc import Callable
from decimal import Decimal
from typing import Final, NamedTuple, cast

import numpy as np
import psutil
from numpy.typing import NDArray

from engine.client import AsyncClient
from engine.messages import NewOrder
from infra.bench.figures import Figure, Result
from infra.bench.gateway_place import gateway_place, token
from infra.bench.sandbox import Sandbox
from infra.errors import OperatorError

TAKER: Final = "taker"
MAKER: Final = "maker"
SPARE_FILES: Final = 200
STALLED_BUFFER: Final = 4096
"""Bytes that a stalled client's kernel takes: as little as it may be."""
STAMP: Final = b'"ts_ns":"'
CONNECT_S: Final = 60.0

numbers = itertools.count(1)


class Run(NamedTuple):
    latencies: NDArray[np.float64]
    """Milliseconds, of each event of each healthy client."""
    expected: int
    memory: int
    """Bytes that the gateway grew by while the clients were connected."""


class _Client(asyncio.Protocol):
    """Reads every event, or, stalled, nothing at all."""

    def __init__(self, request: bytes, stalled: bool, latencies: list[float]) -> None:
        self._request = request
        self._stalled = stalled
        self._latencies = latencies
        self._rest = b""
        self.ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's is none by its class
        self.transport.write(self._request)
        if self._stalled:
            self.transport.pause_reading()
            self.ready.set_result(None)

    def data_received(self, data: bytes) -> None:
        now_ns = time.time_ns()
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            if line.startswith(b"data: {"):
                place = line.find(STAMP)
                if not self.ready.done():
                    self.ready.set_result(None)
                elif place >= 0:
                    at = place + len(STAMP)
                    self._latencies.append((now_ns - int(line[at : line.index(b'"', at)])) / 1e6)

    def connection_lost(self, error: Exception | None) -> None:
        if not self.ready.done():
            self.ready.set_exception(OperatorError(f"the gateway closed a stream at once: {self._rest[:200]!r}"))


def run(clients: int, stalled: int, rate: int, seconds: float, say: Callable[[str], None]) -> Result:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < clients + SPARE_FILES:
        raise OperatorError(f"{clients} clients need {clients + SPARE_FILES} open files, and ulimit -n gives {hard}")
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with gateway_place([TAKER, MAKER]) as (place, gateway):
        place.start(place.publisher())
        assert gateway.pid is not None
        process = psutil.Process(gateway.pid)
        asyncio.run(_measure(place, process, 20, 0, rate, 1.0))  # so that both runs begin warm
        say(f"{clients} clients, none stalled")
        calm = asyncio.run(_measure(place, process, clients, 0, rate, seconds))
        say(f"{clients} clients, {stalled} of them stalled")
        held = asyncio.run(_measure(place, process, clients, stalled, rate, seconds))
    p99, p99_held = (float(np.quantile(found.latencies, 0.99)) for found in (calm, held))
    figures = [
        Figure("none stalled: p50 from the fill to the event", float(np.median(calm.latencies)), "ms"),
        Figure("none stalled: p99", p99, "ms"),
        Figure("some stalled: p50 of the healthy ones", float(np.median(held.latencies)), "ms"),
        Figure("some stalled: p99 of the healthy ones", p99_held, "ms"),
        Figure("p99 with some stalled / with none", p99_held / p99),
        Figure("every healthy client was sent every fill", _complete(calm) and _complete(held)),
        Figure("the gateway's memory for a client, none stalled", max(0, calm.memory) // clients, "bytes"),
        Figure("the gateway's memory for a client, some stalled", max(0, held.memory) // clients, "bytes"),
    ]
    sizes = {"clients": clients, "stalled": stalled, "events a second for each": rate, "seconds": seconds}
    return Result("Server-sent events of one gateway (with the rest on the same machine)", sizes, figures)


def _complete(found: Run) -> bool:
    return len(found.latencies) == found.expected


async def _measure(
    place: Sandbox, process: psutil.Process, clients: int, stalled: int, rate: int, seconds: float
) -> Run:
    before = process.memory_info().rss
    latencies: list[float] = []
    request = (
        f"GET /api/stream?topics=fills HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {token(place, TAKER)}\r\n\r\n"
    ).encode()
    port = place.settings.gateway_port
    connected = [await _connect(port, request, number < stalled, latencies) for number in range(clients)]
    async with asyncio.timeout(CONNECT_S):
        await asyncio.gather(*(client.ready for client in connected))
    count = int(rate * seconds)
    async with AsyncClient(place.settings.zeromq, token(place, "*", role="service"), timeout_s=60.0) as engine:
        begun = time.perf_counter()
        for number in range(count):
            await asyncio.sleep(max(0.0, begun + number / rate - time.perf_counter()))
            await engine.submit([_order(MAKER, "sell", "gtc"), _order(TAKER, "buy", "ioc")])
    expected = count * (clients - stalled)
    end = time.monotonic() + CONNECT_S
    while len(latencies) < expected and time.monotonic() < end:
        await asyncio.sleep(0.05)
    memory = process.memory_info().rss - before
    for client in connected:
        client.transport.abort()
    await asyncio.sleep(0.5)
    return Run(np.array(latencies), expected, memory)


async def _connect(port: int, request: bytes, stalled: bool, latencies: list[float]) -> _Client:
    plain = socket.socket()
    if stalled:
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, STALLED_BUFFER)
    plain.setblocking(False)
    loop = asyncio.get_running_loop()
    await loop.sock_connect(plain, ("127.0.0.1", port))
    _, client = await loop.create_connection(lambda: _Client(request, stalled, latencies), sock=plain)
    return client


def _order(account: str, side: str, time_in_force: str) -> NewOrder:
    return NewOrder(
        account=account,
        symbol="AAPL",
        side=side,
        quantity=Decimal(1),
        limit_price=Decimal(100),
        time_in_force=time_in_force,
        client_order_id=f"bench-{next(numbers)}",
    )
