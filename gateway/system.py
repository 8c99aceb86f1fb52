"""GET /api/system: how the whole system is: its processes, how far each reader is behind, how long things take, and
whether the market moves."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec
from confluent_kafka import KafkaException
from starlette.requests import Request
from starlette.responses import Response

from engine.messages import Book, DecimalText
from gateway import bodies, browser
from gateway.auth import Authenticator
from gateway.channels import BOOK, FEEDS
from gateway.database import Database
from gateway.hub import Hub
from gateway.latest import Away, Latest
from gateway.metrics import Metrics, Percentiles
from gateway.problems import Problem
from gateway.status import Status
from streams.consumer import Partition, log_bounds

KEPT_S: Final = 1.0
"""An answer is given again for so long, however many ask."""
CURSORS: Final = "SELECT sink, topic, partition, next_offset FROM sink_cursors"

_book: Final = msgspec.json.Decoder(Book)


class ProcessState(msgspec.Struct, kw_only=True, frozen=True):
    """A process as its launcher sees it."""

    name: str
    state: str
    """`starting`, `ready`, `restarting`, `stopped`, or `external`: not started by us."""
    pid: int | None
    started_ns: int | None
    restarts: int
    detail: str


class Lag(msgspec.Struct, kw_only=True, frozen=True):
    """Records of a topic that a reader has not taken in yet; null where it cannot be told."""

    consumer: str
    topic: str
    records: int | None


class FeedState(msgspec.Struct, kw_only=True, frozen=True):
    """The market in one instrument; null: nothing has come yet."""

    symbol: str
    phase: str | None
    bid: DecimalText | None
    ask: DecimalText | None
    book_ns: int | None
    book_age_ms: int | None
    trade_seq: int | None


class SystemState(msgspec.Struct, kw_only=True, frozen=True):
    healthy: bool
    ts_ns: int
    last_seq: int
    processes: list[ProcessState]
    services: dict[str, Any]
    lag: list[Lag]
    latency: dict[str, Percentiles]
    feeds: list[FeedState]
    sse_clients: int
    websocket_clients: int


class System:
    def __init__(
        self,
        authenticator: Authenticator,
        status: Status,
        hub: Hub,
        database: Database,
        latest: Latest,
        metrics: Metrics,
        processes: Callable[[], list[ProcessState]],
    ) -> None:
        """`processes` tells what the launcher knows; none where another one starts them."""
        self._authenticator = authenticator
        self._status = status
        self._hub = hub
        self._database = database
        self._latest = latest
        self._metrics = metrics
        self._processes = processes
        self._made: bytes = b""
        self._made_at = 0.0
        self._making = asyncio.Lock()

    async def show(self, request: Request) -> Response:
        """GET /api/system"""
        self._authenticator.identify(request)
        bodies.parameters(request)
        async with self._making:
            if not self._made or time.monotonic() - self._made_at > KEPT_S:
                self._made = browser.encoded(await self._state())
                self._made_at = time.monotonic()
        return browser.reply(self._made)

    async def _state(self) -> SystemState:
        hub, metrics = self._hub, self._metrics
        now_ns = time.time_ns()
        return SystemState(
            healthy=self._status.ready,
            ts_ns=now_ns,
            last_seq=self._status.last_seq,
            processes=self._processes(),
            services=self._status.services(),
            lag=await self._lag(),
            latency={name: window.percentiles() for name, window in metrics.windows.items()},
            feeds=[self._feed(symbol, now_ns) for symbol in sorted(hub.state.instruments)],
            sse_clients=metrics.clients("sse"),
            websocket_clients=metrics.clients("websocket"),
        )

    def _feed(self, symbol: str, now_ns: int) -> FeedState:
        state = self._hub.state
        value = state.latest[BOOK.name].get(symbol)
        book = None if value is None else _book.decode(value)
        trades = state.trades.get(symbol)
        return FeedState(
            symbol=symbol,
            phase=book.phase if book else state.instruments[symbol].phase,
            bid=book.bids[0][0] if book and book.bids else None,
            ask=book.asks[0][0] if book and book.asks else None,
            book_ns=book.ts_ns if book else None,
            book_age_ms=max(0, now_ns - book.ts_ns) // 1_000_000 if book else None,
            trade_seq=trades[-1].seq if trades else None,
        )

    async def _lag(self) -> list[Lag]:
        names = [feed.topic.name for feed in FEEDS]
        try:
            bounds = await asyncio.to_thread(log_bounds, self._hub.bootstrap, names)
        except KafkaException:
            return [Lag(consumer="gateway", topic=name, records=None) for name in names]
        ends = {partition: end for partition, (_, end) in bounds.items()}
        reached: dict[str, dict[Partition, int]] = {"gateway": self._hub_cursor()}
        try:
            for sink, topic, number, offset in await self._database.rows(CURSORS):
                reached.setdefault(f"sink-{sink}", {})[topic, number] = offset
        except Problem:
            reached["sink-postgres"] = {}
        try:
            reached["sink-redis"] = await self._latest.cursor(names)
        except Away:
            reached["sink-redis"] = {}
        return [
            Lag(consumer=consumer, topic=topic, records=behind(topic, ends, cursor))
            for consumer, cursor in sorted(reached.items())
            for topic in sorted({name for name, _ in cursor} & set(names)) or names
        ]

    def _hub_cursor(self) -> dict[Partition, int]:
        offsets = self._hub.state.offsets
        return {
            (feed.topic.name, number): offset
            for feed in FEEDS
            for number, offset in enumerate(offsets.get(feed.name, ()))
        }


def behind(topic: str, ends: Mapping[Partition, int], cursor: Mapping[Partition, int]) -> int | None:
    """Records of the topic behind the cursor; None where the cursor does not know the topic."""
    known = {partition: offset for partition, offset in cursor.items() if partition[0] == topic}
    if not known:
        return None
    return sum(max(0, end - known.get(at, 0)) for at, end in ends.items() if at[0] == topic)
