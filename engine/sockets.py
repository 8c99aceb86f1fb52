"""ZeroMQ sockets for messages that somebody waits for, and pyzmq's words as the plain numbers that they are."""

from __future__ import annotations

from typing import Final

import zmq
from zmq.backend import Socket

LAST: Final = int(zmq.NOBLOCK)
MORE: Final = int(zmq.NOBLOCK | zmq.SNDMORE)
EVENTS: Final = int(zmq.EVENTS)
READABLE: Final = int(zmq.POLLIN)
WRITABLE: Final = int(zmq.POLLOUT)
RCVMORE: Final = int(zmq.RCVMORE)
"""pyzmq's own are enums, whose every use costs microseconds."""


class PlainSocket(zmq.Socket[bytes]):
    """A socket whose `send` takes a part and flags alone: pyzmq's looks at four more arguments for each part, and its
    `send_multipart` at the type of each part first: microseconds of every message."""

    send = Socket.send  # type: ignore[assignment]
