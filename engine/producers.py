"""Who produced a record of the topic `orders`: Kafka does not say it, so a record may carry a token in its header."""

from __future__ import annotations

from collections.abc import Callable, Container
from typing import Final

from engine.known_tokens import KnownTokens
from engine.refusal import Refusal
from engine.tokens import Identity, InvalidToken
from engine.words import Reason

HEADER: Final = "token"
"""Kafka header with the token of whom the record is from."""
ANYBODY: Final = b"kafka"
"""The actor of records that need no token."""


class Producers:
    """Checks the tokens of records."""

    def __init__(self, secret: str, revocations: Container[str], clock_ns: Callable[[], int]) -> None:
        self._tokens = KnownTokens(secret)
        self._revocations = revocations
        self._clock_ns = clock_ns

    def identity(self, token: bytes | None) -> Identity:
        """Whose record it is. Raises `Refusal` where its token lets nobody trade now."""
        if token is None:
            raise Refusal(Reason.NOT_AUTHORIZED, HEADER, f"the record's header {HEADER} must say who sends it")
        try:
            identity = self._tokens.verify(token.decode("ascii", "replace"), self._clock_ns() / 1e9)
        except InvalidToken as error:
            raise Refusal(Reason.NOT_AUTHORIZED, HEADER, str(error)) from None
        if identity.session in self._revocations:
            raise Refusal(Reason.NOT_AUTHORIZED, HEADER, "the token has been revoked")
        if not identity.may_trade:
            raise Refusal(Reason.NOT_AUTHORIZED, "account", f"the role {identity.role} may not trade")
        return identity
