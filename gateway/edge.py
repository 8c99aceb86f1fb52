"""Around every HTTP request: how many may be under way, what is told in each answer's head, how long it took, and, of
those that change something, who did it."""

from __future__ import annotations

import asyncio
import time
from typing import Final

from prometheus_client import Counter, Histogram
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.audit import AuditTrail
from gateway.metrics import METHODS, UNKNOWN_ROUTE, Metrics
from gateway.problems import RETRY_AFTER_S, Problem
from gateway.requests import Seen, seen_of

MOST_UNDER_WAY: Final = 512
"""Requests that may wait for their answers; streams do not count, once they have begun."""
CHANGING: Final = frozenset({"POST", "PUT", "PATCH", "DELETE"})


class Edge:
    def __init__(self, app: ASGIApp, metrics: Metrics, trail: AuditTrail) -> None:
        self.app = app
        self.metrics = metrics
        self.trail = trail
        self.under_way = 0
        self._children: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}
        """Of each method, route and status: to look one up by its labels takes longer than to count."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        begun = time.perf_counter()
        seen = seen_of(scope)
        ended = False

        def end() -> None:
            nonlocal ended
            if not ended:
                ended = True
                self.under_way -= 1

        async def send_on(message: Message) -> None:
            if message["type"] == "http.response.start":
                end()
                self._head(scope, seen, message, begun)
            await send(message)

        self.under_way += 1
        try:
            if self.under_way > MOST_UNDER_WAY:
                await overloaded().response()(scope, receive, send_on)
            else:
                await self.app(scope, receive, send_on)
        except asyncio.CancelledError:
            if ended:  # its answer has begun, as a stream's has
                raise
            await stopping().response()(scope, receive, send_on)
        finally:
            end()

    def _head(self, scope: Scope, seen: Seen, message: Message, begun: float) -> None:
        """Completes the answer's head, and keeps what is to be kept of the request."""
        headers = list(message["headers"])
        allowance = seen.allowance
        if allowance is not None:
            headers.append((b"ratelimit-policy", b'"%b";q=%d;w=%d' % allowance.policy))
            headers.append((b"ratelimit", b'"%b";r=%d;t=%d' % allowance.state))
        if seen.trace:
            headers.append((b"traceparent", seen.trace.encode()))
        message["headers"] = headers
        method = scope["method"] if scope["method"] in METHODS else "OTHER"
        route = getattr(scope.get("route"), "path", UNKNOWN_ROUTE)
        took = time.perf_counter() - begun
        children = self._children.get((method, route, message["status"]))
        if children is None:
            children = (
                self.metrics.requests.labels(method, route, str(message["status"])),
                self.metrics.latency.labels(method, route),
            )
            self._children[method, route, message["status"]] = children
        children[0].inc()
        children[1].observe(took)
        self.metrics.windows["request"].add(took)
        if method in CHANGING and route != UNKNOWN_ROUTE:
            self.trail.request(scope, seen, f"{method} {route}", message["status"])


def stopping() -> Problem:
    """What outlasts the grace of a stop is cancelled by the server, which would answer 500."""
    detail = (
        "the gateway is being stopped: what was asked for may or may not have been done; an order sent again, here or "
        "to another gateway, with the same client_order_id is safe"
    )
    return Problem(503, "stopping", detail, headers={"Retry-After": str(RETRY_AFTER_S)})


def overloaded() -> Problem:
    detail = f"{MOST_UNDER_WAY} requests are under way already: try again"
    return Problem(503, "overloaded", detail, headers={"Retry-After": str(RETRY_AFTER_S)})
