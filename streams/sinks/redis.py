"""Kafka → Redis: the latest state of each order, position, account and book.

A batch and the cursor behind it are one MULTI, under a WATCH of the cursor: a Redis that was emptied, or came back
older than it was, is noticed, and read into again from the cursor that it has. Closed orders are dropped after
`CLOSED_S` seconds; the history has them.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any, Final, TypeVar

import msgspec
import redis
from redis.backoff import NoBackoff
from redis.client import Pipeline
from redis.retry import Retry

from engine import messages, topics, words
from streams import metrics, orders
from streams.consumer import Cursor, LogMismatch, LogReader, Stopped
from streams.lifecycle import Outage, stop_on_signals
from streams.outbox import Outbox
from streams.sinks.batch import Batch, Decoder
from streams.sinks.reach import Reach, start
from streams.sinks.redis_keys import OURS, cursor_key, mend, order_decoder, position_decoder, readable
from streams.sinks.tables import Placed

log = logging.getLogger(__name__)

TOPICS: Final = tuple(
    topic.name for topic in (topics.INSTRUMENTS, topics.ORDER_EVENTS, topics.POSITIONS, topics.PNL, topics.BOOKS)
)
SINK: Final = "redis"
BATCH: Final = 5_000
WAIT_S: Final = 0.25
LINGER_S: Final = 0.002
AGAIN_S: Final = 0.5
CLOSED_S: Final = 3_600
WRONG_TYPE: Final = "WRONGTYPE"
"""In the refusal of a command that the key's type does not know."""

T = TypeVar("T")

_encode: Final = msgspec.json.Encoder().encode


def _known(decoder: msgspec.json.Decoder[T], key: str, raw: bytes | None) -> T | None:
    """The record that Redis holds; None where there is none, also where something else is in its place."""
    found = readable(decoder, raw)
    if found is None and raw is not None:
        log.warning("%s in Redis was no record of ours: the newest one is written over it", key)
    return found


def _newest_positions(client: Any, placed: Iterable[Placed]) -> dict[str, messages.Position]:
    """Key → the newest of the records, wherever they stand in the log, where Redis has no newer one: a worker that was
    frozen and woke up may write positions that another has gone beyond."""
    newest: dict[str, messages.Position] = {}
    for _, _, record in placed:
        key = f"position:{record.account}|{record.symbol}"
        if key not in newest or _place_of(record) >= _place_of(newest[key]):
            newest[key] = record
    if not newest:
        return newest
    known = client.mget(list(newest))
    return {
        key: record
        for raw, (key, record) in zip(known, newest.items(), strict=True)
        if (there := _known(position_decoder, key, raw)) is None or _place_of(record) >= _place_of(there)
    }


def _place_of(position: messages.Position) -> tuple[int, int]:
    return position.last_seq, position.last_index


class Moved(Exception):
    """The cursor in Redis is not where we left it."""


class Foreign(Exception):
    """What should be a set or a cursor of ours is something else."""


