"""A browser's session: two cookies that no script can read, and a token against forged requests, which scripts send.

The cookies are HttpOnly and SameSite=Strict. A request that changes something, and is let in by a cookie, must carry
the CSRF token as a header, which no other site's page can: it does not know it, and could not set the header."""

from __future__ import annotations

import hmac
from typing import Final

from starlette.requests import HTTPConnection
from starlette.responses import Response

ACCESS: Final = "hft_access"
REFRESH: Final = "hft_refresh"
REFRESH_PATH: Final = "/api"
CSRF_HEADER: Final = "X-CSRF-Token"
SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})


def csrf_token(secret: str, session: str) -> str:
    """Belongs to the login: the same for as long as it lasts."""
    return hmac.digest(secret.encode(), b"csrf " + session.encode(), "sha256").hex()


def is_forged(connection: HTTPConnection, secret: str, session: str, origins: frozenset[str]) -> bool:
    """Whether a request that a cookie lets in may come from another site's page."""
    origin = connection.headers.get("origin")
    if origin is not None and not is_own(connection, origin) and origin not in origins:
        return True
    if connection.scope["type"] == "websocket":
        # It carries no header of the page's choice; browsers always tell its origin.
        return origin is None
    if connection.scope["method"] in SAFE:
        return False
    given = connection.headers.get(CSRF_HEADER, "")
    return not hmac.compare_digest(given.encode(), csrf_token(secret, session).encode())


def is_own(connection: HTTPConnection, origin: str) -> bool:
    return origin.partition("://")[2] == connection.headers.get("host")


def give(response: Response, *, access: str, access_s: int, refresh: str, refresh_s: int, secure: bool) -> None:
    """`secure`: the server speaks TLS."""
    response.set_cookie(ACCESS, access, max_age=access_s, path="/", httponly=True, samesite="strict", secure=secure)
    response.set_cookie(
        REFRESH, refresh, max_age=refresh_s, path=REFRESH_PATH, httponly=True, samesite="strict", secure=secure
    )


def take_back(response: Response, *, secure: bool) -> None:
    response.delete_cookie(ACCESS, path="/", httponly=True, samesite="strict", secure=secure)
    response.delete_cookie(REFRESH, path=REFRESH_PATH, httponly=True, samesite="strict", secure=secure)
