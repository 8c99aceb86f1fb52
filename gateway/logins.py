"""Logins that can be gone on with: how often each one's refresh token was changed, in Postgres and in Redis.

A refresh token is signed and says its generation, so that the stores hold no secret. Whichever store is there decides:
a token of an older generation than it knows was used before, by its owner or by a thief, and ends the login."""

from __future__ import annotations

import time
from enum import Enum
from typing import Any, Final

import redis.asyncio
from redis import RedisError

from gateway.database import Database
from gateway.problems import Problem, unavailable

TIMEOUT_S: Final = 0.5
OPEN: Final = """
    INSERT INTO sessions (session, username, address, expires_s) VALUES (%s, %s, %s, %s) RETURNING session"""
ADVANCE: Final = """
    UPDATE sessions SET generation = %(next)s WHERE session = %(session)s AND generation < %(next)s RETURNING session"""
KNOWN: Final = "SELECT generation FROM sessions WHERE session = %s"
ADVANCE_IN_REDIS: Final = """
local known = redis.call('GET', KEYS[1])
if not known then return -1 end
if tonumber(known) >= tonumber(ARGV[1]) then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'KEEPTTL')
return 1
"""


class Advance(Enum):
    DONE = 1
    USED_BEFORE = 0
    UNKNOWN = -1


class Logins:
    def __init__(self, database: Database, redis_url: str) -> None:
        self._database = database
        self._redis: Any = redis.asyncio.Redis.from_url(
            redis_url, socket_timeout=TIMEOUT_S, socket_connect_timeout=TIMEOUT_S, retry=None
        )
        self._advance = self._redis.register_script(ADVANCE_IN_REDIS)

    async def close(self) -> None:
        await self._redis.aclose()

    async def open(self, session: str, username: str, address: str, expires_s: int) -> None:
        """Raises `Problem` 503 where Postgres is away."""
        await self._database.rows(OPEN, (session, username, address, expires_s))
        await self._put(session, 0, expires_s)

    async def advance(self, session: str, generation: int, expires_s: int) -> Advance:
        """Takes the login from `generation`, which its refresh token says, to the next one.

        Raises `Problem` 503 where Postgres is away and Redis does not know the login."""
        following = generation + 1
        postgres = await self._advance_postgres(session, following)
        if postgres is Advance.USED_BEFORE:
            return postgres
        try:
            found = Advance(int(await self._advance(keys=[_key(session)], args=[following])))
        except (RedisError, OSError):
            found = Advance.UNKNOWN
        if found is Advance.USED_BEFORE:
            return found
        if postgres is None and found is Advance.UNKNOWN:
            raise unavailable("postgres", "Postgres, which knows the logins, is away, and Redis does not know this one")
        if found is Advance.UNKNOWN and postgres is Advance.DONE:
            await self._put(session, following, expires_s)
        return postgres or found

    async def _advance_postgres(self, session: str, following: int) -> Advance | None:
        """None where Postgres is away."""
        try:
            if await self._database.rows(ADVANCE, {"session": session, "next": following}):
                return Advance.DONE
            return Advance.USED_BEFORE if await self._database.rows(KNOWN, (session,)) else Advance.UNKNOWN
        except Problem:
            return None

    async def _put(self, session: str, generation: int, expires_s: int) -> None:
        """In Redis, which may be away: Postgres has it."""
        try:
            await self._redis.set(_key(session), generation, ex=max(1, expires_s - int(time.time())))
        except (RedisError, OSError):
            return


def _key(session: str) -> str:
    return f"login:{session}"
