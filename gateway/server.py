"""The HTTP server: uvicorn, stopped by whoever started it, with one thing that ASGI lacks: cutting a connection."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable, Iterator
from typing import Final

import uvicorn
from starlette.types import ASGIApp, Scope
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from gateway.bodies import LARGEST_BODY

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

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope["extensions"] = {ABORT: self.transport.abort}  # type: ignore[dict-item]


class WebSocketProtocol(WebSocketsSansIOProtocol):
    async def run_asgi(self) -> None:
        self.scope["extensions"][ABORT] = self.transport.abort  # type: ignore[assignment]
        await super().run_asgi()


class Server(uvicorn.Server):
    """Ends when `should_exit` is set; leaves the process's signals to its owner."""

    def __init__(self, app: ASGIApp, host: str, port: int) -> None:
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
        )
        super().__init__(config)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield
