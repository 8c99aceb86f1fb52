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

import httpx
import numpy as np
import psutil

from infra.bench.figures import Figure, Result
from infra.bench.gateway_place import bare_route, gateway_place, token
from infra.bench.http_load import Load, load, request
from infra.bench.sandbox import Sandbox
from infra.errors import OperatorError
from infra.ports import free_ports
from infra.process import Process

ACCOUNT: Final = "bench"
STREAM_S: Final = 10.0
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


def run(seconds: float, pairs: int, connections: int, rate: int, say: Callable[[str], None]) -> Result:
    with gateway_place([ACCOUNT]) as (place, gateway):
        access = token(place, ACCOUNT)
        (bare_port,) = free_ports(1)
        made = order_request(access)
        ours, bare = Runs(gateway), Runs(bare_route(place, bare_port))
        for pair in range(pairs):
            say(f"run {pair + 1} of {pairs}: the bare route, then the gateway")
            bare.add(bare_port, connections, seconds, made)
            ours.add(place.settings.gateway_port, connections, seconds, made)
        say(f"{rate} orders/s: from the order to its event")
        place.start(place.publisher())
        latencies = asyncio.run(_to_event(place, access, rate))
    figures = [
        *ours.figures("order to acknowledgement over REST"),
        *bare.figures("bare route"),
        Figure("gateway / bare route, requests a second", ours.per_second / bare.per_second),
        Figure("bare route / gateway, processor time of a request", bare.processor_us / ours.processor_us),
        Figure(f"order in to its event out at {rate}/s: p50", float(np.quantile(latencies, 0.5)) * 1000, "ms"),
        Figure(f"order in to its event out at {rate}/s: p99", float(np.quantile(latencies, 0.99)) * 1000, "ms"),
        Figure("events that came", len(latencies)),
    ]
    sizes = {"runs of each": pairs, "seconds of each": seconds, "connections": connections, "events": f"{STREAM_S:g} s"}
    return Result("One gateway (with Kafka, Postgres, Redis and the engine on the same machine)", sizes, figures)


async def _to_event(place: Sandbox, access: str, rate: int) -> list[float]:
    """Seconds from when an order was sent to when the stream told of it."""
    sent: dict[str, float] = {}
    took: list[float] = []
    headers = {"Authorization": f"Bearer {access}", "Content-Type": "application/json"}
    following = asyncio.Event()
    limits = httpx.Limits(max_connections=64, max_keepalive_connections=64)
    async with httpx.AsyncClient(
        base_url=place.settings.gateway, headers=headers, timeout=LIMIT_S, limits=limits
    ) as client:

        async def follow() -> None:
            async with client.stream("GET", "/api/stream", params={"topics": "orders"}) as answer:
                async for line in answer.aiter_lines():
                    if line.startswith("event: snapshot"):
                        following.set()
                    elif line.startswith("data: ") and following.is_set():
                        name = json.loads(line[6:]).get("client_order_id")
                        at = sent.pop(name, None)
                        if at is not None:
                            took.append(time.perf_counter() - at)

        async def send(name: str) -> None:
            order = {"symbol": "MSFT", "side": "buy", "quantity": "1", "limit_price": "100.00", "client_order_id": name}
            sent[name] = time.perf_counter()
            (await client.post("/api/order", json=order)).raise_for_status()

        reader = asyncio.create_task(follow())
        async with asyncio.timeout(LIMIT_S):
            await following.wait()
        begun = time.perf_counter()
        sending: set[asyncio.Task[None]] = set()
        for number in range(int(rate * STREAM_S)):
            await asyncio.sleep(max(0.0, begun + number / rate - time.perf_counter()))
            task = asyncio.create_task(send(f"event-{number}"))
            sending.add(task)
            task.add_done_callback(sending.discard)
        await asyncio.gather(*sending)
        end = time.monotonic() + LIMIT_S
        while sent:
            if time.monotonic() > end:
                raise OperatorError(f"{len(sent)} events did not come within {LIMIT_S:.0f} s")
            await asyncio.sleep(0.05)
        reader.cancel()
        await asyncio.gather(reader, return_exceptions=True)
    return took
