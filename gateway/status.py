"""Whether the gateway and the parts that it leans on are well: /healthz, /readyz, /api/status."""

from __future__ import annotations

import asyncio
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response

from gateway import browser
from gateway.database import Database
from gateway.exchange import Exchange
from gateway.hub import Hub
from gateway.latest import Away, Latest
from gateway.metrics import Metrics
from gateway.problems import RETRY_AFTER_S, Problem
from gateway.tasks import end

PROBE_S: Final = 2.0
"""How often the parts are asked."""


class Status:
    def __init__(self, exchange: Exchange, hub: Hub, database: Database, latest: Latest, metrics: Metrics) -> None:
        self._exchange = exchange
        self._hub = hub
        self._database = database
        self._latest = latest
        self._metrics = metrics
        self._postgres = False
        self._redis = False
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        await self._probe()
        self._task = asyncio.create_task(self._watch())

    async def stop(self) -> None:
        if self._task is not None:
            await end([self._task])

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(PROBE_S)
            await self._probe()

    async def _probe(self) -> None:
        try:
            await self._database.rows("SELECT 1")
            self._postgres = True
        except Problem:
            self._postgres = False
        try:
            await self._latest.ping()
            self._redis = True
        except Away:
            self._redis = False

    def services(self) -> dict[str, dict[str, Any]]:
        hub = self._hub
        return {
            "engine": {"healthy": self._exchange.connected, "last_seq": self._exchange.last_seq},
            "kafka": {"healthy": hub.connected, "loaded": hub.loaded.is_set(), "last_seq": hub.state.last_seq},
            "postgres": {"healthy": self._postgres},
            "redis": {"healthy": self._redis},
        }

    @property
    def last_seq(self) -> int:
        """The last command that the engine is known to have sequenced."""
        return max(self._exchange.last_seq, self._hub.state.last_seq)

    @property
    def ready(self) -> bool:
        return self._hub.loaded.is_set() and all(service["healthy"] for service in self.services().values())

    async def healthz(self, request: Request) -> Response:
        """GET /healthz: the process answers."""
        return browser.reply(b'{"healthy":true}')

    async def readyz(self, request: Request) -> Response:
        """GET /readyz: everything that any route needs is there. 503 names what is not."""
        services = self.services()
        away = [name for name, service in services.items() if not service["healthy"]]
        if not self._hub.loaded.is_set() and "kafka" not in away:
            away.append("kafka (not read to its end yet)")
        if away:
            raise Problem(
                503,
                "not_ready",
                f"away: {', '.join(away)}",
                headers={"Retry-After": str(RETRY_AFTER_S)},
                services=services,
            )
        return browser.reply(browser.encoded({"ready": True, "services": services}))

    async def show(self, request: Request) -> Response:
        """GET /api/status"""
        services = self.services()
        clients = len(self._hub.directory.subscribers)
        content = {"healthy": self.ready, "services": services, "last_seq": self.last_seq, "stream_clients": clients}
        return browser.reply(browser.encoded(content))
