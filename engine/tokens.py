"""Signed tokens (JWT, HS256): who is at the other end of a session, and for which accounts it may act.

The gateway issues them after a login, `hft token` for programs; the gateway and the engine's ZeroMQ door verify them
with the same secret.
"""

from __future__ import annotations

import uuid
from typing import Final, NamedTuple

import jwt

ALGORITHM: Final = "HS256"
ISSUER: Final = "hft"
AUDIENCE: Final = "hft"
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

    def may_use(self, account: str) -> bool:
        return account in self.accounts or EVERY_ACCOUNT in self.accounts

    @property
    def may_trade(self) -> bool:
        return self.role != "viewer"

    @property
    def may_administer(self) -> bool:
        return self.role in ("admin", "service")


def issue(secret: str, identity: Identity, *, now_s: int, lifetime_s: int) -> str:
    """A token for `identity`, valid from `now_s` (seconds since the epoch) for `lifetime_s`."""
    return jwt.encode(
        {
            "sub": identity.actor,
            "role": identity.role,
            "accounts": list(identity.accounts),
            "iss": ISSUER,
            "aud": AUDIENCE,
            "iat": now_s,
            "nbf": now_s,
            "exp": now_s + lifetime_s,
            "jti": uuid.uuid4().hex,
        },
        secret,
        algorithm=ALGORITHM,
    )


def verify(secret: str, token: str) -> Identity:
    """Raises `InvalidToken` where the signature, algorithm, issuer, audience, times or claims are wrong."""
    try:
        claims = jwt.decode(
            token,
            secret,
            algorithms=[ALGORITHM],
            issuer=ISSUER,
            audience=AUDIENCE,
            options={"require": ["sub", "role", "accounts", "iss", "aud", "nbf", "exp", "jti"]},
        )
    except jwt.ExpiredSignatureError:
        raise InvalidToken("the token has expired") from None
    except jwt.InvalidTokenError as error:
        raise InvalidToken(f"the token is not valid: {error}") from None
    role, accounts = claims["role"], claims["accounts"]
    if role not in ROLES or not isinstance(accounts, list) or not all(isinstance(a, str) for a in accounts):
        raise InvalidToken("the token's claims are not ours")
    return Identity(claims["sub"], role, tuple(accounts), int(claims["exp"]))
