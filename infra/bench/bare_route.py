"""What the gateway's order route is measured beside: a Starlette application whose one route verifies the same token
and parses the same body, in the same server."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path
from typing import Any

import msgspec
import uvloop
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from engine.tokens import verify
from gateway.orders import NewOrderBody
from gateway.server import Server

SECRET = "HFT_JWT_SECRET"


def application(secret: str) -> Starlette:
    decoder = msgspec.json.Decoder(NewOrderBody)

    async def order(request: Request) -> Response:
        identity = verify(secret, request.headers["authorization"].removeprefix("Bearer "))
        body = decoder.decode(await request.body())
        return Response(
            msgspec.json.encode({"actor": identity.actor, "symbol": body.symbol}), 201, media_type="application/json"
        )

    return Starlette(routes=[Route("/api/order", order, methods=["POST"])])


def main(port: int, ready_file: Path) -> None:
    server = Server(application(os.environ[SECRET]), "127.0.0.1", port)

    def stop(number: int, frame: Any) -> None:
        server.should_exit = True

    signal.signal(signal.SIGTERM, stop)

    async def serve() -> None:
        serving = asyncio.create_task(server.serve())
        while not server.started:
            await asyncio.sleep(0.01)
        ready_file.touch()
        await serving

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve())


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]))
