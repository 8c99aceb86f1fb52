"""Postgres, for reading: a pool that says clearly when it is away."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final, TypeAlias

import psycopg
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from gateway.problems import unavailable
from streams.lifecycle import Outage

log = logging.getLogger(__name__)

Values: TypeAlias = Sequence[Any] | dict[str, Any]
Rows: TypeAlias = Callable[[str, Values], Awaitable[list[tuple[Any, ...]]]]
"""Of a query and its values."""

CONNECTIONS: Final = 8
WAIT_S: Final = 2.0
AWAY_WAIT_S: Final = 0.25
"""How long to wait for a connection while Postgres is known to be away."""
STATEMENT_TIMEOUT_MS: Final = 5_000


class Database:
    def __init__(self, dsn: str) -> None:
        # The pool logs each attempt to connect; one line on loss and one on return is what people can read.
        logging.getLogger("psycopg.pool").setLevel(logging.CRITICAL)
        self._outage = Outage(log, "Postgres")
        self._pool = AsyncConnectionPool(
            dsn,
            min_size=1,
            max_size=CONNECTIONS,
            open=False,
            timeout=WAIT_S,
            reconnect_timeout=5.0,
            check=AsyncConnectionPool.check_connection,
            kwargs={
                "autocommit": True,
                "connect_timeout": 2,
                "options": f"-c statement_timeout={STATEMENT_TIMEOUT_MS}",
                "application_name": "gateway",
            },
        )

    async def open(self) -> None:
        await self._pool.open(wait=False)

    async def close(self) -> None:
        await self._pool.close(timeout=1.0)

    @property
    def away(self) -> bool:
        return self._outage.away

    async def rows(self, query: str, values: Values = ()) -> list[tuple[Any, ...]]:
        """All rows of a query. Raises `Problem` 503 where Postgres is away or too slow."""
        async with self._connection() as connection:
            return await (await connection.execute(query, values)).fetchall()

    @asynccontextmanager
    async def moment(self) -> AsyncIterator[Rows]:
        """`rows` for queries that see one state of the database, whatever is written meanwhile."""
        async with self._connection() as connection, connection.transaction():
            await connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")

            async def rows(query: str, values: Values = ()) -> list[tuple[Any, ...]]:
                return await (await connection.execute(query, values)).fetchall()

            yield rows

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[psycopg.AsyncConnection[Any]]:
        try:
            async with self._pool.connection(AWAY_WAIT_S if self.away else WAIT_S) as connection:
                yield connection
        except (PoolTimeout, psycopg.OperationalError) as error:
            if isinstance(error, psycopg.errors.QueryCanceled):
                raise unavailable("postgres", "Postgres takes too long to answer this; ask for less") from None
            self._outage.lost(error)
            raise unavailable("postgres", "Postgres, which holds what this answers from, is away") from None
        self._outage.back()
