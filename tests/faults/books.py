"""What the books of account, Postgres and Redis hold after a run, read when nothing more is written."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

import msgspec
import psycopg
import redis
from confluent_kafka import KafkaException

from engine import messages
from engine.topics import FILLS, ORDER_EVENTS, PNL, POSITIONS, TRADES
from streams import audit, orders
from streams.consumer import log_bounds
from streams.sinks import redis as redis_sink
from streams.sinks.history import TABLES
from streams.sinks.ledger_tables import PARTITION_SHIFT
from streams.sinks.tables import report_id
from tests.faults.evidence import records_of
from tests.system import System

KEYS: Final = {
    "executions": "id",
    "trades": "id",
    "order_events": "id",
    "position_history": "account, symbol, last_seq, last_index",
    "pnl": "id",
}
"""Table → the columns that tell its rows apart."""
OF_TOPICS: Final = {
    "executions": FILLS.name,
    "trades": TRADES.name,
    "order_events": ORDER_EVENTS.name,
    "position_history": POSITIONS.name,
    "pnl": PNL.name,
}

Key = tuple[Any, ...]


@dataclass(frozen=True)
class Books:
    differences: list[str]
    """What the independent audit of the topics finds."""
    fills: Counter[Key]
    """(account, symbol, seq, index) of the topic `fills`."""
    positions: Counter[Key]
    """The same of the topic `positions`."""
    published: dict[str, Counter[Key]]
    """Table of Postgres → the keys that the topic of it has."""
    stored: dict[str, Counter[Key]]
    """Table of Postgres → the keys of its rows."""
    orders: dict[str, Key]
    """The fold of `order-events`: order_id → (status, filled quantity, seq, index)."""
    stored_orders: dict[str, Key]
    latest: dict[str, bytes]
    """Key of Redis → the last record of it in the topics, as JSON."""
    cached: dict[str, bytes | None]


def caught_up(system: System) -> bool:
    """Whether Postgres and Redis have all that the topics have."""
    settings = system.settings
    try:
        written = {
            p: end for p, (_, end) in log_bounds(settings.bootstrap, (*TABLES, *redis_sink.TOPICS)).items() if end
        }
        with psycopg.connect(settings.dsn, connect_timeout=2) as connection:
            rows = connection.execute("SELECT topic, partition, next_offset FROM sink_cursors WHERE sink = 'postgres'")
            stored = {(topic, partition): offset for topic, partition, offset in rows}
        with redis.Redis.from_url(settings.redis) as client:
            cached = {
                (topic, int(number)): int(offset)
                for topic in redis_sink.TOPICS
                for number, offset in client.hgetall(redis_sink.cursor_key(topic)).items()
            }
    except (KafkaException, psycopg.OperationalError, redis.RedisError):
        return False
    return all(
        reached.get(partition, 0) >= end
        for names, reached in ((TABLES, stored), (redis_sink.TOPICS, cached))
        for partition, end in written.items()
        if partition[0] in names
    )


def collect(system: System, *, patience_s: float) -> Books:
    """Looks at everything once the topics are quiet and the sinks have caught up, or `patience_s` is over: then the
    invariants tell."""
    deadline = time.monotonic() + patience_s
    audit.settle(system.settings.bootstrap, patience_s)
    while True:
        found = audit.from_topics(system.settings.bootstrap, settle_s=max(1.0, deadline - time.monotonic()))
        if (found.ok and caught_up(system)) or time.monotonic() > deadline:
            return _look(system, list(found.differences))
        time.sleep(0.25)


def of_topics(bootstrap: str, differences: list[str]) -> Books:
    """The books of account alone, with nothing that keeps them."""
    return Books(
        differences=differences,
        fills=Counter((f.account, f.symbol, f.seq, f.index) for _, f in records_of(bootstrap, FILLS)),
        positions=Counter((p.account, p.symbol, p.last_seq, p.last_index) for _, p in records_of(bootstrap, POSITIONS)),
        published={},
        stored={},
        orders={},
        stored_orders={},
        latest={},
        cached={},
    )


def _look(system: System, differences: list[str]) -> Books:
    bootstrap = system.settings.bootstrap
    topics = {topic.name: records_of(bootstrap, topic) for topic in (FILLS, TRADES, ORDER_EVENTS, POSITIONS, PNL)}
    fills = Counter((f.account, f.symbol, f.seq, f.index) for _, f in topics[FILLS.name])
    positions = Counter((p.account, p.symbol, p.last_seq, p.last_index) for _, p in topics[POSITIONS.name])
    published = {
        "executions": Counter((report_id(fill.fill_id),) for _, fill in topics[FILLS.name]),
        "trades": Counter((report_id(trade.trade_id),) for _, trade in topics[TRADES.name]),
        "order_events": Counter((report_id(event.exec_id),) for _, event in topics[ORDER_EVENTS.name]),
        "position_history": positions,
        "pnl": Counter((partition << PARTITION_SHIFT | offset,) for (partition, offset), _ in topics[PNL.name]),
    }
    with psycopg.connect(system.settings.dsn) as connection:
        stored = {
            table: Counter(tuple(row) for row in connection.execute(f"SELECT {key} FROM {table}"))  # type: ignore[call-overload]
            for table, key in KEYS.items()
        }
        rows = connection.execute("SELECT order_id::text, status, filled_qty, last_seq, last_index FROM orders")
        stored_orders = {order_id: (*more,) for order_id, *more in rows}
    folded: dict[str, messages.Order] = {}
    for _, event in topics[ORDER_EVENTS.name]:
        order = orders.fold(folded.get(event.order_id), event)
        if order is not None:
            folded[event.order_id] = order
    latest = {f"position:{p.account}|{p.symbol}": p for _, p in topics[POSITIONS.name]}
    latest |= {f"pnl:{p.account}": p for _, p in topics[PNL.name]}
    with redis.Redis.from_url(system.settings.redis) as client:
        cached = dict(zip(latest, client.mget(list(latest)), strict=True)) if latest else {}
    return Books(
        differences=differences,
        fills=fills,
        positions=positions,
        published=published,
        stored=stored,
        orders={
            order_id: (order.status, Decimal(order.filled_quantity), order.last_seq, order.last_index)
            for order_id, order in folded.items()
        },
        stored_orders=stored_orders,
        latest={key: msgspec.json.encode(record) for key, record in latest.items()},
        cached=cached,
    )
