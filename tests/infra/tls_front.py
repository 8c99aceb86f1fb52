"""TLS in front of the embedded Postgres and Redis, whose own builds have none: what speaks to a client is OpenSSL."""

from __future__ import annotations

import asyncio
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

SSL_REQUEST: Final = bytes.fromhex("0000000804d2162f")
"""What a Postgres client asks first (protocol-flow: SSL session encryption); a Redis client begins with TLS at once."""


class Front:
    """Passes on to `target` what comes by TLS, and nothing else."""

    def __init__(self, certificate: Path, key: Path, target: tuple[str, int], *, postgres: bool) -> None:
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(certificate, key)
        self._target = target
        self._postgres = postgres
        self.accepted = 0
        """Connections that speak TLS, so far."""

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            if self._postgres:
                if await reader.readexactly(8) != SSL_REQUEST:
                    return
                writer.write(b"S")
                await writer.drain()
            await writer.start_tls(self._context)
            self.accepted += 1
            there, back = await asyncio.open_connection(*self._target)
            try:
                await asyncio.gather(self._copy(reader, back), self._copy(there, writer))
            finally:
                back.close()
        except (OSError, asyncio.IncompleteReadError):
            return
        finally:
            writer.close()

    async def _copy(self, source: asyncio.StreamReader, to: asyncio.StreamWriter) -> None:
        while data := await source.read(1 << 16):
            to.write(data)
            await to.drain()
        to.close()


@contextmanager
def running_front(front: Front) -> Iterator[int]:
    """The port on loopback that it listens at, in a thread, until the block ends."""
    loop = asyncio.new_event_loop()
    server = loop.run_until_complete(asyncio.start_server(front.handle, "127.0.0.1", 0))
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        yield server.sockets[0].getsockname()[1]
    finally:

        async def end() -> None:
            server.close()
            tasks = asyncio.all_tasks() - {asyncio.current_task()}
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

        asyncio.run_coroutine_threadsafe(end(), loop).result(30)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
