"""Empties a store together with its cursor, in one step: its sink notices, and fills it from the topics again."""

from __future__ import annotations

from typing import Any, Final

import psycopg
import redis
from psycopg.sql import SQL, Identifier

from streams.sinks.history import TABLES
from streams.sinks.postgres import SINK
from streams.sinks.redis_keys import OURS

WAIT: Final = "2s"
TRIES: Final = 10

_UNLINK: Final = """
for _, pattern in ipairs(ARGV) do
    local keys = redis.call('KEYS', pattern)
    for first = 1, #keys, 5000 do
        redis.call('UNLINK', unpack(keys, first, math.min(first + 4999, #keys)))
    end
end"""


def empty_postgres(dsn: str) -> list[str]:
    """The tables that are filled from the topics, now empty; users, keys and layouts stay. Raises `psycopg.Error`."""
    tables = list(dict.fromkeys(table.name for of_topic in TABLES.values() for table in of_topic))
    names = SQL(", ").join(map(Identifier, tables))
    with psycopg.connect(dsn, connect_timeout=5, application_name="rebuild") as connection:
        for tried in range(1, TRIES + 1):
            try:
                with connection.transaction():
                    # The sink may be in the middle of a batch, with locks of its own: one of the two gives way.
                    connection.execute(SQL("SET LOCAL lock_timeout = {}").format(WAIT))
                    connection.execute(SQL("TRUNCATE {}").format(names))
                    connection.execute("DELETE FROM sink_cursors WHERE sink = %s", (SINK,))
                break
            except (psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected):
                if tried == TRIES:
                    raise
    return tables


def empty_redis(url: str) -> None:
    """Every key of the sink. Raises `redis.RedisError`."""
    client: Any = redis.Redis.from_url(url, socket_connect_timeout=2, socket_timeout=60)
    try:
        client.eval(_UNLINK, 0, *OURS)
    finally:
        client.close()
