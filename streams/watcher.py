"""The process that audits without end: whatever the topics have gained is looked up in Postgres, Redis and the engine.

It costs what is traded: nothing is read again, and where nothing happens nothing is asked. `hft audit` compares all
that there ever was; this one begins with what comes after its start (`watch`). The outcome is the key `audit` in Redis,
which `hft status` shows, and a log line wherever the number of differences changes."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec
import psycopg
import redis
from confluent_kafka import KafkaException

from engine import messages
from engine.answers import Positions
from engine.refusal import Refusal
from streams import engine_positions
from streams.consumer import Cursor, LogReader, Stopped, log_bounds, place
from streams.lifecycle import Outage, stop_on_signals
from streams.metrics import AuditGauges
from streams.sinks.postgres import SINK
from streams.sinks.redis_keys import cursor_key
from streams.stores import FIELDS, Values, stored
from streams.watch import FOLLOWED, Looked, Thing, Watch, Watched

log = logging.getLogger(__name__)

KEY: Final = "audit"
"""In Redis: a `Watched`."""
NAMES: Final = tuple(topic.name for topic in FOLLOWED)
INTERVAL_S: Final = 10.0
MOST: Final = 20_000
"""Things that are looked up at once; what has changed besides is looked up next time."""
BATCH: Final = 5_000
WAIT_S: Final = 0.5
LINGER_S: Final = 0.05


def look_up_postgres(connection: psycopg.Connection, things: list[Thing]) -> Looked:
    """Raises `psycopg.Error`."""
    keys = by_kind(things)
    read = connection.execute("SELECT topic, partition, next_offset FROM sink_cursors WHERE sink = %s", (SINK,))
    cursor: Cursor = {(topic, partition): offset for topic, partition, offset in read}
    found: dict[Thing, Values] = {}
    numbers = [int(key) for key in keys["order"]]
    for order_id, *row in connection.execute(
        "SELECT order_id, status, filled_qty, remaining_qty, average_price, last_seq, last_index FROM orders "
        "WHERE order_id = ANY(%s)",
        (numbers,),
    ):
        found["order", str(order_id)] = tuple(row)
    for identity, *row in connection.execute(
        "SELECT id, account, symbol, fill_qty, fill_price, fee FROM executions WHERE id = ANY(%s)",
        ([int(key) for key in keys["execution"]],),
    ):
        found["execution", str(identity)] = tuple(row)
    pairs = [key.split(" ") for key in keys["position"]]
    for account, symbol, *row in connection.execute(
        f"SELECT account, symbol, {', '.join(FIELDS['position'])} FROM positions "
        "JOIN unnest(%s::text[], %s::text[]) AS wanted(of_account, of_symbol) "
        "ON account = of_account AND symbol = of_symbol",
        ([account for account, _ in pairs], [symbol for _, symbol in pairs]),
    ):
        found["position", f"{account} {symbol}"] = tuple(row)
    for account, *row in connection.execute(
        f"SELECT of_account, {', '.join(FIELDS['P&L'])} FROM unnest(%s::text[]) AS wanted(of_account), LATERAL "
        "(SELECT * FROM pnl WHERE account = of_account ORDER BY timestamp DESC, id DESC LIMIT 1) AS latest",
        (keys["P&L"],),
    ):
        found["P&L", account] = tuple(row)
    return Looked("Postgres", cursor, found)


_IN_REDIS: Final[Mapping[str, tuple[str, Any]]] = {
    "order": ("order:", messages.Order),
    "position": ("position:", messages.Position),
    "P&L": ("pnl:", messages.Pnl),
}


def look_up_redis(client: redis.Redis, things: list[Thing]) -> Looked:
    """Raises `redis.RedisError`."""
    cursor: Cursor = {}
    for topic in FOLLOWED:
        places: Any = client.hgetall(cursor_key(topic.name))
        for number, offset in places.items():
            cursor[topic.name, int(number)] = int(offset)
    found: dict[Thing, Values] = {}
    keys = by_kind(things)
    for kind, (prefix, record) in _IN_REDIS.items():
        if keys[kind]:
            held: Any = client.mget([prefix + key.replace(" ", "|") for key in keys[kind]])
            for key, value in zip(keys[kind], held, strict=True):
                if value is not None:
                    found[kind, key] = stored(kind, value, record)
    return Looked("Redis", cursor, found)


def by_kind(things: list[Thing]) -> dict[str, list[str]]:
    keys: dict[str, list[str]] = {"order": [], "execution": [], "position": [], "P&L": []}
    for kind, key in things:
        keys[kind].append(key)
    return keys


class Watcher:
    """Watches until `stop` is set."""

    def __init__(
        self,
        bootstrap: str,
        dsn: str,
        redis_url: str,
        ask_engine: Callable[[], Positions],
        stop: threading.Event,
        gauges: AuditGauges | None = None,
    ) -> None:
        self._bootstrap = bootstrap
        self._dsn = dsn
        self._redis = redis.Redis.from_url(redis_url, socket_connect_timeout=2, socket_timeout=10)
        self._ask_engine = ask_engine
        self._stop = stop
        self._watch = Watch()
        self._outage = Outage(log, "what the audit compares")
        self._told = 0
        self._gauges = gauges

    def run(self, ready: Callable[[], None]) -> None:
        """`ready` is called once, when records are being read."""
        reader = LogReader(self._bootstrap, NAMES, name="audit", stop=self._stop, log=log)
        try:
            reader.start(self._ends())
            ready()
            due = time.monotonic() + INTERVAL_S
            while not self._stop.is_set():
                for message in reader.read(BATCH, WAIT_S, LINGER_S):
                    name, number, offset = place(message)
                    self._watch.take((name, number), offset, message.value() or b"")
                if time.monotonic() >= due:
                    self._look()
                    due = time.monotonic() + INTERVAL_S
        except Stopped:
            pass
        finally:
            reader.close()
            self._redis.close()

    def _ends(self) -> Cursor:
        """Where the topics end now, for as long as it takes."""
        while True:
            try:
                return {partition: end for partition, (_, end) in log_bounds(self._bootstrap, NAMES).items()}
            except KafkaException as error:
                self._outage.lost(error.args[0].str())
            if self._stop.wait(0.5):
                raise Stopped

    def _look(self) -> None:
        """One comparison; what cannot be asked now is asked next time."""
        watch = self._watch
        asked = list(watch.changed)[:MOST]
        try:
            stores = []
            if asked or watch.differences:
                with psycopg.connect(
                    self._dsn, autocommit=True, connect_timeout=5, application_name="audit"
                ) as connection:
                    stores.append(look_up_postgres(connection, asked))
                stores.append(look_up_redis(self._redis, asked))
                watch.compare(stores, asked)
                watch.expect(self._ask_engine())
            self._tell(watch.outcome(time.time_ns()))
            self._outage.back()
        except (psycopg.Error, redis.RedisError, TimeoutError, Refusal) as error:
            self._outage.lost(error)

    def _tell(self, outcome: Watched) -> None:
        self._redis.set(KEY, msgspec.json.encode(outcome))
        if self._gauges is not None:
            self._gauges.tell(outcome.differences, outcome.in_flight, outcome.compared, outcome.ts_ns / 1e9)
        if outcome.differences != self._told:
            self._told = outcome.differences
            first = "; ".join(outcome.shown[:3])
            log.log(
                logging.ERROR if outcome.differences else logging.INFO,
                "%d differences between the topics, the engine and the stores%s",
                outcome.differences,
                f": {first}" if first else "",
            )


def outcome(redis_url: str) -> Watched | None:
    """What the process has found last; None where it has not told yet. Raises `redis.RedisError`."""
    client = redis.Redis.from_url(redis_url, socket_connect_timeout=2, socket_timeout=5)
    try:
        value: Any = client.get(KEY)
    finally:
        client.close()
    return None if value is None else msgspec.json.decode(value, type=Watched)


def run(bootstrap: str, dsn: str, redis_url: str, engine_address: str, secret: str, ready: Callable[[], None]) -> None:
    """Watches until SIGTERM or SIGINT."""
    watcher = Watcher(
        bootstrap,
        dsn,
        redis_url,
        lambda: engine_positions.ask(engine_address, secret),
        stop_on_signals(),
        AuditGauges(),
    )
    watcher.run(ready)
