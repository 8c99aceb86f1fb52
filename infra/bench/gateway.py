"""`hft bench gateway`: orders over REST to their acknowledgement, beside a bare route in the same run; and from an
order to its event in the stream."""

from __future__ import annotations

import asyncio
import itertools
import json
import time
from collections.abc import Callable
from statistics import median
from typing import Final

import numpy as np
import psutil

from infra.bench.figures import Figure, Result
from infra.bench.gateway_place import bare_route, gateway_place, token
from infra.bench.http_load import Load, load, paced, request
from infra.errors import OperatorError
from infra.ports import free_ports
from infra.process import Process

ACCOUNT: Final = "bench"
WARM_S: Final = 3.0
STREAM_S: Final = 10.0
CONNECTIONS: Final = 64
"""Of those who send at a rate: more than wait for an answer at the same time."""
NAME: Final = b'"client_order_id":"'
STAMP: Final = b'"updated_ns":"'
LIMIT_S: Final = 60.0

numbers = itertools.count(1)


def order_request(access: str) -> Callable[[], bytes]:
    """Orders that rest, none like another."""

    def made() -> bytes:
        order = {
            "symbol": "AAPL",
            "side": "buy",
            "quantity": "1",
            "limit_price": "100.00",
            "client_order_id": f"bench-{next(numbers)}",
        }
        return request("/api/order", access, json.dumps(order).encode())

    return made


class Runs:
    """Of one server: its loads, and the processor time that its process took."""

    def __init__(self, process: Process) -> None:
        assert process.pid is not None
        self._process = psutil.Process(process.pid)
        self.loads: list[Load] = []
        self.processor_s = 0.0

    def add(self, port: int, connections: int, seconds: float, made: Callable[[], bytes]) -> None:
        before = self._used()
        self.loads.append(asyncio.run(load(port, connections, seconds, made)))
        self.processor_s += self._used() - before

    def _used(self) -> float:
        times = self._process.cpu_times()
        return float(times.user + times.system)

    @property
    def per_second(self) -> float:
        return median(one.per_second for one in self.loads)

    @property
    def processor_us(self) -> float:
        """Microseconds of processor time for a request."""
        return 1e6 * self.processor_s / sum(len(one.latencies) for one in self.loads)

    def figures(self, name: str) -> list[Figure]:
        return [
            Figure(f"{name}: requests", self.per_second, "/s"),
            Figure(f"{name}: p50", median(one.percentile(0.5) for one in self.loads), "ms"),
            Figure(f"{name}: p99", median(one.percentile(0.99) for one in self.loads), "ms"),
            Figure(f"{name}: processor time of a request", self.processor_us, "µs"),
        ]


class _Follower(asyncio.Protocol):
    """Reads a stream of orders; of each event of an order that was sent, how long it took."""

    def __init__(self, request: bytes, sent: dict[bytes, float]) -> None:
        self._request = request
        self._sent = sent
        self._rest = b""
        self.from_due: list[float] = []
        """Seconds from when the order was due to be sent."""
        self.from_stamp: list[float] = []
        """Seconds from when the engine stamped it."""
        self.following = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        now, now_ns = time.perf_counter(), time.time_ns()
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            if not line.startswith(b"data: {"):
                continue
            if not self.following.done():
                self.following.set_result(None)
                continue
            due = self._sent.pop(_text(line, NAME), None)
            if due is not None:
                self.from_due.append(now - due)
                self.from_stamp.append((now_ns - int(_text(line, STAMP))) / 1e9)

    def connection_lost(self, error: Exception | None) -> None:
        if not self.following.done():
            self.following.set_exception(OperatorError(f"the gateway closed the stream at once: {self._rest[:200]!r}"))


def _text(line: bytes, field: bytes) -> bytes:
    """The text behind the field's name, in JSON."""
    at = line.index(field) + len(field)
    return line[at : line.index(b'"', at)]


def run(seconds: float, pairs: int, connections: int, rate: int, say: Callable[[str], None]) -> Result:
    with gateway_place([ACCOUNT]) as (place, gateway):
        access = token(place, ACCOUNT)
        say(f"{rate} orders/s: from the order to its event")
        publisher = place.start(place.publisher())
        port = place.settings.gateway_port
        asyncio.run(_to_event(port, access, rate, int(rate * WARM_S), "warm"))
        replies, events = asyncio.run(_to_event(port, access, rate, int(rate * STREAM_S), "event"))
        publisher.stop()
        (bare_port,) = free_ports(1)
        made = order_request(access)
        ours, bare = Runs(gateway), Runs(bare_route(place, bare_port))
        for pair in range(pairs):
            say(f"run {pair + 1} of {pairs}: the bare route, then the gateway")
            bare.add(bare_port, connections, seconds, made)
            ours.add(port, connections, seconds, made)
    figures = [
        *ours.figures("order to acknowledgement over REST"),
        *bare.figures("bare route"),
        Figure("gateway / bare route, requests a second", ours.per_second / bare.per_second),
        Figure("bare route / gateway, processor time of a request", bare.processor_us / ours.processor_us),
        Figure(f"order to acknowledgement at {rate}/s: p50", replies.percentile(0.5), "ms"),
        Figure(f"order to acknowledgement at {rate}/s: p99", replies.percentile(0.99), "ms"),
        Figure(f"order in to its event out at {rate}/s: p50", _milliseconds(events.from_due, 0.5), "ms"),
        Figure(f"order in to its event out at {rate}/s: p99", _milliseconds(events.from_due, 0.99), "ms"),
        Figure("of it, from the engine's stamp: p50", _milliseconds(events.from_stamp, 0.5), "ms"),
        Figure("of it, from the engine's stamp: p99", _milliseconds(events.from_stamp, 0.99), "ms"),
        Figure("events that came", len(events.from_due)),
    ]
    sizes = {"runs of each": pairs, "seconds of each": seconds, "connections": connections, "events": f"{STREAM_S:g} s"}
    return Result("One gateway (with Kafka, Postgres, Redis and the engine on the same machine)", sizes, figures)


def _milliseconds(seconds: list[float], part: float) -> float:
    return float(np.quantile(seconds, part)) * 1000


async def _to_event(port: int, access: str, rate: int, count: int, prefix: str) -> tuple[Load, _Follower]:
    """The orders' acknowledgements, and their events in a stream. Raises `OperatorError` where one does not come."""
    sent: dict[bytes, float] = {}
    asked = f"GET /api/stream?topics=orders HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {access}\r\n\r\n"
    loop = asyncio.get_running_loop()
    _, follower = await loop.create_connection(lambda: _Follower(asked.encode(), sent), "127.0.0.1", port)

    def made(number: int, due: float) -> bytes:
        name = f"{prefix}-{number}"
        sent[name.encode()] = due
        order = {"symbol": "MSFT", "side": "buy", "quantity": "1", "limit_price": "100.00", "client_order_id": name}
        return request("/api/order", access, json.dumps(order).encode())

    async with asyncio.timeout(LIMIT_S):
        await follower.following
    replies = await paced(port, CONNECTIONS, rate, count, made)
    end = time.monotonic() + LIMIT_S
    while sent:
        if time.monotonic() > end:
            raise OperatorError(f"{len(sent)} events did not come within {LIMIT_S:.0f} s")
        await asyncio.sleep(0.05)
    follower.transport.abort()
    return replies, follower
