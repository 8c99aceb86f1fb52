"""One engine of several that are compared: commands one at a time, and a burst of frames."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import zmq
from numpy.typing import NDArray

from engine import frames
from engine.client import Client
from engine.words import FrameKind
from infra.bench.order_frames import OrderFrames, open_accounts
from infra.bench.sandbox import Sandbox
from infra.bench.zeromq import WARM_UP, keep_in_flight


class Side:
    """An engine of its own in `place`, started with more `environment`; it ends with the place."""

    def __init__(self, place: Sandbox, frame: int, **environment: str) -> None:
        place.start(place.engine(**environment))
        self.client: Client = place.client()
        open_accounts(self.client)
        self._burst = OrderFrames(self.client, frame)
        self._pairs = OrderFrames(self.client, 2)
        context = place.stack.enter_context(zmq.Context())
        self._socket = place.stack.enter_context(context.socket(zmq.DEALER))
        self._socket.connect(place.address)
        self._socket.send_multipart([bytes(8), b'{"type":"login","token":"%s"}' % place.token.encode()])
        self._socket.recv_multipart()
        self.singles(WARM_UP)
        self.client.submit_records(self._burst.next())

    def singles(self, count: int, pause_s: float = 0.0) -> NDArray[Any]:
        """Microseconds of each of `count` commands sent alone, new orders and their cancels in turns, `pause_s` after
        the answer to the one before."""
        pairs = (self._pairs.next().copy() for _ in range((count + 1) // 2))
        payloads = [frames.encode(FrameKind.COMMANDS, pair[k : k + 1]) for pair in pairs for k in (0, 1)]
        took = np.empty(count)
        for number, payload in enumerate(payloads[:count]):
            if pause_s:
                time.sleep(pause_s)
            started = time.perf_counter_ns()
            self._socket.send_multipart([number.to_bytes(8, "little"), payload])
            self._socket.recv_multipart()
            took[number] = (time.perf_counter_ns() - started) / 1000
        return took

    def burst(self, seconds: float) -> float:
        """Commands a second."""
        started = time.perf_counter()
        answered, _ = keep_in_flight(self.client, self._burst, lambda: True, started + seconds)
        return answered / (time.perf_counter() - started)
