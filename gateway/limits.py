"""How many requests a user may send on each route: a bucket for each, told in the answer's RateLimit headers."""

from __future__ import annotations

import math
import time
from typing import Final

from starlette.requests import HTTPConnection

from engine.tokens import Identity
from gateway.problems import Problem
from gateway.requests import Quota, seen_of
from gateway.throttle import Buckets

BURST_S: Final = 2
"""Seconds' worth that may come at once."""
ORDERS: Final = b"orders"
REQUESTS: Final = b"requests"
ORDER_ROUTES: Final = frozenset(
    {"/api/order", "/api/order-lists", "/api/orders", "/api/orders/{order_id}", "/api/orders/preview"}
)


class RequestLimits:
    def __init__(self, orders_per_second: int, requests_per_second: int) -> None:
        """Of one user: orders and changes of orders together, and requests on each other route."""
        self._orders = Buckets(orders_per_second, BURST_S * orders_per_second)
        self._requests = Buckets(requests_per_second, BURST_S * requests_per_second)

    def take(self, connection: HTTPConnection, identity: Identity) -> None:
        """Raises `Problem` 429 where the user has sent too many."""
        route = getattr(connection.scope.get("route"), "path", "")
        if connection.scope["type"] == "http" and connection.scope["method"] != "GET" and route in ORDER_ROUTES:
            quota = self._order(identity)
        else:
            method = connection.scope.get("method", "")
            name = f"{identity.actor} {method} {route}"
            quota = Quota(REQUESTS, self._requests.take(name, time.monotonic()))
        seen_of(connection.scope).allowance = quota
        self._check(quota)

    def take_order(self, identity: Identity) -> None:
        """Of a command over a WebSocket. Raises `Problem` 429."""
        self._check(self._order(identity))

    def _order(self, identity: Identity) -> Quota:
        return Quota(ORDERS, self._orders.take(identity.actor, time.monotonic()))

    @staticmethod
    def _check(quota: Quota) -> None:
        allowance = quota.allowance
        if not allowance.allowed:
            detail = f"more than {allowance.per_second:g} a second of these for one user: slow down"
            wait = str(max(1, math.ceil(allowance.wait_s)))
            raise Problem(429, "rate_limit", detail, headers={"Retry-After": wait})
