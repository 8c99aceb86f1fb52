"""Who is asking: bearer tokens and browsers' cookies, none of them revoked, and which accounts they may act for."""

from __future__ import annotations

import time
from collections.abc import Callable

from starlette.requests import HTTPConnection

from engine.known_tokens import KnownTokens
from engine.refusal import Refusal
from engine.tokens import EVERY_ACCOUNT, Identity, InvalidToken
from engine.words import Reason
from gateway import cookies
from gateway.limits import RequestLimits
from gateway.problems import Problem, unauthorized
from gateway.requests import seen_of
from gateway.revocations import RevocationList


def visible(identity: Identity) -> frozenset[str] | None:
    """The accounts whose records `identity` may see; None is all of them."""
    return None if identity.sees_every_account else frozenset(identity.accounts)


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


def may_not_administer(identity: Identity, what: str) -> Problem:
    return Problem(403, Reason.NOT_AUTHORIZED.wire, f"the role {identity.role} may not {what}", field="account")


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
    """Finds out whose request it is."""

    def __init__(
        self, secret: str, revocations: RevocationList, limits: RequestLimits, origins: frozenset[str]
    ) -> None:
        """`origins`: of pages elsewhere that may use the API, as in https://trade.example.com."""
        self._secret = secret
        self._tokens = KnownTokens(secret)
        self._revocations = revocations
        self._limits = limits
        self._origins = origins

    def identify(self, connection: HTTPConnection) -> Identity:
        """Whose token the request carries, in its header or in a browser's cookie. Raises `Problem` 401, 403 where a
        cookie comes without what keeps forged requests out, 429 where the user sends too many, 503 where it cannot be
        told what is revoked."""
        identity = self._identify(connection)
        seen_of(connection.scope).identity = identity
        self._limits.take(connection, identity)
        return identity

    def _identify(self, connection: HTTPConnection) -> Identity:
        header = connection.headers.get("authorization")
        if header is not None:
            scheme, _, token = header.partition(" ")
            if scheme.lower() != "bearer" or not token:
                raise unauthorized("the Authorization header must read: Bearer TOKEN")
            return self.verify(token.strip())
        cookie = connection.cookies.get(cookies.ACCESS)
        if cookie is None:
            raise unauthorized("the request carries no token: Authorization: Bearer TOKEN")
        identity = self.verify(cookie)
        self.refuse_forged(connection, identity)
        return identity

    def refuse_forged(self, connection: HTTPConnection, identity: Identity) -> None:
        """Raises `Problem` 403 where a request that a cookie lets in may come from another site's page."""
        if cookies.is_forged(connection, self._secret, identity.session, self._origins):
            detail = f"a request with a cookie must come from our own page and carry {cookies.CSRF_HEADER}"
            raise Problem(403, "csrf", detail, field=cookies.CSRF_HEADER)

    def watch(self, identity: Identity, ended: Callable[[], None]) -> Callable[[], None]:
        """Calls `ended` when the login or key is revoked, at once where it has been meanwhile; the function that is
        returned ends the watching."""
        unwatch = self._revocations.watch(identity.session, ended)
        if identity.session in self._revocations.known:
            ended()
        return unwatch

    def verify(self, token: str) -> Identity:
        """Raises `Problem` 401, or 503."""
        try:
            identity = self._tokens.verify(token, time.time())
        except InvalidToken as error:
            raise unauthorized(str(error)) from None
        if self._revocations.check(identity.session):
            raise unauthorized("the token has been revoked")
        return identity
