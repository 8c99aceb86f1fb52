"""A gateway of a test's own, in a thread of the test process, beside the whole system's."""

from __future__ import annotations

import asyncio
import contextlib
import faulthandler
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import httpx
import uvloop

from engine.tokens import Identity, issue
from gateway.app import Gateway, create, serve
from gateway.options import Options
from gateway.server import Server
from infra.ports import free_ports
from tests.system import System

LIMIT_S = 30.0

T = TypeVar("T")


def eventually(condition: Callable[[], T], limit_s: float = LIMIT_S) -> T:
    """The first true value of `condition`, asked again and again."""
    end = time.monotonic() + limit_s
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < end, f"not within {limit_s:g} s: {condition}"
        time.sleep(0.01)


class Running:
    def __init__(self, system: System, **changes: Any) -> None:
        """`changes` replace fields of `Options`."""
        settings = system.settings
        self.system = system
        (self.port,) = free_ports(1)
        self.secret = system.secret
        self.ready = threading.Event()
        arguments: dict[str, Any] = {
            "engine_address": settings.zeromq,
            "bootstrap": settings.bootstrap,
            "dsn": settings.dsn,
            "redis_url": settings.redis,
            "secret": system.secret,
            "token_minutes": 10,
            "session_hours": 1,
            "page": Path("/nonexistent"),
            "audit_folder": system.settings.var / "audit",
            "name": f"test-{self.port}",
            "requests_per_second": 10_000,
            **changes,
        }
        self._app = create(Options(**arguments))
        self._server = Server(self._app, "127.0.0.1", self.port)
        # A daemon: one that does not stop fails its test, and does not keep the whole run from ending.
        self._thread = threading.Thread(target=self._run, name="gateway", daemon=True)
        self._thread.start()
        eventually(lambda: self._server.started or not self._thread.is_alive())
        assert self._server.started

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(serve(self._server, self.gateway, self.ready.set))

    @property
    def gateway(self) -> Gateway:
        gateway: Gateway = self._app.state.gateway
        return gateway

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def wait_ready(self) -> Running:
        assert self.ready.wait(LIMIT_S), self.get("/api/status").text
        return self

    def token(
        self,
        *accounts: str,
        role: str = "trader",
        actor: str = "tester",
        lifetime_s: int = 600,
        session: str = "",
    ) -> str:
        identity = Identity(actor, role, accounts, session=session)
        return issue(self.secret, identity, now_s=int(time.time()), lifetime_s=lifetime_s)

    def client(self, *accounts: str, role: str = "trader") -> httpx.Client:
        """Of a user with these accounts. Close it."""
        headers = {"Authorization": f"Bearer {self.token(*accounts, role=role)}"}
        return httpx.Client(base_url=self.url, headers=headers, timeout=LIMIT_S)

    def get(self, path: str) -> httpx.Response:
        """Without a token."""
        return httpx.get(self.url + path, timeout=LIMIT_S)

    def in_loop(self, call: Callable[..., None], *arguments: Any) -> None:
        """Calls something in the gateway's loop."""
        assert self.gateway.hub._loop is not None
        self.gateway.hub._loop.call_soon_threadsafe(call, *arguments)

    def stop(self) -> None:
        """Raises `AssertionError`, after telling what each task waits for, where it does not stop."""
        self._server.should_exit = True
        self._thread.join(LIMIT_S)
        if self._thread.is_alive():
            self._tell_tasks()
            faulthandler.dump_traceback()
        assert not self._thread.is_alive()

    def _tell_tasks(self) -> None:
        told = threading.Event()

        def tell() -> None:
            for task in asyncio.all_tasks():
                task.print_stack(file=sys.stderr)
            told.set()

        with contextlib.suppress(RuntimeError):  # the loop has been closed
            self.in_loop(tell)
            told.wait(1.0)


@contextmanager
def running(system: System, **changes: Any) -> Iterator[Running]:
    gateway = Running(system, **changes)
    try:
        yield gateway
    finally:
        gateway.stop()
