"""What has been revoked, known to every gateway at once: through Redis, with Postgres behind it.

A gateway keeps the whole list in memory, so that a check costs a look into a dictionary. Each revocation is written to
both stores and told by both (PUBLISH, NOTIFY); a store that comes back is given what it missed, and gives what the
gateway missed. With one of them away nothing changes; with both away nobody can be told, and no token is trusted."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable
from typing import Any, Final

import psycopg
import redis.asyncio
from psycopg import AsyncConnection
from redis import RedisError

from engine.revocations import Revocations
from gateway.database import Database
from gateway.problems import Problem, unavailable
from gateway.tasks import end

log = logging.getLogger(__name__)

KEY: Final = "revocations"
CHANNEL: Final = "revocations"
TIMEOUT_S: Final = 0.5
LISTEN_S: Final = 1.0
AGAIN_S: Final = 0.25
WHOLE_S: Final = 5.0
"""How often a store is read whole, besides after each loss of it."""
BLIND_S: Final = 5.0
"""Without a word from either store for so long, nobody is let in."""
LIST: Final = "SELECT session, expires_s FROM revocations WHERE expires_s >= %s"
KEEP: Final = """
    INSERT INTO revocations (session, expires_s) VALUES (%s, %s)
    ON CONFLICT (session) DO UPDATE SET expires_s = greatest(revocations.expires_s, excluded.expires_s)
    RETURNING session"""
FORGET: Final = "DELETE FROM revocations WHERE expires_s < %s RETURNING session"


class RevocationList:
    """`check` on every request; `revoke` ends a session everywhere."""

    def __init__(self, database: Database, dsn: str, redis_url: str) -> None:
        self.known = Revocations(self._tell)
        self._database = database
        self._dsn = dsn
        self._redis: Any = redis.asyncio.Redis.from_url(
            redis_url, socket_timeout=TIMEOUT_S, socket_connect_timeout=TIMEOUT_S, retry=None
        )
        self._heard = {"redis": -BLIND_S, "postgres": -BLIND_S}
        self._watching: dict[str, set[Callable[[], None]]] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self.told: Callable[[str, int], None] = lambda session, until_s: None
        """Called with each session that is newly revoked; set once, before `start`."""

    async def start(self) -> None:
        """Reads both stores, as far as they are there, and follows them from then on."""
        for read in (self._read_redis, self._read_postgres):
            with contextlib.suppress(RedisError, psycopg.Error, Problem, OSError):
                await read()
        self._tasks = [
            asyncio.create_task(self._follow_redis(), name="revocations-redis"),
            asyncio.create_task(self._follow_postgres(), name="revocations-postgres"),
        ]

    async def stop(self) -> None:
        await end(self._tasks)
        await self._redis.aclose()

    # ------------------------------------------------------------------------------------------------- asking

    @property
    def blind(self) -> bool:
        """Whether neither store has been heard of lately."""
        return time.monotonic() - max(self._heard.values()) > BLIND_S

    def check(self, session: str) -> bool:
        """Whether the session has been revoked. Raises `Problem` 503 where that cannot be told."""
        if session in self.known:
            return True
        if self.blind:
            raise unavailable("authorization", "neither Redis nor Postgres can tell which tokens are revoked")
        return False

    def watch(self, session: str, ended: Callable[[], None]) -> Callable[[], None]:
        """Calls `ended` when the session is revoked; the function that is returned ends the watching."""
        self._watching.setdefault(session, set()).add(ended)

        def unwatch() -> None:
            watching = self._watching.get(session)
            if watching is not None:
                watching.discard(ended)
                if not watching:
                    del self._watching[session]

        return unwatch

    def _tell(self, session: str) -> None:
        for ended in list(self._watching.get(session, ())):
            ended()

    # ------------------------------------------------------------------------------------------------ revoking

    async def revoke(self, session: str, until_s: int) -> None:
        """The session's tokens, of which the last expires at `until_s`, are refused from now on.

        Raises `Problem` 503 where neither store took it; this gateway refuses them all the same."""
        self._learn(session, until_s)
        taken = False
        with contextlib.suppress(RedisError, OSError):
            await self._write_redis({session: until_s})
            taken = True
        with contextlib.suppress(Problem):
            await self._database.rows(KEEP, (session, until_s))
            taken = True
        if not taken:
            raise unavailable("authorization", "neither Redis nor Postgres took it: it is ended here only; try again")

    def _learn(self, session: str, until_s: int) -> None:
        if self.known.add(session, until_s):
            self.told(session, until_s)

    async def _write_redis(self, sessions: dict[str, int]) -> None:
        async with self._redis.pipeline(transaction=True) as pipeline:
            for session, until_s in sessions.items():
                pipeline.zadd(KEY, {session: until_s}, gt=True)
                pipeline.publish(CHANNEL, f"{session} {until_s}")
            await pipeline.execute()

    # ----------------------------------------------------------------------------------------------- following

    async def _read_redis(self) -> None:
        """Takes over what Redis knows, and gives it what it does not."""
        now_s = int(time.time())
        there = {name.decode(): int(score) for name, score in await self._redis.zrangebyscore(
            KEY, now_s, "+inf", withscores=True
        )}  # fmt: skip
        for session, until_s in there.items():
            self._learn(session, until_s)
        missing = {s: until_s for s, until_s in self.known.items().items() if there.get(s, 0) < until_s}
        if missing:
            await self._write_redis(missing)
        await self._redis.zremrangebyscore(KEY, "-inf", now_s - 1)
        self._heard["redis"] = time.monotonic()

    async def _read_postgres(self) -> None:
        now_s = int(time.time())
        there: dict[str, int] = dict(await self._database.rows(LIST, (now_s,)))
        for session, until_s in there.items():
            self._learn(session, until_s)
        for session, until_s in self.known.items().items():
            if there.get(session, 0) < until_s:
                await self._database.rows(KEEP, (session, until_s))
        await self._database.rows(FORGET, (now_s,))
        self.known.prune(now_s)
        self._heard["postgres"] = time.monotonic()

    async def _follow_redis(self) -> None:
        while True:
            try:
                async with self._redis.pubsub() as channel:
                    await channel.subscribe(CHANNEL)
                    await self._listen_redis(channel)
            except (RedisError, OSError):
                await asyncio.sleep(AGAIN_S)

    async def _listen_redis(self, channel: Any) -> None:
        whole_at = 0.0
        while True:
            if time.monotonic() >= whole_at:
                await self._read_redis()
                whole_at = time.monotonic() + WHOLE_S
            message = await channel.get_message(ignore_subscribe_messages=True, timeout=LISTEN_S)
            if message is None:
                await self._redis.ping()
            else:
                self._hear(message["data"].decode())
            self._heard["redis"] = time.monotonic()

    async def _follow_postgres(self) -> None:
        while True:
            try:
                async with await AsyncConnection.connect(
                    self._dsn, autocommit=True, connect_timeout=2, application_name="gateway-revocations"
                ) as connection:
                    await connection.execute(f"LISTEN {CHANNEL}")
                    await self._listen_postgres(connection)
            except (psycopg.Error, Problem, OSError):
                await asyncio.sleep(AGAIN_S)

    async def _listen_postgres(self, connection: AsyncConnection[Any]) -> None:
        whole_at = 0.0
        while True:
            if time.monotonic() >= whole_at:
                await self._read_postgres()
                whole_at = time.monotonic() + WHOLE_S
            async for told in connection.notifies(timeout=LISTEN_S):
                self._hear(told.payload)
                if time.monotonic() >= whole_at:
                    break
            await connection.execute("SELECT 1")
            self._heard["postgres"] = time.monotonic()

    def _hear(self, text: str) -> None:
        session, _, until_s = text.partition(" ")
        if session and until_s.isdigit():
            self._learn(session, int(until_s))
