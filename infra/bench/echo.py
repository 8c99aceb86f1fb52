"""A bare ZeroMQ echo, in a process of its own: what a message costs before any engine."""

from __future__ import annotations

import sys
from pathlib import Path

import zmq


def main(address: str, ready_file: Path) -> None:
    """Until it is stopped."""
    with zmq.Context() as context, context.socket(zmq.ROUTER) as socket:
        socket.bind(address)
        ready_file.touch()
        while True:
            socket.send_multipart(socket.recv_multipart())


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
