"""GET /ws: the stream's messages, and orders, over one WebSocket.

The client logs in with its first message, `{"type":"login","token":…}`; then it may send
`{"type":"subscribe","topics":[…],"last_event_id":…}` (each one replaces the one before) and order commands as on
ZeroMQ. It is sent `{"event":…,"data":…}`, and with `id` where a subscription can resume."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging
import time
from collections.abc import Callable
from typing import Any, Final

import msgspec
from starlette.websockets import WebSocket, WebSocketDisconnect

from engine import reading
from engine.refusal import Refusal
from engine.tokens import Identity
from engine.words import Reason, Source
from gateway import auth, browser, channels
from gateway.audit import AuditTrail
from gateway.auth import Authenticator
from gateway.limits import RequestLimits
from gateway.metrics import Metrics
from gateway.orders import Orders
from gateway.problems import Problem, refused, unauthorized
from gateway.server import abort_of
from gateway.stream import STALLED_S, goodbye
from gateway.subscriber import Message
from gateway.subscription import TOKEN_EXPIRED, TOKEN_REVOKED, Subscription
from gateway.tasks import end

log = logging.getLogger(__name__)

LOGIN_S: Final = 10.0
POLICY: Final = 1008
TRY_AGAIN: Final = 1013


class Login(msgspec.Struct, tag_field="type", tag="login", forbid_unknown_fields=True):
    token: str | None = None
    """null: the browser's cookie, which came with the request."""


class Subscribe(msgspec.Struct, tag_field="type", tag="subscribe", forbid_unknown_fields=True):
    topics: list[str]
    last_event_id: str | None = None


class Ping(msgspec.Struct, tag_field="type", tag="ping", forbid_unknown_fields=True):
    pass


class _Type(msgspec.Struct):
    type: str


_type: Final = msgspec.json.Decoder(_Type)
_requests: Final = msgspec.json.Decoder(Login | Subscribe | Ping)
OWN_TYPES: Final = frozenset({"login", "subscribe", "ping"})


class Sockets:
    """Serves every WebSocket of a gateway."""

    def __init__(
        self,
        authenticator: Authenticator,
        orders: Orders,
        metrics: Metrics,
        subscribe: Callable[..., Subscription],
        limits: RequestLimits,
        trail: AuditTrail,
    ) -> None:
        self.limits = limits
        self.trail = trail
        self.authenticator = authenticator
        self.orders = orders
        self.metrics = metrics
        self.subscribe = subscribe

    async def serve(self, websocket: WebSocket) -> None:
        await websocket.accept()
        self.metrics.websocket_clients.inc()
        connection = Connection(self, websocket)
        try:
            await connection.run()
        except WebSocketDisconnect:
            pass
        except TimeoutError:
            self.metrics.ended.labels("stalled").inc()
            log.info("cut off a WebSocket client that takes nothing")
            abort_of(websocket.scope)()
        finally:
            await connection.close()
            self.metrics.websocket_clients.dec()


