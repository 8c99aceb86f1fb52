"""Clients that do not read, and enough events to notice."""

from __future__ import annotations

import socket
from collections.abc import Callable
from decimal import Decimal

from engine.client import Client
from engine.messages import NewOrder
from tests.gateway.running import Running

FRAME = 200
FRAMES = 250


def narrow(gateway: Running) -> socket.socket:
    """A connection to the gateway whose window is as small as it can be."""
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
    connection.connect(("127.0.0.1", gateway.port))
    return connection


def flood(engine: Client, account: str, symbol: str, *, while_: Callable[[], bool]) -> list[str]:
    """Resting orders of the account, frame after frame; their ids."""
    placed: list[str] = []
    while while_():
        orders = [
            NewOrder(account=account, symbol=symbol, side="buy", quantity=Decimal(1), limit_price=Decimal(10))
            for _ in range(FRAME)
        ]
        placed += [reply.order_id or "" for reply in engine.submit(orders)]
        assert len(placed) < FRAME * FRAMES
    return placed
