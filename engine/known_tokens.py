"""Tokens whose signature has been computed before: it takes longer than everything else about them."""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

from engine.tokens import Identity, InvalidToken, verify

REMEMBERED: Final = 4096
"""Tokens; the longest unused ones are forgotten."""


class KnownTokens:
    def __init__(self, secret: str, remembered: int = REMEMBERED) -> None:
        self._secret = secret
        self._remembered = remembered
        self._known: OrderedDict[str, Identity] = OrderedDict()

    def verify(self, token: str, now_s: float) -> Identity:
        """As `tokens.verify`, at this time (seconds since the epoch) for a token that was good before."""
        identity = self._known.get(token)
        if identity is None:
            identity = self._known[token] = verify(self._secret, token)
            if len(self._known) > self._remembered:
                self._known.popitem(last=False)
            return identity
        if identity.expires_s <= now_s:
            del self._known[token]
            raise InvalidToken("the token has expired")
        self._known.move_to_end(token)
        return identity
