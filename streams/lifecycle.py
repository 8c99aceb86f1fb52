"""What every long-running process here shares: how it is asked to stop, and how it tells that a server is away."""

from __future__ import annotations

import logging
import signal
import threading
from types import FrameType


def stop_on_signals() -> threading.Event:
    """An event that SIGTERM and SIGINT set. Call from the main thread."""
    stop = threading.Event()

    def ask(number: int, frame: FrameType | None) -> None:
        stop.set()

    signal.signal(signal.SIGTERM, ask)
    signal.signal(signal.SIGINT, ask)
    return stop


class Outage:
    """Logs one line when a server is lost and one when it is back, however often it is noticed in between."""

    def __init__(self, log: logging.Logger, server: str) -> None:
        self._log = log
        self._server = server
        self._lock = threading.Lock()
        self.away = False

    def lost(self, cause: object) -> None:
        with self._lock:
            if not self.away:
                self.away = True
                text = str(cause).strip().splitlines()
                self._log.warning("%s is away (%s); trying again", self._server, text[0] if text else "no answer")

    def back(self) -> None:
        with self._lock:
            if self.away:
                self.away = False
                self._log.warning("%s is back", self._server)
