"""Logging in, going on, and logging out: /api/login, /api/refresh, /api/logout."""

from __future__ import annotations

import math
import time
import uuid
from typing import Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from engine import tokens
from engine.refusal import Refusal
from engine.tokens import Identity, InvalidToken, Refresh
from engine.words import Reason
from gateway import bodies, browser, cookies, passwords
from gateway.auth import Authenticator
from gateway.database import Database
from gateway.logins import Advance, Logins
from gateway.passwords import Passwords
from gateway.problems import Problem, unauthorized
from gateway.requests import seen_of
from gateway.revocations import RevocationList
from gateway.throttle import Buckets

USER: Final = "SELECT password_hash, role, accounts, disabled FROM users WHERE username = %s"
FAILURES: Final = 5
"""Wrong passwords in a row for one user from one address, before each further one must wait."""
FAILURES_OF_ADDRESS: Final = 50
RECOVERY_S: Final = 30.0
"""After which one more may be tried."""


class LoginBody(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    username: str
    password: str
    cookies: bool = False
    """For browsers: the tokens go into cookies that no script reads, instead of the answer."""


class RefreshBody(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    refresh_token: str | None = None
    """null: the one in the cookie."""


class Granted(msgspec.Struct, kw_only=True, frozen=True):
    """What a login or refresh answers. The tokens are null where cookies carry them."""

    access_token: str | None
    refresh_token: str | None
    token_type: str
    expires_in: int
    """Seconds that the access token is good for."""
    refresh_expires_in: int
    csrf_token: str
    """Goes into the header X-CSRF-Token of every request that changes something and is let in by a cookie."""
    username: str
    role: str
    accounts: list[str]


_login: Final = msgspec.json.Decoder(LoginBody)
_refresh: Final = msgspec.json.Decoder(RefreshBody)


class Login:
    def __init__(
        self,
        authenticator: Authenticator,
        database: Database,
        logins: Logins,
        revocations: RevocationList,
        passwords: Passwords,
        secret: str,
        access_s: int,
        refresh_s: int,
    ) -> None:
        """`access_s`, `refresh_s`: how long the tokens are good."""
        self._authenticator = authenticator
        self._database = database
        self._logins = logins
        self._revocations = revocations
        self._passwords = passwords
        self._secret = secret
        self._access_s = access_s
        self._refresh_s = refresh_s
        self._failures = Buckets(1 / RECOVERY_S, FAILURES)
        self._failures_of_address = Buckets(FAILURES_OF_ADDRESS / (RECOVERY_S * FAILURES), FAILURES_OF_ADDRESS)

    async def login(self, request: Request) -> Response:
        """POST /api/login"""
        body = await bodies.read(request, _login)
        if len(body.password) > passwords.LONGEST:
            text = f"password may have at most {passwords.LONGEST} characters"
            raise Refusal(Reason.INVALID_FIELD, "password", text)
        seen_of(request.scope).actor = body.username
        address = request.client.host if request.client else ""
        self._throttle(body.username, address)
        # Postgres takes no NUL in a text, so no user has one in the name.
        rows = [] if "\x00" in body.username else await self._database.rows(USER, (body.username,))
        if self._revocations.blind:
            self._revocations.check("")
        stored, role, accounts, disabled = rows[0] if rows else (None, "", [], False)
        if not await self._passwords.matches(stored, body.password) or disabled:
            self._failures.take(f"{address} {body.username}", time.monotonic())
            self._failures_of_address.take(address, time.monotonic())
            raise unauthorized("the user name or the password is wrong", "password")
        now_s = int(time.time())
        identity = Identity(body.username, role, tuple(accounts), session=f"login-{uuid.uuid4().hex}")
        await self._logins.open(identity.session, body.username, address, now_s + self._refresh_s)
        return self._granted(request, identity, 0, now_s, body.cookies)

    def _throttle(self, username: str, address: str) -> None:
        """Raises `Problem` 429 after too many wrong passwords."""
        now = time.monotonic()
        for buckets, name in ((self._failures, f"{address} {username}"), (self._failures_of_address, address)):
            left = buckets.look(name, now)
            if not left.allowed:
                wait = str(math.ceil(left.wait_s))
                detail = "too many wrong passwords: wait before the next try"
                raise Problem(429, "too_many_logins", detail, field="username", headers={"Retry-After": wait})

    async def refresh(self, request: Request) -> Response:
        """POST /api/refresh"""
        data = await bodies.read_body(request)
        body = bodies.decoded(data, _refresh) if data else RefreshBody()
        in_cookie = body.refresh_token is None
        token = request.cookies.get(cookies.REFRESH) if in_cookie else body.refresh_token
        if token is None:
            raise unauthorized("there is no refresh token, neither in the body nor in a cookie", "refresh_token")
        try:
            refresh = tokens.verify_refresh(self._secret, token)
        except InvalidToken as error:
            raise unauthorized(str(error), "refresh_token") from None
        seen_of(request.scope).identity = refresh.identity
        if in_cookie:
            self._authenticator.refuse_forged(request, refresh.identity)
        if self._revocations.check(refresh.identity.session):
            raise unauthorized("the token has been revoked", "refresh_token")
        identity = await self._advanced(refresh)
        return self._granted(request, identity, refresh.generation + 1, int(time.time()), in_cookie)

    async def _advanced(self, refresh: Refresh) -> Identity:
        """Who the user is by now. Raises `Problem` 401 where the token was used before: then the login ends."""
        identity = refresh.identity
        until_s = int(time.time()) + self._refresh_s
        advance = await self._logins.advance(identity.session, refresh.generation, until_s)
        if advance is not Advance.DONE:
            await self._revocations.revoke(identity.session, until_s)
            raise unauthorized("the refresh token was used before: log in again", "refresh_token")
        try:
            rows = await self._database.rows(USER, (identity.actor,))
        except Problem:
            return identity  # as of the last refresh; a change of the user would have revoked the login
        if not rows or rows[0][3]:
            await self._revocations.revoke(identity.session, until_s)
            raise unauthorized("there is no such user any more", "refresh_token")
        return identity._replace(role=rows[0][1], accounts=tuple(rows[0][2]))

    async def logout(self, request: Request) -> Response:
        """POST /api/logout: ends the login that the token belongs to, or the key, everywhere."""
        identity = self._authenticator.identify(request)
        bodies.parameters(request)
        until_s = max(identity.expires_s, int(time.time()) + self._refresh_s)
        await self._revocations.revoke(identity.session, until_s)
        reply = browser.reply(browser.encoded({"username": identity.actor, "session": identity.session}))
        cookies.take_back(reply, secure=request.url.scheme == "https")
        return reply

    def _granted(self, request: Request, identity: Identity, generation: int, now_s: int, in_cookies: bool) -> Response:
        access = tokens.issue(self._secret, identity, now_s=now_s, lifetime_s=self._access_s)
        refresh = tokens.issue_refresh(self._secret, identity, generation, now_s=now_s, lifetime_s=self._refresh_s)
        granted = Granted(
            access_token=None if in_cookies else access,
            refresh_token=None if in_cookies else refresh,
            token_type="bearer",
            expires_in=self._access_s,
            refresh_expires_in=self._refresh_s,
            csrf_token=cookies.csrf_token(self._secret, identity.session),
            username=identity.actor,
            role=identity.role,
            accounts=list(identity.accounts),
        )
        reply = browser.reply(browser.encoded(granted))
        if in_cookies:
            cookies.give(
                reply,
                access=access,
                access_s=self._access_s,
                refresh=refresh,
                refresh_s=self._refresh_s,
                secure=request.url.scheme == "https",
            )
        return reply