class RedisSink:
    """Writes until `stop` is set."""

    def __init__(self, bootstrap: str, url: str, stop: threading.Event) -> None:
        self._bootstrap = bootstrap
        self._stop = stop
        self._outage = Outage(log, "Redis")
        self._outbox = Outbox(bootstrap, "sink-redis")
        self._decoder = Decoder(TOPICS, self._outbox)
        self._reader = LogReader(bootstrap, TOPICS, name="sink-redis", stop=stop, log=log)
        # No retries inside: after a lost connection the cursor must be read again.
        self._redis = redis.Redis.from_url(
            url, socket_connect_timeout=2, socket_timeout=10, retry=Retry(NoBackoff(), 0)
        )
        self._stored: Cursor = {}

    def run(self, ready: Callable[[], None]) -> None:
        """`ready` is called once, when records are being read."""
        said_ready = foreign = False
        Reach(self._bootstrap, self._reader, SINK, lambda: dict(self._stored), self._stop).start()
        try:
            while not self._stop.is_set():
                try:
                    if foreign:
                        self._mend()
                        foreign = False
                    self._start()
                    self._outage.back()
                    if not said_ready:
                        said_ready = True
                        ready()
                    while not self._stop.is_set():
                        if batch := self._reader.read(BATCH, WAIT_S, LINGER_S):
                            self._write(self._decoder.decode(batch))
                        else:
                            self._check(self._redis)
                except Moved:
                    log.warning("Redis lost what was written to it: reading it in again from its own cursor")
                except Foreign:
                    foreign = True
                except redis.RedisError as error:
                    foreign = WRONG_TYPE in str(error)
                    if not foreign:
                        self._outage.lost(error)
                        self._stop.wait(AGAIN_S)
        except Stopped:
            pass
        finally:
            self._reader.close()
            self._outbox.close()
            self._redis.close()

    def _start(self) -> None:
        self._stored = self._cursor(self._redis)
        try:
            start(self._reader, self._stored, SINK)
        except LogMismatch as error:
            log.warning("Redis is rebuilt: %s", error)
            for pattern in OURS:
                for key in self._redis.scan_iter(pattern, count=1000):
                    self._redis.unlink(key)
            self._stored = {}
            self._reader.start(self._stored)

    def _mend(self) -> None:
        for key in mend(self._redis):
            log.warning("%s in Redis was of another type than ours: it is made anew", key)

    def _cursor(self, client: Any) -> Cursor:
        """Raises `Foreign` where it holds no numbers."""
        found = {topic: client.hgetall(cursor_key(topic)) for topic in TOPICS}
        try:
            return {(topic, int(at)): int(offset) for topic, offsets in found.items() for at, offset in offsets.items()}
        except ValueError:
            raise Foreign from None

    def _check(self, client: Any) -> None:
        """Raises `Moved` where Redis is not as we left it."""
        if self._cursor(client) != self._stored:
            raise Moved

    def _write(self, batch: Batch) -> None:
        """Writes the records and the cursor behind them, or raises with nothing written."""
        begun_ns = time.perf_counter_ns()
        decoded = batch.by_topic
        reached = batch.ends
        self._outbox.delivered()
        with self._redis.pipeline(transaction=True) as pipeline:
            pipeline.watch(*(cursor_key(topic) for topic in TOPICS))  # type: ignore[no-untyped-call]
            self._check(pipeline)
            folded = self._fold(pipeline, decoded.get(topics.ORDER_EVENTS.name, ()))
            positions = _newest_positions(pipeline, decoded.get(topics.POSITIONS.name, ()))
            pipeline.multi()
            self._put_orders(pipeline, folded)
            for key, position in positions.items():
                pipeline.set(key, _encode(position))
                pipeline.sadd(f"positions:{position.account}", position.symbol)
            for topic, placed in decoded.items():
                _PUT.get(topic, _put_nothing)(pipeline, placed)
            for (topic, number), offset in reached.items():
                pipeline.hset(cursor_key(topic), str(number), str(offset))
            try:
                pipeline.execute()
            except redis.WatchError:
                raise Moved from None
        self._stored.update(reached)
        metrics.SINK_ROWS.labels(SINK).inc(sum(map(len, decoded.values())))
        metrics.SINK_WRITES.series(SINK).note(time.perf_counter_ns() - begun_ns)
        newest_ms = batch.messages[-1].timestamp()[1]
        waits = self._reader.behind(reached) > 0
        metrics.SINK_LAG.labels(SINK).set(max(0.0, time.time() - newest_ms / 1000) if waits else 0.0)

    def _fold(self, client: Any, placed: Iterable[Placed]) -> list[messages.Order]:
        """The orders that the reports change, after the last of them."""
        events: defaultdict[str, list[messages.OrderEvent]] = defaultdict(list)
        for _, _, event in placed:
            events[event.order_id].append(event)
        if not events:
            return []
        changed: list[messages.Order] = []
        known = client.mget([f"order:{order_id}" for order_id in events])
        for raw, reports in zip(known, events.values(), strict=True):
            before = _known(order_decoder, f"order:{reports[0].order_id}", raw)
            order = before
            for event in reports:
                order = orders.fold(order, event)
            if order is not None and order is not before:
                changed.append(order)
        return changed

    @staticmethod
    def _put_orders(pipeline: Pipeline, changed: list[messages.Order]) -> None:
        for order in changed:
            working = order.status in words.WORKING_WORDS
            pipeline.set(f"order:{order.order_id}", _encode(order), ex=None if working else CLOSED_S)
            members = f"orders:working:{order.account}"
            if working:
                pipeline.sadd(members, order.order_id)
            else:
                pipeline.srem(members, order.order_id)


def _put_pnl(pipeline: Pipeline, placed: list[Placed]) -> None:
    for account, record in {record.account: record for _, _, record in placed}.items():
        pipeline.set(f"pnl:{account}", _encode(record))


def _put_books(pipeline: Pipeline, placed: list[Placed]) -> None:
    for symbol, record in {record.symbol: record for _, _, record in placed}.items():
        pipeline.set(f"book:{symbol}", _encode(record))


def _put_instruments(pipeline: Pipeline, placed: list[Placed]) -> None:
    pipeline.sadd("symbols", *(record.symbol for _, _, record in placed))


def _put_nothing(pipeline: Pipeline, placed: list[Placed]) -> None:
    """Orders and positions are put once they are compared with those that Redis has."""


_PUT: Final[dict[str, Callable[[Pipeline, list[Placed]], None]]] = {
    topics.INSTRUMENTS.name: _put_instruments,
    topics.PNL.name: _put_pnl,
    topics.BOOKS.name: _put_books,
}


def run(bootstrap: str, url: str, ready: Callable[[], None]) -> None:
    """Writes until SIGTERM or SIGINT."""
    RedisSink(bootstrap, url, stop_on_signals()).run(ready)
