"""A DEALER socket in an event loop, by the descriptor that ZeroMQ gives for it: `zmq.asyncio` makes futures and calls
of every message, in each direction."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any, Final

import zmq

from engine.sockets import EVENTS, LAST, MORE, READABLE, WRITABLE

MOST_AT_ONCE: Final = 256
"""Messages read before the loop turns to anything else."""


class Dealer:
    """Messages of parts, both ways. Must be made, used and closed in one running loop."""

    def __init__(self, socket: Any, received: Callable[[list[bytes]], None]) -> None:
        """`received` is called with each message, and must not raise."""
        self._socket = socket
        self._received = received
        self._loop = asyncio.get_running_loop()
        self._unsent: deque[tuple[bytes, bytes, asyncio.Future[None]]] = deque()
        self._looking = False
        self._descriptor = socket.getsockopt(zmq.FD)
        self._loop.add_reader(self._descriptor, self._look)

    def send(self, number: bytes, payload: bytes) -> asyncio.Future[None] | None:
        """Sends two parts; where no connection takes them now, a future that is done once one has. What it is canceled
        for before is never sent."""
        if not self._unsent and self._try(number, payload):
            self._look_soon()
            return None
        future: asyncio.Future[None] = self._loop.create_future()
        self._unsent.append((number, payload, future))
        self._look_soon()
        return future

    def _try(self, number: bytes, payload: bytes) -> bool:
        try:
            self._socket.send(number, MORE)
            self._socket.send(payload, LAST)
        except zmq.Again:  # also where the connection ended between the parts: then libzmq drops the first one
            return False
        return True

    def _look_soon(self) -> None:
        """The descriptor tells of a change once, and any call may have been the one that took note of it."""
        if not self._looking and self._socket.getsockopt(EVENTS) & (
            READABLE if not self._unsent else READABLE | WRITABLE
        ):
            self._looking = True
            self._loop.call_soon(self._look)

    def _look(self) -> None:
        """Reads what is there, and sends what waits."""
        self._looking = False
        socket = self._socket
        if socket.closed:
            return
        for _ in range(MOST_AT_ONCE):
            events = socket.getsockopt(EVENTS)
            if events & WRITABLE and self._unsent:
                self._send_waiting()  # which may have taken note of a message that came meanwhile
                continue
            if not events & READABLE:
                return
            self._received(socket.recv_multipart())
        self._look_soon()

    def _send_waiting(self) -> None:
        while self._unsent:
            number, payload, future = self._unsent[0]
            if not future.done():
                if not self._try(number, payload):
                    return
                future.set_result(None)
            self._unsent.popleft()

    @property
    def is_closed(self) -> bool:
        return bool(self._socket.closed)

    def close(self) -> None:
        """What waits is given up, and never sent."""
        self._loop.remove_reader(self._descriptor)
        for _, _, future in self._unsent:
            future.cancel()
        self._unsent.clear()
        self._socket.close()