class Connection:
    def __init__(self, sockets: Sockets, websocket: WebSocket) -> None:
        self._sockets = sockets
        self._websocket = websocket
        self._subscription: Subscription | None = None
        self._pump: asyncio.Task[None] | None = None
        self._revoked = asyncio.Event()
        self._ending: asyncio.Task[Any] | None = None
        self._unwatch: Callable[[], None] = lambda: None

    async def run(self) -> None:
        identity = await self._login()
        if identity is None:
            return
        self._unwatch = self._sockets.authenticator.watch(identity, self._revoked.set)
        self._ending = asyncio.create_task(self._revoked.wait())
        while True:
            receiving = asyncio.ensure_future(self._websocket.receive_text())
            waiting: set[asyncio.Task[Any]] = {receiving, self._ending}
            if self._pump is not None:
                waiting.add(self._pump)
            left_s = max(0.0, identity.expires_s - time.time())
            try:
                done, _ = await asyncio.wait(waiting, timeout=left_s, return_when=asyncio.FIRST_COMPLETED)
            except asyncio.CancelledError:
                receiving.cancel()
                raise
            if not done or self._revoked.is_set():
                receiving.cancel()
                with contextlib.suppress(asyncio.CancelledError, WebSocketDisconnect):
                    await receiving
                await self._expire()
                return
            if self._pump is not None and self._pump.done():
                receiving.cancel()
                with contextlib.suppress(asyncio.CancelledError, WebSocketDisconnect):
                    await receiving
                await self._pump
                return
            try:
                text = await receiving
            except KeyError:
                await self._websocket.close(POLICY, "messages are JSON text, not binary")
                return
            await self._handle(identity, text.encode())

    async def _expire(self) -> None:
        """Ends the session, whose token has expired or been revoked."""
        reason = TOKEN_REVOKED if self._revoked.is_set() else TOKEN_EXPIRED
        await self._end_subscription()
        self._sockets.metrics.ended.labels(reason).inc()
        await self._send("disconnect", goodbye(reason))
        await self._websocket.close(POLICY, reason)

    async def _login(self) -> Identity | None:
        try:
            async with asyncio.timeout(LOGIN_S):
                data = (await self._websocket.receive_text()).encode()
            request = reading.read_json(data, _requests)
            if not isinstance(request, Login):
                raise unauthorized('the first message must be {"type":"login","token":…}')
            authenticator = self._sockets.authenticator
            if request.token is None:
                identity = authenticator.identify(self._websocket)
            else:
                identity = authenticator.verify(request.token)
        except (Refusal, TimeoutError, KeyError):
            problem = unauthorized('the first message must be {"type":"login","token":…}')
        except Problem as error:
            problem = error
        else:
            granted = {"username": identity.actor, "role": identity.role, "accounts": list(identity.accounts)}
            await self._send("session", msgspec.json.encode(granted))
            return identity
        await self._refuse(problem)
        await self._websocket.close(POLICY, problem.detail[:100])
        return None

    async def _handle(self, identity: Identity, data: bytes) -> None:
        try:
            kind = reading.read_json(data, _type).type
            request = reading.read_json(data, _requests) if kind in OWN_TYPES else None
            if isinstance(request, Subscribe):
                await self._subscribe(identity, request)
            elif isinstance(request, Ping):
                await self._send("pong", b"{}")
            elif request is not None:
                raise Refusal(Reason.INVALID_FIELD, "type", "the session has logged in already")
            else:
                await self._command(identity, kind, data)
        except Refusal as refusal:
            await self._refuse(refused(refusal))
        except Problem as problem:
            await self._refuse(problem)

    async def _command(self, identity: Identity, kind: str, data: bytes) -> None:
        """Raises `Problem` where it is refused; the audit trail has it either way."""
        status, reason, seq = 200, None, 0
        try:
            self._sockets.limits.take_order(identity)
            reply = await self._sockets.orders.submit(identity, reading.parse(data), Source.WEBSOCKET)
            seq = reply.seq
        except Refusal as refusal:
            problem = refused(refusal)
            status, reason = problem.status, problem.reason
            raise
        except Problem as problem:
            status, reason, seq = problem.status, problem.reason, problem.extensions.get("seq", 0)
            raise
        finally:
            client = self._websocket.client
            address, content = client.host if client else "", hashlib.sha256(data).hexdigest()
            self._sockets.trail.command(identity, address, kind[:32], content, status, reason, seq)
        await self._send("reply", browser.encoded(reply))

    async def _subscribe(self, identity: Identity, request: Subscribe) -> None:
        wanted = channels.parse(request.topics)
        subscription = self._sockets.subscribe(wanted, auth.visible(identity), request.last_event_id)
        await self._end_subscription()
        try:
            await subscription.open()
        except BaseException:
            subscription.close()
            raise
        self._subscription = subscription
        self._pump = asyncio.create_task(self._send_events(subscription))

    async def _send_events(self, subscription: Subscription) -> None:
        async for batch in subscription.batches():
            if not batch:
                await self._send("heartbeat", b"{}", subscription.position)
            for message in batch:
                await self._send_message(message)
            self._sockets.metrics.sent.labels("websocket").inc(len(batch))
            self._sockets.metrics.streamed(batch, "websocket")
        reason = subscription.reason
        if reason is not None:
            self._sockets.metrics.ended.labels(reason).inc()
            await self._send("disconnect", goodbye(reason))
            await self._websocket.close(TRY_AGAIN, reason)

    async def _send_message(self, message: Message) -> None:
        await self._send(message.event, message.data, message.position)

    async def _send(self, event: str, data: bytes, position: str | None = None) -> None:
        """Raises TimeoutError where the client takes nothing."""
        rest = b"" if position is None else b',"id":"%s"' % position.encode()
        text = b'{"event":"%s","data":%s%s}' % (event.encode(), data, rest)
        async with asyncio.timeout(STALLED_S):
            await self._websocket.send_text(text.decode())

    async def _refuse(self, problem: Problem) -> None:
        await self._send("problem", msgspec.json.encode(problem.body()))

    async def _end_subscription(self) -> None:
        if self._pump is not None:
            await end([self._pump])
            with contextlib.suppress(asyncio.CancelledError, Exception):
                await self._pump
            self._pump = None
        if self._subscription is not None:
            self._subscription.close()
            self._subscription = None

    async def close(self) -> None:
        self._unwatch()
        if self._ending is not None:
            self._ending.cancel()
        await self._end_subscription()
