"""The bytes of an HTTP answer, between uvicorn and the connection: what every head carries is added here, and a head
leaves together with its body."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Final

SECURITY: Final = {
    "content-security-policy": (
        "default-src 'self'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
        "connect-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
}
TLS_ONLY: Final = {"strict-transport-security": "max-age=31536000"}
"""Browsers that have seen the page over TLS once never ask for it without."""
CONTINUE: Final = b"HTTP/1.1 100 "
LENGTH: Final = b"\r\ncontent-length: "
"""As uvicorn writes it."""
END: Final = b"\r\n"


def lines(headers: dict[str, str]) -> bytes:
    return b"".join(f"{name}: {value}\r\n".encode() for name, value in headers.items())


PLAIN: Final = lines(SECURITY)
SECURE: Final = lines({**SECURITY, **TLS_ONLY})


class Answer:
    """What uvicorn writes one answer to. The lines that never change are put in as bytes: among the others uvicorn
    would look through each of them every time, 12 µs a request. A head whose body has a known length waits for it, so
    that both leave in one write and arrive in one segment; a stream's goes out at once."""

    __slots__ = ("_begun", "_head", "_scope", "_transport")

    def __init__(self, transport: asyncio.Transport, scope: Mapping[str, object]) -> None:
        self._transport = transport
        self._scope = scope
        self._begun = False
        self._head = b""
        """What waits for the body."""

    def write(self, data: bytes) -> None:
        if not self._begun and not data.startswith(CONTINUE):
            self._begun = True
            common = SECURE if self._scope["scheme"] == "https" else PLAIN
            data = data[: -len(END)] + common + END
            if LENGTH in data and self._scope["method"] != "HEAD":
                self._head = data
                return
        elif self._head:
            data, self._head = self._head + data, b""
        self._transport.write(data)

    def close(self) -> None:
        if self._head:
            self.write(b"")
        self._transport.close()

    def is_closing(self) -> bool:
        return self._transport.is_closing()
