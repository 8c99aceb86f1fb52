"""What Prometheus reads at /metrics. Each gateway has a registry of its own."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Iterable
from typing import Final

import msgspec
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from starlette.requests import Request
from starlette.responses import Response

from engine.legs import LEGS
from gateway.subscriber import Message

BUCKETS: Final = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
UNKNOWN_ROUTE: Final = "(none)"
METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


WINDOW: Final = 4096
"""Durations that percentiles are taken from."""


class Percentiles(msgspec.Struct, kw_only=True, frozen=True):
    """Milliseconds, of the latest `count` (at most 4,096); null before the first."""

    count: int
    p50_ms: float | None
    p90_ms: float | None
    p99_ms: float | None
    max_ms: float | None


class Window:
    """The latest durations of one kind."""

    def __init__(self) -> None:
        self._seconds: deque[float] = deque(maxlen=WINDOW)

    def add(self, seconds: float) -> None:
        self._seconds.append(seconds)

    def percentiles(self) -> Percentiles:
        ordered = sorted(self._seconds)
        found = [round(ordered[int(part * (len(ordered) - 1))] * 1000, 3) if ordered else None for part in PARTS]
        return Percentiles(count=len(ordered), p50_ms=found[0], p90_ms=found[1], p99_ms=found[2], max_ms=found[3])


PARTS: Final = (0.5, 0.9, 0.99, 1.0)


class Metrics:
    def __init__(self) -> None:
        registry = self.registry = CollectorRegistry()
        labels = ("method", "route", "status")
        self.requests = Counter("hft_gateway_requests", "Requests answered.", labels, registry=registry)
        self.latency = Histogram(
            "hft_gateway_request_seconds",
            "From a request's head to its answer's head.",
            ("method", "route"),
            buckets=BUCKETS,
            registry=registry,
        )
        self.windows = {"order_to_reply": Window(), "request": Window(), "kafka_to_gateway": Window()}
        """For /api/system: an order's way to the engine and back, any request's, a record's from its Kafka stamp."""
        self.sse_clients = Gauge("hft_gateway_sse_clients", "Open SSE streams.", registry=registry)
        self.websocket_clients = Gauge("hft_gateway_websocket_clients", "Open WebSockets.", registry=registry)
        self.sent = Counter("hft_gateway_events_sent", "Events sent to clients.", ("feed",), registry=registry)
        self.ended = Counter(
            "hft_gateway_subscriptions_ended", "Subscriptions that the gateway ended.", ("reason",), registry=registry
        )
        self.hub_lag = Gauge(
            "hft_gateway_hub_lag_seconds", "Age of the newest Kafka record when it was read.", registry=registry
        )
        self.hub_events = Counter("hft_gateway_hub_events", "Kafka records folded.", registry=registry)
        self.drift = Gauge(
            "hft_money_drift",
            "Largest breach of what must hold of positions, cash and reservations: 0; NaN before the first check.",
            registry=registry,
        )
        self.drift.set(math.nan)
        self.drift_seq = Gauge("hft_money_drift_seq", "The command after which that was checked.", registry=registry)
        self.unreadable = Counter(
            "hft_gateway_unreadable_records", "Kafka records that could not be read.", registry=registry
        )

    def streamed(self, messages: Iterable[Message], transport: str) -> None:
        """Messages were handed to a client's connection."""
        now_ns = time.time_ns()
        for message in messages:
            if message.ts_ns:
                LEGS.series(f"sequenced_to_{transport}").note(now_ns - message.ts_ns)

    def clients(self, transport: str) -> int:
        """How many are connected now by `sse` or `websocket`."""
        return int(self.registry.get_sample_value(f"hft_gateway_{transport}_clients") or 0)

    async def show(self, request: Request) -> Response:
        """GET /metrics"""
        return Response(generate_latest(self.registry), media_type=CONTENT_TYPE_PLAIN_0_0_4)
