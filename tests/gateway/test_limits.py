"""How much is taken of one user, of one request, and at a time."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator

import httpx
import pytest

from gateway import bodies, edge
from tests.gateway.running import Running, running
from tests.system import System

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def strict(system: System) -> Iterator[Running]:
    with running(system, orders_per_second=3, requests_per_second=2) as gateway:
        yield gateway.wait_ready()


def test_a_user_is_told_and_then_refused(strict: Running) -> None:
    with strict.client("nobody") as client, strict.client("nobody") as same:
        first = client.get("/api/instruments")
        assert first.headers["ratelimit-policy"] == '"requests";q=4;w=2'
        assert first.headers["ratelimit"].startswith('"requests";r=3;t=')
        answers = [same.get("/api/instruments") for _ in range(8)]
        assert [answer.status_code for answer in answers].count(429) >= 4
        refused = answers[-1]
        assert (refused.json()["reason"], refused.headers["retry-after"]) == ("rate_limit", "1")
        assert client.get("/api/account").status_code == 200, "each route has its own"
        headers = {"Authorization": f"Bearer {strict.token('nobody', actor='another')}"}
        assert httpx.get(f"{strict.url}/api/instruments", headers=headers).status_code == 200
        statuses = [client.delete("/api/orders").status_code for _ in range(10)]
        assert statuses.count(429) >= 3
        assert '"orders";q=6;w=2' in client.delete("/api/orders").headers["ratelimit-policy"]


def test_a_body_that_does_not_come_is_not_waited_for(strict: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "SLOWEST_BODY_S", 0.2)
    with socket.create_connection(("127.0.0.1", strict.port), timeout=20) as slow:
        slow.sendall(b"POST /api/login HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n{")
        assert slow.recv(4096).startswith(b"HTTP/1.1 408 ")


def test_more_than_can_be_under_way_is_refused_at_once(strict: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(edge, "MOST_UNDER_WAY", 1)
    with socket.create_connection(("127.0.0.1", strict.port), timeout=20) as waiting:
        waiting.sendall(b"POST /api/login HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n{")
        refused = threading.Event()
        for _ in range(200):
            answer = httpx.get(f"{strict.url}/healthz")
            if answer.status_code == 503:
                refused.set()
                break
        assert refused.is_set()
        assert (answer.json()["reason"], answer.headers["retry-after"]) == ("overloaded", "1")
    for _ in range(200):
        if httpx.get(f"{strict.url}/healthz").status_code == 200:
            return
    raise AssertionError("the one that gave up still counts")
