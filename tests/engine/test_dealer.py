"""The socket's descriptor tells of a change once, to whichever call comes first."""

from __future__ import annotations

import asyncio
import os
from contextlib import suppress

import zmq

from engine.dealer import Dealer


class OneConnection:
    """A socket that takes nothing at first; while it then sends what waited, a message comes in, of which the
    descriptor tells nobody: the call that sent has taken note of it."""

    closed = False

    def __init__(self) -> None:
        self._told, self._tell = os.pipe()
        os.set_blocking(self._told, False)
        self._connected = False
        self._arrived = False
        self.sent: list[bytes] = []

    def getsockopt(self, option: int) -> int:
        if option == zmq.FD:
            return self._told
        with suppress(BlockingIOError):
            os.read(self._told, 1)  # whoever asks has heard of it
        return int(zmq.POLLOUT) * self._connected | int(zmq.POLLIN) * self._arrived

    def send(self, part: bytes, flags: int) -> None:
        if not self._connected:
            raise zmq.Again
        self.sent.append(part)
        self._arrived = not flags & zmq.SNDMORE

    def recv_multipart(self) -> list[bytes]:
        self._arrived = False
        return [b"answer"]

    def connect(self) -> None:
        self._connected = True
        os.write(self._tell, b"x")

    def close(self) -> None:
        os.close(self._told)
        os.close(self._tell)


def test_what_comes_while_waiting_messages_are_sent_is_read() -> None:
    async def talk() -> tuple[list[bytes], list[list[bytes]]]:
        socket, received = OneConnection(), list[list[bytes]]()
        dealer = Dealer(socket, received.append)
        waiting = dealer.send(b"1", b"ask")
        assert waiting is not None
        socket.connect()
        await waiting
        for _ in range(3):
            await asyncio.sleep(0)
        dealer.close()
        return socket.sent, received

    assert asyncio.run(talk()) == ([b"1", b"ask"], [[b"answer"]])
