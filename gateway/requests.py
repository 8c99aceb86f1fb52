"""What becomes known of a request on its way: whose it is, what it asked for, what it may still ask for."""

from __future__ import annotations

import math
from typing import Any, Final, NamedTuple

from starlette.types import Scope

from engine.tokens import Identity
from gateway.throttle import Allowance

SEEN: Final = "hft.seen"


class Quota(NamedTuple):
    """What the RateLimit headers say (draft-ietf-httpapi-ratelimit-headers)."""

    name: bytes
    allowance: Allowance

    @property
    def policy(self) -> tuple[bytes, int, int]:
        """Name, requests in one window, its seconds."""
        return self.name, self.allowance.limit, max(1, math.ceil(self.allowance.limit / self.allowance.per_second))

    @property
    def state(self) -> tuple[bytes, int, int]:
        """Name, requests left now, seconds until all are there again."""
        return self.name, self.allowance.remaining, math.ceil(self.allowance.reset_s)


class Seen:
    """Filled in by whoever learns it."""

    __slots__ = ("actor", "allowance", "body", "identity", "reason", "seq", "trace")

    def __init__(self) -> None:
        self.identity: Identity | None = None
        self.actor = ""
        """Of a request without a token: the user name that it gave."""
        self.allowance: Quota | None = None
        self.body = b""
        """As far as it was read."""
        self.reason: str | None = None
        """Why it was refused."""
        self.seq: int | None = None
        """Of the engine's command that it became."""
        self.trace = ""
        """`traceparent` of the order that it was about."""


def seen_of(scope: Scope | dict[str, Any]) -> Seen:
    """The request's own, made at first."""
    seen = scope.get(SEEN)
    if seen is None:
        seen = scope[SEEN] = Seen()
    assert isinstance(seen, Seen)
    return seen
