"""What the gateway's benchmark measures with, and beside what."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator

import numpy as np
import pytest

from engine.tokens import Identity, issue
from gateway.server import Server
from infra.bench.bare_route import application
from infra.bench.gateway import order_request
from infra.bench.http_load import load, paced
from infra.errors import OperatorError
from infra.ports import free_ports
from tests.gateway.running import eventually

SECRET = "a secret for tests, long enough for HS256"


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    (number,) = free_ports(1)
    server = Server(application(SECRET), "127.0.0.1", number)
    thread = threading.Thread(target=lambda: asyncio.run(server.serve()))
    thread.start()
    eventually(lambda: server.started)
    yield number
    server.should_exit = True
    thread.join()


def token(secret: str) -> str:
    return issue(secret, Identity("bench", "trader", ("bench",)), now_s=int(time.time()), lifetime_s=60)


def test_every_connection_sends_its_next_when_it_has_the_answer(port: int) -> None:
    found = asyncio.run(load(port, 4, 0.3, order_request(token(SECRET))))
    assert len(found.latencies) >= 4
    assert found.per_second > 0
    assert 0 < found.percentile(0.5) <= found.percentile(0.99)


def test_paced_requests_wait_for_no_answer_and_all_are_answered(port: int) -> None:
    due: list[float] = []
    made = order_request(token(SECRET))

    def one(number: int, at: float) -> bytes:
        assert number == len(due)
        due.append(at)
        return made()

    found = asyncio.run(paced(port, 2, 1000.0, 50, one))
    assert len(found.latencies) == 50
    assert np.allclose(np.diff(due), 0.001)


@pytest.mark.parametrize("connections", [1, 2])
def test_paced_requests_that_are_refused_are_no_measurement(port: int, connections: int) -> None:
    made = order_request(token("another secret, long enough for HS256"))
    with pytest.raises(OperatorError):
        asyncio.run(paced(port, connections, 1000.0, 50, lambda number, due: made()))


def test_a_server_that_refuses_is_no_measurement(port: int) -> None:
    with pytest.raises(OperatorError):
        asyncio.run(load(port, 1, 0.3, order_request(token("another secret, long enough for HS256"))))
