"""The HTTP server: uvicorn, stopped by whoever started it, with one thing that ASGI lacks: cutting a connection."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import msgspec
import uvicorn
from starlette.types import ASGIApp, Scope
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from engine.words import Reason
from gateway.answer import Answer
from gateway.bodies import LARGEST_BODY
from gateway.problems import MEDIA_TYPE, Problem

ABORT: Final = "hft.abort"
"""ASGI extension: a function that drops the connection at once, with whatever waits to be sent."""
STOP_S: Final = 1
SEND_BUFFER: Final = 128 * 1024
"""Bytes of a connection that the kernel holds, before those that uvicorn holds."""


def abort_of(scope: Scope) -> Callable[[], None]:
    """How to drop this connection. A peer that reads nothing would keep an ordinary close waiting for ever."""
    abort: Callable[[], None] = scope["extensions"][ABORT]
    return abort


class HttpProtocol(HttpToolsProtocol):
    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        # Else the kernel keeps megabytes for each client that reads nothing.
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)

    def send_400_response(self, msg: str) -> None:
        """What is no HTTP is answered as every other error is; in the middle of an answer there is no place for it."""
        if self.cycle is not None and self.cycle.response_started and not self.cycle.response_complete:
            self.transport.close()
            return
        problem = Problem(400, Reason.MALFORMED.wire, "this is no HTTP/1.1 request")
        body = msgspec.json.encode(problem.body())
        head = (
            "HTTP/1.1 400 Bad Request",
            f"content-type: {MEDIA_TYPE}",
            f"content-length: {len(body)}",
            "cache-control: no-store",
            "connection: close",
        )
        self.transport.write("\r\n".join(head).encode() + b"\r\n\r\n" + body)
        self.transport.close()

    def on_headers_complete(self) -> None:
        before = self.cycle
        super().on_headers_complete()
        if self.cycle is not before:  # else it is a WebSocket's
            self.cycle.transport = Answer(self.transport, self.scope)  # type: ignore[assignment]

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope["extensions"] = {ABORT: self.transport.abort}  # type: ignore[dict-item]


class WebSocketProtocol(WebSocketsSansIOProtocol):
    async def run_asgi(self) -> None:
        self.scope["extensions"][ABORT] = self.transport.abort  # type: ignore[assignment]
        await super().run_asgi()


class Server(uvicorn.Server):
    """Ends when `should_exit` is set; leaves the process's signals to its owner."""

    def __init__(self, app: ASGIApp, host: str, port: int, certificate: tuple[Path, Path] | None = None) -> None:
        """With a certificate (PEM files: its chain, its key) it speaks TLS, 1.2 or later."""
        chain, key = certificate or (None, None)
        config = uvicorn.Config(
            app,
            host=host,
            port=port,
            loop="uvloop",
            http=HttpProtocol,
            ws=WebSocketProtocol,
            ws_max_size=LARGEST_BODY,
            # Market data is short messages, which compression makes slower and hardly smaller.
            ws_per_message_deflate=False,
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=STOP_S,
            ssl_certfile=chain,
            ssl_keyfile=key,
        )
        super().__init__(config)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield
