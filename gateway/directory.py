"""The users and their keys, as Postgres keeps them. What takes rights away also revokes what was let in with them."""

from __future__ import annotations

import hashlib
import time
from typing import Final, NamedTuple

from gateway.database import Database
from gateway.revocations import RevocationList

USER: Final = """
    SELECT username, role, accounts, disabled, (extract(epoch FROM created_at) * 1000000)::bigint * 1000 FROM users"""
KEY: Final = """
    SELECT key_id, username, name, role, accounts, (extract(epoch FROM created_at) * 1000000)::bigint * 1000, expires_s
    FROM api_keys"""
PASSWORD: Final = "SELECT password_hash FROM users WHERE username = %s AND NOT disabled"
CREATE_USER: Final = """
    INSERT INTO users (username, password_hash, role, accounts) VALUES (%s, %s, %s, %s)
    ON CONFLICT (username) DO NOTHING RETURNING username"""
CHANGE_USER: Final = """
    UPDATE users SET password_hash = coalesce(%(password_hash)s, password_hash), role = coalesce(%(role)s, role),
                     accounts = coalesce(%(accounts)s, accounts), disabled = coalesce(%(disabled)s, disabled)
    WHERE username = %(username)s RETURNING username"""
DELETE_USER: Final = "DELETE FROM users WHERE username = %s RETURNING username"
CREATE_KEY: Final = """
    INSERT INTO api_keys (key_id, username, name, role, accounts, token_hash, expires_s)
    SELECT %(key_id)s, %(username)s, %(name)s, %(role)s, %(accounts)s, %(token_hash)s, %(expires_s)s
    WHERE (SELECT count(*) FROM api_keys WHERE username = %(username)s AND expires_s > %(now_s)s) < %(most)s
    RETURNING key_id"""
DELETE_KEY: Final = "DELETE FROM api_keys WHERE key_id = %s RETURNING expires_s"
LETS_IN: Final = """
    SELECT session, expires_s FROM sessions WHERE username = %(username)s AND expires_s >= %(now_s)s
    UNION ALL SELECT key_id, expires_s FROM api_keys WHERE username = %(username)s AND expires_s >= %(now_s)s"""
FORGET: Final = """
    WITH gone AS (DELETE FROM api_keys WHERE username = %(username)s RETURNING key_id)
    DELETE FROM sessions WHERE username = %(username)s RETURNING session"""
MOST_KEYS: Final = 50
"""Of one user."""


class User(NamedTuple):
    username: str
    role: str
    accounts: list[str]
    disabled: bool
    created_ns: int


class Key(NamedTuple):
    key_id: str
    username: str
    name: str
    role: str
    accounts: list[str]
    created_ns: int
    expires_s: int


class UserDirectory:
    """Every method raises `Problem` 503 where Postgres is away."""

    def __init__(self, database: Database, revocations: RevocationList) -> None:
        self._database = database
        self._revocations = revocations

    # --------------------------------------------------------------------------------------------------- users

    async def users(self) -> list[User]:
        return [User(*row) for row in await self._database.rows(f"{USER} ORDER BY username")]

    async def user(self, username: str) -> User | None:
        rows = await self._database.rows(f"{USER} WHERE username = %s", (username,))
        return User(*rows[0]) if rows else None

    async def password_hash(self, username: str) -> str | None:
        """None where there is no such user, or it is disabled."""
        rows = await self._database.rows(PASSWORD, (username,))
        return None if not rows else str(rows[0][0])

    async def create(self, username: str, password_hash: str, role: str, accounts: list[str]) -> bool:
        """Whether the name was free."""
        return bool(await self._database.rows(CREATE_USER, (username, password_hash, role, accounts)))

    async def change(
        self,
        username: str,
        *,
        password_hash: str | None = None,
        role: str | None = None,
        accounts: list[str] | None = None,
        disabled: bool | None = None,
    ) -> bool:
        """What is None stays. All logins and keys of the user end. Whether there is such a user."""
        values = {
            "username": username,
            "password_hash": password_hash,
            "role": role,
            "accounts": accounts,
            "disabled": disabled,
        }
        changed = bool(await self._database.rows(CHANGE_USER, values))
        if changed:
            await self.end_all(username)
        return changed

    async def delete(self, username: str) -> bool:
        deleted = bool(await self._database.rows(DELETE_USER, (username,)))
        if deleted:
            await self.end_all(username)
        return deleted

    async def end_all(self, username: str) -> int:
        """Ends every login and every key of the user; how many there were."""
        values = {"username": username, "now_s": int(time.time())}
        found = await self._database.rows(LETS_IN, values)
        for session, expires_s in found:
            await self._revocations.revoke(session, expires_s)
        await self._database.rows(FORGET, values)
        return len(found)

    # ---------------------------------------------------------------------------------------------------- keys

    async def keys(self, username: str | None) -> list[Key]:
        """Those that are good; None: of every user."""
        rows = await self._database.rows(
            f"{KEY} WHERE expires_s > %s AND (%s::text IS NULL OR username = %s) ORDER BY username, created_at",
            (int(time.time()), username, username),
        )
        return [Key(*row) for row in rows]

    async def key(self, key_id: str) -> Key | None:
        rows = await self._database.rows(f"{KEY} WHERE key_id = %s", (key_id,))
        return Key(*rows[0]) if rows else None

    async def create_key(self, key: Key, token: str) -> bool:
        """Whether the user may have one more."""
        values = {
            **key._asdict(),
            "token_hash": hashlib.sha256(token.encode()).digest(),
            "now_s": int(time.time()),
            "most": MOST_KEYS,
        }
        return bool(await self._database.rows(CREATE_KEY, values))

    async def delete_key(self, key_id: str) -> None:
        """It lets nobody in any more."""
        for (expires_s,) in await self._database.rows(DELETE_KEY, (key_id,)):
            await self._revocations.revoke(key_id, expires_s)
