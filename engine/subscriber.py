"""The Python client of the market-data PUB: `Subscriber` waits for its messages, `AsyncSubscriber` awaits them.

    with Subscriber("tcp://127.0.0.1:5556", trades=["AAPL"], books=["AAPL"]) as subscriber:
        message = subscriber.receive(1.0)

Where `missed` is true, messages were lost or the engine was started anew: `Client.market_data` gives the book and the
numbers to go on from, `Client.trades` the trades between.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Final, NamedTuple, Self

import zmq
import zmq.asyncio
from numpy.typing import NDArray

from engine import frames
from engine.market_data import HEARTBEAT_TOPIC, books_topic, trades_topic

QUEUE: Final = 100_000
"""Messages that wait to be read; later ones are lost then."""
TRADES: Final = "trades"
BOOKS: Final = "books"
HEARTBEAT: Final = "heartbeat"


class Message(NamedTuple):
    """One message of a stream."""

    stream: str
    """`trades`, `books` or `heartbeat`."""
    symbol: str
    """Empty for the heartbeat."""
    first: int
    """Number of the first record."""
    second: int
    """When numbering began."""
    records: NDArray[Any]
    """TRADE, BOOK or HEARTBEAT."""
    missed: bool
    """Whether messages of the stream are missing before this one."""


class Numbers:
    """Notices gaps."""

    def __init__(self) -> None:
        self._expected: dict[tuple[str, str], tuple[int, int]] = {}

    def note(self, stream: str, symbol: str, second: int, first: int, count: int) -> bool:
        """Whether anything is missing before these records; the first message of a stream tells of nothing before."""
        before = self._expected.get((stream, symbol))
        self._expected[stream, symbol] = (second, first + count)
        return before is not None and before != (second, first)


_DECODERS: Final = {
    TRADES: frames.decode_trades,
    BOOKS: frames.decode_book,
    HEARTBEAT: frames.decode_heartbeat,
}


class _Subscription:
    """What both subscribers do with their socket and its messages."""

    def __init__(self, socket: Any, address: str, trades: Sequence[str], books: Sequence[str]) -> None:
        self._numbers = Numbers()
        self._socket = socket
        socket.setsockopt(zmq.LINGER, 0)
        socket.setsockopt(zmq.RCVHWM, QUEUE)
        for topic in (*map(trades_topic, trades), *map(books_topic, books), HEARTBEAT_TOPIC):
            socket.setsockopt(zmq.SUBSCRIBE, topic)
        socket.connect(address)

    def _message(self, parts: list[bytes]) -> Message:
        stream, symbol = parts[0].decode().split("|")[:2]
        head, records = _DECODERS[stream](parts[1])
        missed = False
        if stream != HEARTBEAT:
            missed = self._numbers.note(stream, symbol, head.second, head.request_id, len(records))
        return Message(stream, symbol, head.request_id, head.second, records, missed)


class Subscriber(_Subscription):
    """One connection, used by one thread."""

    def __init__(self, address: str, *, trades: Sequence[str] = (), books: Sequence[str] = ()) -> None:
        """`trades`, `books`: symbols."""
        self._context = zmq.Context()
        super().__init__(self._context.socket(zmq.SUB), address, trades, books)

    def receive(self, timeout_s: float) -> Message | None:
        """The next message, None where none comes in time: then the engine is away, for it sends a heartbeat every
        second."""
        if not self._socket.poll(int(timeout_s * 1000)):
            return None
        return self._message(self._socket.recv_multipart())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        self._socket.close()
        self._context.term()


class AsyncSubscriber(_Subscription):
    """The same, for one event loop."""

    def __init__(self, address: str, *, trades: Sequence[str] = (), books: Sequence[str] = ()) -> None:
        """As `Subscriber`."""
        self._context = zmq.asyncio.Context()
        super().__init__(self._context.socket(zmq.SUB), address, trades, books)

    async def receive(self, timeout_s: float) -> Message | None:
        """As `Subscriber.receive`."""
        try:
            async with asyncio.timeout(timeout_s):
                return self._message(await self._socket.recv_multipart())
        except TimeoutError:
            return None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._socket.close()
        self._context.term()
