"""Passwords: argon2id, computed beside the event loop."""

from __future__ import annotations

import asyncio
import secrets
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import argon2
from argon2.exceptions import InvalidHashError, VerificationError

from engine.refusal import Refusal
from engine.words import Reason

THREADS: Final = 2
SHORTEST: Final = 10
LONGEST: Final = 1024


def check_new(password: str, field: str) -> None:
    """Raises `Refusal` where it must not become a password."""
    if not SHORTEST <= len(password) <= LONGEST:
        raise Refusal(Reason.INVALID_FIELD, field, f"{field} must have {SHORTEST} to {LONGEST} characters")


class Passwords:
    def __init__(self) -> None:
        self._hasher = argon2.PasswordHasher()
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="argon2")
        # Of a password that nobody has: an unknown user name costs the same time as a wrong password.
        self._nobodys = self._hasher.hash(secrets.token_hex())

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def matches(self, stored: str | None, password: str) -> bool:
        """`stored` None: nobody's, which takes as long and matches nothing."""
        loop = asyncio.get_running_loop()
        matches = await loop.run_in_executor(self._threads, self._verify, stored or self._nobodys, password)
        return matches and stored is not None

    async def hashed(self, password: str) -> str:
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._hasher.hash, password)

    def _verify(self, stored: str, password: str) -> bool:
        try:
            return self._hasher.verify(stored, password)
        except (VerificationError, InvalidHashError):
            return False
