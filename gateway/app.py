"""The gateway: REST, server-sent events, WebSocket and the web page, as one Starlette application."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, Final

import uvloop
from prometheus_client import REGISTRY
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route, WebSocketRoute
from starlette.types import Receive, Scope, Send

from gateway.analytics import AccountAnalytics
from gateway.audit import AuditTrail
from gateway.auth import Authenticator
from gateway.backlog import Backlogs
from gateway.channels import Channel
from gateway.database import Database
from gateway.directory import UserDirectory
from gateway.edge import CHANGING, Edge
from gateway.exchange import Exchange
from gateway.figures import Figures
from gateway.history import History
from gateway.hub import Hub
from gateway.keys import Keys
from gateway.latest import Latest
from gateway.layouts import Layouts
from gateway.limits import RequestLimits
from gateway.login import Login
from gateway.logins import Logins
from gateway.lookup import Lookup
from gateway.market import Market
from gateway.metrics import Metrics
from gateway.openapi import Documentation
from gateway.options import Options
from gateway.orders import Orders
from gateway.pages import Page
from gateway.passwords import Passwords
from gateway.problems import HANDLERS
from gateway.queries import Queries
from gateway.revocations import RevocationList
from gateway.risk import Risk
from gateway.server import Server
from gateway.status import Status
from gateway.stream import Stream
from gateway.subscription import Subscription
from gateway.system import System
from gateway.users import Users
from gateway.websocket import Sockets
from gateway.writes import Writes

log = logging.getLogger(__name__)

READY_POLL_S: Final = 0.05
EXPOSED: Final = ("Location", "Retry-After", "RateLimit", "RateLimit-Policy", "traceparent")
"""Headers that a page elsewhere may read."""

Handler = Callable[[Request], Awaitable[Response]]


class Gateway:
    """All parts of one gateway, and the order in which they start and stop."""

    def __init__(self, options: Options) -> None:
        secret = options.secret
        self.metrics = Metrics()
        self.database = Database(options.dsn)
        self.latest = Latest(options.redis_url)
        self.hub = Hub(options.bootstrap, options.redis_url, self.metrics)
        self.revocations = RevocationList(self.database, options.dsn, options.redis_url)
        self.exchange = Exchange(options.engine_address, secret, self.hub.knows, self.revocations.known.items)
        self.revocations.told = self.exchange.revoke
        self.backlogs = Backlogs(options.bootstrap)
        limits = RequestLimits(options.orders_per_second, options.requests_per_second)
        self.trail = AuditTrail(options.bootstrap, options.audit_folder, options.name)
        self.authenticator = Authenticator(secret, self.revocations, limits, options.origins)
        self.status = Status(self.exchange, self.hub, self.database, self.latest, self.metrics)
        self.page = Page(options.page)
        self._logins = Logins(self.database, options.redis_url)
        self._passwords = Passwords()
        directory = UserDirectory(self.database, self.revocations)
        history = History(self.database)
        writes = Writes()
        lookup = self._lookup = Lookup(self.hub, writes, self.latest, history)
        self._login = Login(
            self.authenticator,
            self.database,
            self._logins,
            self.revocations,
            self._passwords,
            secret,
            access_s=60 * options.token_minutes,
            refresh_s=3600 * options.session_hours,
        )
        self._keys = Keys(self.authenticator, directory, secret)
        self._users = Users(self.authenticator, directory, self._passwords, self.exchange)
        self._orders = Orders(
            self.authenticator, self.exchange, self.hub, writes, lookup, self.metrics.windows["order_to_reply"]
        )
        self._queries = Queries(self.authenticator, self.hub, writes, lookup, self.latest, history)
        self._layouts = Layouts(self.authenticator, self.database)
        self._analytics = AccountAnalytics(self.authenticator, self.database)
        self._system = System(
            self.authenticator, self.status, self.hub, self.database, self.latest, self.metrics, options.processes
        )
        self._risk = Risk(self.authenticator, self.exchange, self.hub, self._orders)
        self._market = Market(self.authenticator, self.exchange, self.hub, self.latest, history)
        self._stream = Stream(self.authenticator, self.metrics, self.subscribe)
        self._documentation = Documentation()
        self._sockets = Sockets(self.authenticator, self._orders, self.metrics, self.subscribe, limits, self.trail)

    def subscribe(
        self, channels: tuple[Channel, ...], accounts: frozenset[str] | None, last_event_id: str | None
    ) -> Subscription:
        return Subscription(self.hub, self.backlogs, self._lookup, channels, accounts, last_event_id)

    async def start(self) -> None:
        await self.database.open()
        await self.revocations.start()
        self.exchange.start()
        self.hub.start()
        self.trail.start()
        await self.status.start()

    async def stop(self) -> None:
        await self.status.stop()
        await self.hub.stop()
        await self.exchange.stop()
        self.backlogs.close()
        self._passwords.close()
        await self.revocations.stop()
        await self._logins.close()
        await self.latest.close()
        await self.database.close()
        await self.trail.stop()

    def routes(self) -> list[Route | WebSocketRoute]:
        orders, queries, market, risk = self._orders, self._queries, self._market, self._risk
        login, keys, users = self._login, self._keys, self._users
        # They are tried in this order: what programs ask for most comes first.
        return [
            route("/api/order", POST=orders.create),
            route("/api/login", POST=login.login),
            route("/api/refresh", POST=login.refresh),
            route("/api/logout", POST=login.logout),
            route("/api/password", PUT=users.password),
            route("/api/keys", GET=keys.show, POST=keys.create, DELETE=keys.delete),
            route("/api/users", GET=users.show, POST=users.create),
            route("/api/users/{username}", PATCH=users.change, DELETE=users.delete),
            route("/api/accounts", POST=users.create_account),
            route("/api/accounts/{account:path}/deposits", POST=users.deposit),
            route("/api/accounts/{account:path}/fees", PUT=users.fees),
            route("/api/order-lists", POST=orders.create_list),
            route("/api/orders", GET=queries.orders, DELETE=orders.cancel_all),
            route("/api/orders/preview", POST=orders.preview),
            route("/api/orders/{order_id}", GET=queries.order, PATCH=orders.replace, DELETE=orders.cancel),
            route("/api/positions", GET=queries.positions),
            route("/api/executions", GET=queries.executions),
            route("/api/pnl", GET=queries.pnl),
            route("/api/account", GET=queries.account),
            route("/api/risk", GET=risk.show, PUT=risk.change),
            route("/api/risk/kill", POST=risk.kill),
            route("/api/instruments", GET=market.instruments),
            route("/api/book/{symbol:path}", GET=market.book),
            route("/api/trades/{symbol:path}", GET=market.trades),
            route("/api/candles/{symbol:path}", GET=market.candles),
            route("/api/analytics", GET=self._analytics.show),
            route("/api/layouts", GET=self._layouts.show, PUT=self._layouts.keep),
            route("/api/system", GET=self._system.show),
            route("/api/stream", GET=self._stream.open),
            route("/api/status", GET=self.status.show),
            route("/healthz", GET=self.status.healthz),
            route("/readyz", GET=self.status.readyz),
            route("/metrics", GET=self.metrics.show),
            route("/openapi.json", GET=self._documentation.show),
            route("/docs", GET=self._documentation.page),
            WebSocketRoute("/ws", self._sockets.serve),
        ]


class Methods:
    """What answers each method of a path. It is an application, where Starlette takes a function too: around a function
    it would handle errors once more, as it does already around all routes, at 6 µs a request."""

    def __init__(self, handlers: Mapping[str, Handler]) -> None:
        self._handlers = {**handlers, "HEAD": handlers["GET"]} if "GET" in handlers else handlers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        response = await self._handlers[scope["method"]](Request(scope, receive, send))
        await response(scope, receive, send)


def route(path: str, **handlers: Handler) -> Route:
    """One route for all methods of a path, so that a refused method is told all that it takes."""
    return Route(path, Methods(handlers), methods=list(handlers))


def create(options: Options) -> Starlette:
    """The application; its parts are `app.state.gateway`, and start and stop with it."""
    gateway = Gateway(options)

    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        await gateway.start()
        try:
            yield
        finally:
            await gateway.stop()

    middleware = [Middleware(Edge, metrics=gateway.metrics, trail=gateway.trail)]
    if options.origins:
        middleware.append(
            Middleware(
                CORSMiddleware,
                allow_origins=sorted(options.origins),
                allow_methods=sorted(CHANGING | {"GET"}),
                allow_headers=["Authorization", "Content-Type", "Last-Event-ID"],
                expose_headers=EXPOSED,
                max_age=600,
            )
        )
    app = Starlette(
        routes=gateway.routes(),
        middleware=middleware,
        exception_handlers=HANDLERS,
        lifespan=lifespan,
    )
    app.router.redirect_slashes = False
    app.router.default = gateway.page
    app.state.gateway = gateway
    return app


async def serve(server: Server, gateway: Gateway, ready: Callable[[], None]) -> None:
    """Serves until `server.should_exit`; calls `ready` once everything that the gateway leans on has been there."""

    async def report() -> None:
        while not (server.started and gateway.status.ready):
            await asyncio.sleep(READY_POLL_S)
        ready()

    async def let_go() -> None:
        # Streams last as long as their clients like: they are ended as soon as the server is to stop.
        while not server.should_exit:
            await asyncio.sleep(READY_POLL_S)
        gateway.hub.end_subscriptions("shutdown")

    tasks: list[asyncio.Task[Any]] = [asyncio.create_task(report()), asyncio.create_task(let_go())]
    try:
        await server.serve()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def run(
    host: str,
    port: int,
    options: Options,
    certificate: tuple[Path, Path] | None,
    ready: Callable[[], None],
) -> None:
    """The process: until SIGTERM or SIGINT. With a certificate (its chain and its key) it speaks TLS."""
    app = create(options)
    REGISTRY.register(app.state.gateway.metrics.registry)  # also at the process's own port, and what is not for all
    REGISTRY.register(Figures(app.state.gateway.hub))
    server = Server(app, host, port, certificate)

    def stop(number: int, frame: Any) -> None:
        server.should_exit = True

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(server, app.state.gateway, ready))
    log.info("stopped")
