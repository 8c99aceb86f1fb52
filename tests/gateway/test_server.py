"""What is wrong below HTTP: bytes that are no request, and clients that go away in the middle of one."""

from __future__ import annotations

import asyncio
import json
import logging
import socket
import threading
import time
from collections.abc import Iterator

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from gateway import bodies, edge, server
from gateway.metrics import Metrics
from gateway.problems import HANDLERS, MEDIA_TYPE
from gateway.server import Server
from infra.ports import free_ports
from tests.gateway.running import eventually

seen: list[str] = []


async def echo(request: Request) -> Response:
    try:
        data = await bodies.read_body(request)
    except Exception as error:
        seen.append(str(error))
        raise
    return Response(data)


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    (number,) = free_ports(1)
    app = Starlette(routes=[Route("/", echo, methods=["POST"])], exception_handlers=HANDLERS)
    server = Server(app, "127.0.0.1", number)
    thread = threading.Thread(target=server.run)
    thread.start()
    eventually(lambda: server.started)
    yield number
    server.should_exit = True
    thread.join(10)


def answer(port: int, request: bytes) -> tuple[bytes, bytes]:
    """The head and the body of what the server says before it closes the connection."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(request)
        received = b""
        while chunk := connection.recv(65536):
            received += chunk
    head, _, body = received.partition(b"\r\n\r\n")
    return head, body


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"nonsense\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: ten\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
        b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nBad Header: 1\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01",
    ],
    ids=["no request", "length", "two lengths", "length and chunks", "header", "tls"],
)
def test_what_is_no_http_is_a_problem_too(port: int, request_bytes: bytes) -> None:
    head, body = answer(port, request_bytes)
    assert head.startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert f"content-type: {MEDIA_TYPE}".encode() in head
    problem = json.loads(body)
    assert (problem["status"], problem["reason"], problem["field"]) == (400, "malformed", None)


def test_a_client_that_goes_away_leaves_no_traceback(port: int, caplog: pytest.LogCaptureFixture) -> None:
    seen.clear()
    with caplog.at_level(logging.WARNING), socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc")
        time.sleep(0.1)
    eventually(lambda: seen == ["the connection ended before the body did"])
    assert caplog.records == []


def test_what_a_stop_cuts_short_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """A client behind a balancer asks the next gateway then; of a 500 it would make nothing."""
    monkeypatch.setattr(server, "STOP_S", 0)
    begun = threading.Event()

    async def never(request: Request) -> Response:
        begun.set()
        await asyncio.Event().wait()
        raise AssertionError("nobody sets it")

    (number,) = free_ports(1)
    around = Middleware(edge.Edge, metrics=Metrics(), trail=None)
    stopped = Server(Starlette(routes=[Route("/", never)], middleware=[around]), "127.0.0.1", number)
    thread = threading.Thread(target=stopped.run)
    thread.start()
    eventually(lambda: stopped.started)

    def stop() -> None:
        begun.wait(10)
        stopped.should_exit = True

    threading.Thread(target=stop).start()
    head, body = answer(number, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    thread.join(10)
    assert head.startswith(b"HTTP/1.1 503 Service Unavailable\r\n")
    assert b"\r\nretry-after: 1\r\n" in head
    assert json.loads(body)["reason"] == "stopping"
