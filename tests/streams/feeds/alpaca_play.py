"""The process of Alpaca's market data at work, and a story beside it."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from streams.feeds import alpaca as feed
from tests.engine.doors import SECRET as ENGINE_SECRET
from tests.streams.feeds.alpaca_server import KEY, SECRET, AlpacaServer


def play(
    address: str,
    server: AlpacaServer,
    instruments: Path,
    story: Callable[[], None],
    *,
    symbols: Sequence[str] = ("AAPL",),
    secret: str = SECRET,
) -> None:
    """Runs the process of the feed in this thread, as it takes signals, and the story in another, which ends both."""
    failed: list[BaseException] = []

    def tell() -> None:
        try:
            story()
        except BaseException as error:
            failed.append(error)
        os.kill(os.getpid(), signal.SIGTERM)

    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    teller = threading.Thread(target=tell)
    teller.start()
    try:
        feed.run(
            address, ENGINE_SECRET, instruments, symbols, "iex", (KEY, secret), server.stream_url, server.data_url,
            ready=lambda: None,
        )  # fmt: skip
        teller.join()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if failed:
        raise failed[0]
