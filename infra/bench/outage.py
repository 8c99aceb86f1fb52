"""`hft bench outage`: whether an order's path notices that Postgres or Redis is away, and how the sink catches up."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

import numpy as np
import psycopg
import redis
from confluent_kafka import KafkaException
from numpy.typing import NDArray

from engine.client import Client
from infra.bench.figures import Figure, Result
from infra.bench.order_frames import OrderFrames, open_accounts
from infra.bench.published import wait_until
from infra.bench.sandbox import Sandbox, sandbox
from infra.migrations import migrate
from infra.process import Process, Program
from streams.consumer import Cursor, log_bounds
from streams.sinks import redis as redis_sink
from streams.sinks.history import TABLES
from streams.sinks.redis_keys import cursor_key

FRAME: Final = 2
"""A new order and its cancel in one frame: one round trip."""
LIMIT_S: Final = 600.0
SETTLE_S: Final = 0.5
"""Of each window's start, which belongs to neither."""


class Store:
    """Postgres or Redis with its sink, and how far the sink is."""

    def __init__(
        self, name: str, server: Program, sink: Program, stored: Callable[[], Cursor], topics: tuple[str, ...]
    ):
        self.name = name
        self.sink = sink
        self.topics = topics
        self._server = server
        self._stored = stored
        self._process = Process(server)
        self._process.wait_ready()

    def go(self) -> None:
        """kill -9."""
        self._process.kill()

    def come(self) -> None:
        self._process = Process(self._server)
        self._process.wait_ready()

    def stop(self) -> None:
        self._process.stop()

    def behind(self, bootstrap: str) -> int:
        """Records of the topics that it does not hold yet."""
        stored = self._stored()
        bounds = log_bounds(bootstrap, self.topics)
        return sum(end - stored.get(partition, low) for partition, (low, end) in bounds.items())


def run(window: float, rounds: int, per_second: int, say: Callable[[str], None]) -> Result:
    """For each store `rounds` times `window` seconds with it and as many without, at `per_second` round trips."""
    with sandbox(kafka=True) as place:
        place.start(place.engine())
        client = place.client()
        open_accounts(client)
        place.start(place.publisher())
        stores = (_postgres(place), _redis(place))
        for store in stores:
            place.start(store.sink)
        made = OrderFrames(client, FRAME)
        figures: list[Figure] = []
        for store in stores:
            figures += _alternate(place, store, client, made, window, rounds, per_second, say)
    sizes = {"seconds of a window": window, "windows with and without": rounds, "round trips/s": per_second}
    return Result("Orders while Postgres or Redis is away (ZeroMQ over ipc, two commands a round trip)", sizes, figures)


def _alternate(
    place: Sandbox,
    store: Store,
    client: Client,
    made: OrderFrames,
    window: float,
    rounds: int,
    per_second: int,
    say: Callable[[str], None],
) -> list[Figure]:
    here: list[NDArray[np.float64]] = []
    away: list[NDArray[np.float64]] = []
    caught_up: list[float] = []
    behind = 0
    for number in range(1, rounds + 1):
        say(f"{store.name}: round {number} of {rounds}, there")
        here.append(_round_trips(client, made, window, per_second))
        say(f"{store.name}: round {number} of {rounds}, away")
        store.go()
        away.append(_round_trips(client, made, window, per_second))
        store.come()
        behind = max(behind, store.behind(place.settings.bootstrap))
        started = time.perf_counter()
        wait_until(lambda: _has_all(store, place.settings.bootstrap), f"{store.name} catching up", LIMIT_S)
        caught_up.append(time.perf_counter() - started)
    with_it, without = np.concatenate(here), np.concatenate(away)
    figures = [
        Figure(f"{store.name}: every record is in it at the end", store.behind(place.settings.bootstrap) == 0),
        Figure(f"{store.name}: records behind when it was back", behind),
        Figure(f"{store.name}: caught up after, at most", max(caught_up), "s"),
    ]
    for part in (50, 99):
        there, gone = float(np.percentile(with_it, part)), float(np.percentile(without, part))
        figures += [
            Figure(f"round trip p{part}, {store.name} there", there, "µs"),
            Figure(f"round trip p{part}, {store.name} away", gone, "µs"),
            Figure(f"round trip p{part}, {store.name} away to there", gone / there, "×"),
        ]
    return figures


def _has_all(store: Store, bootstrap: str) -> bool:
    try:
        return store.behind(bootstrap) == 0
    except (KafkaException, psycopg.OperationalError, redis.RedisError):
        return False


def _round_trips(client: Client, made: OrderFrames, seconds: float, per_second: int) -> NDArray[np.float64]:
    """Microseconds of each, begun at an even pace; those of the first moment are left out."""
    took: list[float] = []
    began = time.perf_counter()
    number = 0
    while (due := number / per_second) < seconds:
        number += 1
        wait = began + due - time.perf_counter()
        if wait > 0:
            time.sleep(wait)
        started = time.perf_counter()
        client.submit_records(made.next())
        if due >= min(SETTLE_S, seconds / 4):
            took.append((time.perf_counter() - started) * 1e6)
    return np.array(took)


def _postgres(place: Sandbox) -> Store:
    from infra import postgres

    settings, where = place.settings, place.folders
    server = postgres.program(where.postgres, settings.postgres_port, log_file=where.log("postgres"))

    def stored() -> Cursor:
        with psycopg.connect(settings.dsn, connect_timeout=2) as connection:
            rows = connection.execute("SELECT topic, partition, next_offset FROM sink_cursors").fetchall()
        return {(topic, partition): offset for topic, partition, offset in rows}

    store = Store("Postgres", server, place.sink("sink-postgres"), stored, tuple(TABLES))
    place.stack.callback(store.stop)
    migrate(settings.dsn)
    return store


def _redis(place: Sandbox) -> Store:
    from infra import redis as server

    settings, where = place.settings, place.folders
    program = server.program(where.redis, settings.redis_port, log_file=where.log("redis"))

    def stored() -> Cursor:
        with redis.Redis.from_url(settings.redis) as client:
            return {
                (topic, int(number)): int(offset)
                for topic in redis_sink.TOPICS
                for number, offset in client.hgetall(cursor_key(topic)).items()
            }

    store = Store("Redis", program, place.sink("sink-redis"), stored, redis_sink.TOPICS)
    place.stack.callback(store.stop)
    return store
