"""Signed tokens (JWT, HS256): who is at the other end of a session, and for which accounts it may act.

The gateway issues them after a login, `hft token` for programs; the gateway and the engine's ZeroMQ door verify them
with the same secret.
"""

from __future__ import annotations

import uuid
from typing import Any, Final, NamedTuple

import jwt

ALGORITHM: Final = "HS256"
ISSUER: Final = "hft"
AUDIENCE: Final = "hft"
REFRESH_AUDIENCE: Final = "hft-refresh"
"""Of tokens that only get new ones: no door takes them for access."""
EVERY_ACCOUNT: Final = "*"
ROLES: Final = ("viewer", "trader", "risk", "admin", "service")
"""`service` is our own processes': it may name the actor and the source that it speaks for."""


class InvalidToken(ValueError):
    """The token is not one that we signed, or not valid now. The text says which, and never repeats the token."""


class Identity(NamedTuple):
    actor: str
    role: str
    accounts: tuple[str, ...]
    expires_s: int = 0
    """End of the token that proved it, in seconds since the epoch; 0 where no token did."""
    session: str = ""
    """What is revoked as one: all tokens of a login, or an API key."""

    def may_use(self, account: str) -> bool:
        return account in self.accounts or EVERY_ACCOUNT in self.accounts

    @property
    def may_trade(self) -> bool:
        return self.role in ("trader", "admin", "service")

    @property
    def may_control_risk(self) -> bool:
        """Limits, kill switches, halts."""
        return self.role in ("risk", "admin", "service")

    @property
    def sees_every_account(self) -> bool:
        return EVERY_ACCOUNT in self.accounts or self.role in ("risk", "admin")

    @property
    def may_administer(self) -> bool:
        return self.role in ("admin", "service")


class Refresh(NamedTuple):
    """What a refresh token says: whose login it goes on with, and how often that has been done."""

    identity: Identity
    generation: int


def issue(secret: str, identity: Identity, *, now_s: int, lifetime_s: int) -> str:
    """A token for `identity`, valid from `now_s` (seconds since the epoch) for `lifetime_s`. Without a session of its
    own it is one by itself."""
    return jwt.encode(_claims(identity, AUDIENCE, now_s, lifetime_s), secret, algorithm=ALGORITHM)


def issue_refresh(secret: str, identity: Identity, generation: int, *, now_s: int, lifetime_s: int) -> str:
    """A refresh token of the session of `identity`."""
    claims = {**_claims(identity, REFRESH_AUDIENCE, now_s, lifetime_s), "gen": generation}
    return jwt.encode(claims, secret, algorithm=ALGORITHM)


def _claims(identity: Identity, audience: str, now_s: int, lifetime_s: int) -> dict[str, Any]:
    token = uuid.uuid4().hex
    return {
        "sub": identity.actor,
        "role": identity.role,
        "accounts": list(identity.accounts),
        "sid": identity.session or token,
        "iss": ISSUER,
        "aud": audience,
        "iat": now_s,
        "nbf": now_s,
        "exp": now_s + lifetime_s,
        "jti": token,
    }


def verify(secret: str, token: str) -> Identity:
    """Raises `InvalidToken` where the signature, algorithm, issuer, audience, times or claims are wrong."""
    return _identity(_decoded(secret, token, AUDIENCE))


def verify_refresh(secret: str, token: str) -> Refresh:
    """As `verify`, of a refresh token."""
    claims = _decoded(secret, token, REFRESH_AUDIENCE)
    generation = claims.get("gen")
    if not isinstance(generation, int) or generation < 0:
        raise InvalidToken("the token's claims are not ours")
    return Refresh(_identity(claims), generation)


def _decoded(secret: str, token: str, audience: str) -> dict[str, Any]:
    try:
        claims: dict[str, Any] = jwt.decode(
            token,
            secret,
            algorithms=[ALGORITHM],
            issuer=ISSUER,
            audience=audience,
            options={"require": ["sub", "role", "accounts", "iss", "aud", "nbf", "exp", "jti"]},
        )
    except jwt.ExpiredSignatureError:
        raise InvalidToken("the token has expired") from None
    except jwt.InvalidTokenError as error:
        raise InvalidToken(f"the token is not valid: {error}") from None
    return claims


def _identity(claims: dict[str, Any]) -> Identity:
    role, accounts = claims["role"], claims["accounts"]
    session = claims.get("sid", claims["jti"])
    if role not in ROLES or not isinstance(accounts, list) or not all(isinstance(a, str) for a in accounts):
        raise InvalidToken("the token's claims are not ours")
    if not isinstance(session, str) or not session:
        raise InvalidToken("the token's claims are not ours")
    return Identity(claims["sub"], role, tuple(accounts), int(claims["exp"]), session)
