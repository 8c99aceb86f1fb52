"""GET /api/stream: server-sent events."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable
from typing import Final

import msgspec
from sse_starlette import EventSourceResponse
from sse_starlette.sse import SendTimeoutError
from starlette.requests import Request
from starlette.types import Receive, Scope, Send

from gateway import auth, bodies, channels
from gateway.auth import Authenticator
from gateway.metrics import Metrics
from gateway.problems import unavailable
from gateway.server import abort_of
from gateway.subscriber import Message
from gateway.subscription import TOKEN_EXPIRED, TOKEN_REVOKED, Subscription

log = logging.getLogger(__name__)

MOST_STREAMS: Final = 10_000
CHUNK_BYTES: Final = 64 * 1024
"""About how much of a long batch is sent at once."""
STALLED_S: Final = 10.0
"""A client that takes nothing for so long, with more waiting for it, is cut off."""
WHY: Final = {
    "slow_consumer": "more events were waiting than are kept for one client; resume from the last id",
    "restarted": "the gateway reads Kafka anew; resume from the last id",
    TOKEN_EXPIRED: "the token has expired; refresh it or log in again, then resume from the last id",
    TOKEN_REVOKED: "the token has been revoked; log in again",
    "shutdown": "the gateway is stopping; resume from the last id",
}


def frame(message: Message) -> bytes:
    return b"event: %s\ndata: %s\nid: %s\n\n" % (message.event.encode(), message.data, message.position.encode())


def heartbeat(position: str) -> bytes:
    """A comment, and the position: records of others have gone by since the last event."""
    return b": heartbeat\nid: %s\n\n" % position.encode()


def disconnect(reason: str) -> bytes:
    return b"event: disconnect\ndata: %s\n\n" % goodbye(reason)


def goodbye(reason: str) -> bytes:
    return msgspec.json.encode({"reason": reason, "detail": WHY[reason]})


class Stream:
    def __init__(self, authenticator: Authenticator, metrics: Metrics, subscribe: Callable[..., Subscription]) -> None:
        self._authenticator = authenticator
        self._metrics = metrics
        self._subscribe = subscribe
        self._open = 0

    async def open(self, request: Request) -> EventStream:
        """GET /api/stream?topics=orders,book:AAPL"""
        identity = self._authenticator.identify(request)
        values = bodies.parameters(request, "topics")
        wanted = channels.parse(values.get("topics", "").split(","))
        last_event_id = request.headers.get("last-event-id")
        if self._open >= MOST_STREAMS:
            raise unavailable("stream", f"{MOST_STREAMS} streams are open already")
        subscription = self._subscribe(wanted, auth.visible(identity), last_event_id)
        try:
            await subscription.open()
            subscription.end_at(identity.expires_s)
        except BaseException:
            subscription.close()
            raise
        unwatch = self._authenticator.watch(identity, lambda: subscription.end(TOKEN_REVOKED))
        self._open += 1

        def closed() -> None:
            unwatch()
            self._open -= 1

        return EventStream(subscription, self._metrics, closed)


class EventStream(EventSourceResponse):
    """Sends a subscription's batches until either side ends it."""

    def __init__(self, subscription: Subscription, metrics: Metrics, closed: Callable[[], None]) -> None:
        """`closed` is called when it has ended, by whatever way."""
        # The heartbeat is ours, since only the loop that sends the events knows the position that it may carry.
        super().__init__(self._frames(), ping=0, send_timeout=STALLED_S, sep="\n")
        self._subscription = subscription
        self._metrics = metrics
        self._closed = closed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._metrics.sse_clients.inc()
        try:
            await super().__call__(scope, receive, send)
        except SendTimeoutError:
            self._metrics.ended.labels("stalled").inc()
            log.info("cut off an SSE client that takes nothing")
            abort_of(scope)()
            while (await receive())["type"] != "http.disconnect":
                pass
        finally:
            self._metrics.sse_clients.dec()
            self._closed()
            self._subscription.close()

    async def _frames(self) -> AsyncIterator[bytes]:
        subscription = self._subscription
        async for batch in subscription.batches():
            if not batch:
                yield heartbeat(subscription.position)
                continue
            chunk: list[bytes] = []
            size = 0
            for message in batch:
                framed = frame(message)
                chunk.append(framed)
                size += len(framed)
                if size >= CHUNK_BYTES:
                    yield b"".join(chunk)
                    chunk, size = [], 0
            if chunk:
                yield b"".join(chunk)
            self._metrics.sent.labels("sse").inc(len(batch))
            self._metrics.streamed(batch, "sse")
        if subscription.reason is not None:
            self._metrics.ended.labels(subscription.reason).inc()
            yield disconnect(subscription.reason)
