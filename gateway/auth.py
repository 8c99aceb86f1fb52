"""Who is asking: passwords against the `users` table, bearer tokens, and which accounts they may act for."""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import argon2
import msgspec
from argon2.exceptions import InvalidHashError, VerificationError
from starlette.requests import HTTPConnection, Request
from starlette.responses import Response

from engine import tokens
from engine.refusal import Refusal
from engine.tokens import EVERY_ACCOUNT, Identity, InvalidToken
from engine.words import Reason
from gateway import bodies, browser
from gateway.database import Database
from gateway.problems import Problem, unauthorized

HASHING_THREADS: Final = 2
LONGEST_PASSWORD: Final = 1024
USER: Final = "SELECT password_hash, role, accounts FROM users WHERE username = %s"


class Login(msgspec.Struct, forbid_unknown_fields=True):
    username: str
    password: str


class Granted(msgspec.Struct, kw_only=True):
    """What a login answers."""

    access_token: str
    token_type: str
    expires_in: int
    username: str
    role: str
    accounts: list[str]


def visible(identity: Identity) -> frozenset[str] | None:
    """The accounts whose records `identity` may see; None is all of them."""
    if EVERY_ACCOUNT in identity.accounts or identity.role == "admin":
        return None
    return frozenset(identity.accounts)


def may_see(identity: Identity, account: str) -> bool:
    accounts = visible(identity)
    return accounts is None or account in accounts


def chosen(identity: Identity, account: str | None) -> frozenset[str] | None:
    """The accounts that a list is of: one that was asked for, or all that may be seen. Raises `Problem` 403."""
    if account is None:
        return visible(identity)
    if not may_see(identity, account):
        raise forbidden(account)
    return frozenset([account])


def forbidden(account: str) -> Problem:
    return Problem(403, Reason.NOT_AUTHORIZED.wire, f"{account[:40]} is not one of your accounts", field="account")


def first_account(identity: Identity) -> str:
    """The user's own. Raises `Refusal` where there is none."""
    account = next((name for name in identity.accounts if name != EVERY_ACCOUNT), None)
    if account is None:
        raise Refusal(Reason.MISSING_FIELD, "account", "account is required: no account is your own")
    return account


def trading_account(identity: Identity, account: str | None) -> str:
    """The account to trade for: the one that was named, or the user's first. Raises `Problem` 403, or `Refusal`."""
    if not identity.may_trade:
        detail = f"the role {identity.role} may look but not trade"
        raise Problem(403, Reason.NOT_AUTHORIZED.wire, detail, field="account")
    if account is None:
        account = first_account(identity)
    if not identity.may_use(account):
        raise forbidden(account)
    return account


class Authenticator:
    def __init__(self, database: Database, secret: str, token_minutes: int) -> None:
        self._database = database
        self._secret = secret
        self._lifetime_s = 60 * token_minutes
        self._hasher = argon2.PasswordHasher()
        self._threads = ThreadPoolExecutor(HASHING_THREADS, thread_name_prefix="argon2")
        # Of a password that nobody has: an unknown user name costs the same time as a wrong password.
        self._no_hash = self._hasher.hash(f"nobody {time.time_ns()}")

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)

    def identify(self, connection: HTTPConnection) -> Identity:
        """Whose bearer token the request carries. Raises `Problem` 401."""
        header = connection.headers.get("authorization")
        if header is None:
            raise unauthorized("the request carries no token: Authorization: Bearer TOKEN")
        scheme, _, token = header.partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise unauthorized("the Authorization header must read: Bearer TOKEN")
        return self.verify(token.strip())

    def verify(self, token: str) -> Identity:
        """Raises `Problem` 401."""
        try:
            return tokens.verify(self._secret, token)
        except InvalidToken as error:
            raise unauthorized(str(error)) from None

    async def login(self, request: Request) -> Response:
        """POST /api/login"""
        login = await bodies.read(request, _login_decoder)
        if len(login.password) > LONGEST_PASSWORD:
            raise Refusal(Reason.INVALID_FIELD, "password", f"password may have at most {LONGEST_PASSWORD} characters")
        # Postgres takes no NUL in a text, so no user has one in the name.
        rows = [] if "\x00" in login.username else await self._database.rows(USER, (login.username,))
        stored, role, accounts = rows[0] if rows else (self._no_hash, "", [])
        loop = asyncio.get_running_loop()
        matches = await loop.run_in_executor(self._threads, self._matches, stored, login.password)
        if not rows or not matches:
            raise unauthorized("the user name or the password is wrong", "password")
        identity = Identity(login.username, role, tuple(accounts))
        token = tokens.issue(self._secret, identity, now_s=int(time.time()), lifetime_s=self._lifetime_s)
        granted = Granted(
            access_token=token,
            token_type="bearer",
            expires_in=self._lifetime_s,
            username=login.username,
            role=role,
            accounts=list(accounts),
        )
        return browser.reply(browser.encoded(granted))

    def _matches(self, stored: str, password: str) -> bool:
        try:
            return self._hasher.verify(stored, password)
        except (VerificationError, InvalidHashError):
            return False


_login_decoder: Final = msgspec.json.Decoder(Login)
