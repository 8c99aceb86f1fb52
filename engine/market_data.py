"""The market-data PUB: every trade, and conflated books, numbered without gaps for each symbol (docs/zeromq.md).

It runs in the engine's thread, after the replies: whoever waits for a reply does not wait for it. Books that nobody has
subscribed to cost nothing but the note of when they changed (the socket is an XPUB, which tells)."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any, Final

import numpy as np
import zmq
from numpy.typing import NDArray

from engine import frames
from engine.core import Core
from engine.direct import direct
from engine.jit import entry
from engine.layout import BOOK, BOOK_LEVELS, HEARTBEAT, REPORT, TRADE
from engine.words import ExecType, FrameKind, Liquidity

BOOK_SECONDS: Final = 0.05
"""A book is sent at most this often."""
BOOKS_AT_ONCE: Final = 4
"""Books sent in one round of the engine's loop: commands are not kept waiting for more."""
HEARTBEAT_SECONDS: Final = 1.0
KEPT_TRADES: Final = 1000
"""Of each instrument, for those who have missed some."""
LONGEST_TOPIC: Final = 64
MOST_TOPICS: Final = 10_000
SEND_QUEUE: Final = 10_000
"""Messages that wait for a subscriber; one that is slower loses some, and finds out by their numbers."""

HEARTBEAT_TOPIC: Final = b"heartbeat|"
NEVER: Final = -1.0
PRINT: Final = int(ExecType.PRINT)
TRADED: Final = int(ExecType.TRADE)
TAKER: Final = int(Liquidity.TAKER)


def trades_topic(symbol: str) -> bytes:
    """The bar at the end keeps a subscription to `A` from matching `AAPL`."""
    return f"trades|{symbol}|".encode()


def books_topic(symbol: str) -> bytes:
    return f"books|{symbol}|".encode()


@entry
def scan(reports: Any, wanted: Any, changed_ns: Any, changed: Any, trades: Any) -> int:
    """Notes when the instruments that REPORT records are of changed (by their numbers), marks those of them that are
    `wanted`, and writes TRADE records: one for each match (its taker's report tells it) and each print. Returns how
    many, negative and less one where something was marked."""
    count = 0
    marked = False
    for row in range(len(reports)):
        instrument = reports["instrument"][row]
        if instrument < len(changed_ns):
            changed_ns[instrument] = reports["ts_ns"][row]
            if wanted[instrument]:
                changed[instrument] = 1
                marked = True
        kind = reports["exec_type"][row]
        if kind == PRINT or (kind == TRADED and reports["liquidity"][row] == TAKER):
            trades["seq"][count] = reports["seq"][row]
            trades["ts_ns"][count] = reports["ts_ns"][row]
            trades["transact_ns"][count] = reports["transact_ns"][row]
            trades["price"][count] = reports["last_price"][row]
            trades["quantity"][count] = reports["last_quantity"][row]
            trades["match"][count] = reports["match"][row]
            trades["instrument"][count] = instrument
            trades["aggressor_side"][count] = reports["side"][row]
            trades["exec_type"][count] = kind
            count += 1
    return -1 - count if marked else count


class Stream:
    """One instrument's numbers and what is kept of it."""

    def __init__(self) -> None:
        self.next_trade = 1
        self.next_book = 1
        self.kept: deque[NDArray[Any]] = deque()
        """TRADE records, the last ones."""
        self.kept_size = 0
        self.sent = NEVER
        """When its book was last sent."""

    def keep(self, trades: NDArray[Any]) -> None:
        self.kept.append(trades)
        self.kept_size += len(trades)
        while self.kept_size - len(self.kept[0]) >= KEPT_TRADES:
            self.kept_size -= len(self.kept.popleft())

    def last_trades(self) -> NDArray[Any]:
        """At most KEPT_TRADES, oldest first; the last one's number is `next_trade` − 1."""
        if not self.kept:
            return np.zeros(0, TRADE)
        return np.concatenate(list(self.kept))[-KEPT_TRADES:]


class MarketData:
    """The socket and the streams."""

    def __init__(self, context: zmq.Context[Any], address: str, core: Core, clock_ns: Callable[[], int]) -> None:
        """Raises zmq.ZMQError where the address is taken."""
        self._core = core
        self._clock_ns = clock_ns
        self.second = clock_ns() // 1_000_000_000
        """When numbering began: another one means that the engine was started anew, and numbers from 1."""
        self._socket = context.socket(zmq.XPUB)
        self._socket.setsockopt(zmq.LINGER, 0)
        self._socket.setsockopt(zmq.SNDHWM, SEND_QUEUE)
        self._socket.setsockopt(zmq.MAXMSGSIZE, 2 * LONGEST_TOPIC)
        self._socket.setsockopt(zmq.XPUB_VERBOSER, 1)
        self._socket.bind(address)
        self._topics: dict[bytes, int] = {}
        """What is subscribed to → by how many."""
        self._streams: dict[int, Stream] = {}
        self._changed: dict[int, None] = {}
        """Instruments whose book is wanted and has changed since it was sent, the longest waiting first."""
        self._wanted = self._marked = np.zeros(0, np.uint8)
        """By instrument: whether somebody has subscribed to its book, and whether `scan` has just seen it change."""
        self._changed_ns = np.zeros(0, np.int64)
        self._found = np.zeros(0, TRADE)
        """Room for what `scan` finds."""
        self._looked = NEVER
        self._beaten = NEVER
        self._scan = direct(scan, np.zeros(0, REPORT), self._wanted, self._changed_ns, self._marked, self._found)

    def stream(self, instrument: int) -> Stream:
        """By the instrument's number."""
        found = self._streams.get(instrument)
        if found is None:
            found = self._streams[instrument] = Stream()
        return found

    def _is_wanted(self, topic: bytes) -> bool:
        return any(topic.startswith(subscribed) for subscribed in self._topics)

    def _symbol(self, instrument: int) -> str:
        return self._core.instruments.by_number(instrument).definition.symbol

    # ------------------------------------------------------------------------------------------------ what happens

    def follow(self, reports: NDArray[Any]) -> None:
        """Takes note of REPORT records and sends their trades."""
        if len(self._wanted) <= len(self._core.instruments):
            self._look_who_wants()
        if len(reports) > len(self._found):
            self._found = np.zeros(len(reports), TRADE)
        count = self._scan(reports, self._wanted, self._changed_ns, self._marked, self._found)
        if count < 0:
            count = -1 - count
            for instrument in np.flatnonzero(self._marked).tolist():
                self._changed.setdefault(instrument)
            self._marked[:] = 0
        if count == 0:
            return
        trades = self._found[:count].copy()
        for instrument in np.unique(trades["instrument"]).tolist():
            self._send_trades(instrument, trades[trades["instrument"] == instrument])

    def _look_who_wants(self) -> None:
        """After a subscription, or where instruments have come."""
        instruments = self._core.instruments
        self._marked = np.zeros(len(instruments) + 1, np.uint8)
        self._wanted = np.zeros(len(instruments) + 1, np.uint8)
        for instrument in instruments:
            self._wanted[instrument.number] = self._is_wanted(books_topic(instrument.definition.symbol))
        known, self._changed_ns = self._changed_ns, np.zeros(len(instruments) + 1, np.int64)
        self._changed_ns[: len(known)] = known

    def changed_ns(self, instrument: int) -> int:
        """Of the last report of the instrument with this number; 0: there was none."""
        return int(self._changed_ns[instrument]) if instrument < len(self._changed_ns) else 0

    def note_change(self, instrument: int) -> None:
        """The book or phase of the instrument with this number is another one now, without a report."""
        self._changed.setdefault(instrument)

    def _send_trades(self, instrument: int, trades: NDArray[Any]) -> None:
        stream = self.stream(instrument)
        number = stream.next_trade
        stream.next_trade += len(trades)
        stream.keep(trades)
        topic = trades_topic(self._symbol(instrument))
        if not self._is_wanted(topic):
            return
        for start in range(0, len(trades), frames.MOST_COMMANDS):
            part = trades[start : start + frames.MOST_COMMANDS]
            self._send(topic, frames.encode(FrameKind.TRADES, part, number + start, second=self.second))

    def _send(self, topic: bytes, payload: bytes) -> None:
        self._socket.send_multipart([topic, payload], zmq.NOBLOCK)

    # ---------------------------------------------------------------------------------------------------- by time

    def step(self, now: float) -> None:
        """What is due at `now` (seconds of a steady clock): books, the heartbeat."""
        if now - self._looked >= BOOK_SECONDS:
            self._looked = now
            self._read_subscriptions()
        if now - self._beaten >= HEARTBEAT_SECONDS:
            self._beaten = now
            beat = np.zeros(1, HEARTBEAT)
            beat["seq"], beat["ts_ns"] = self._core.last_seq, self._clock_ns()
            self._send(HEARTBEAT_TOPIC, frames.encode(FrameKind.HEARTBEAT, beat, second=self.second))
        if self._changed:
            self._send_books(now)

    def _send_books(self, now: float) -> None:
        sent = 0
        for instrument in list(self._changed):
            stream = self.stream(instrument)
            topic = books_topic(self._symbol(instrument))
            if not self._is_wanted(topic):
                del self._changed[instrument]
            elif now - stream.sent >= BOOK_SECONDS:
                del self._changed[instrument]
                stream.sent = now
                number, stream.next_book = stream.next_book, stream.next_book + 1
                book = self.book(instrument)
                self._send(topic, frames.encode(FrameKind.BOOK, book, number, second=self.second))
                sent += 1
                if sent == BOOKS_AT_ONCE:
                    return

    def book(self, instrument: int) -> NDArray[Any]:
        """One BOOK record: the instrument's book as it stands now."""
        book = np.zeros(1, BOOK)
        book["seq"] = self._core.last_seq
        book["ts_ns"] = self.changed_ns(instrument)
        book["instrument"] = instrument
        book["phase"] = int(self._core.phase(instrument))
        book["indicative_price"], book["indicative_quantity"] = self._core.indicative(instrument)
        bids, asks = self._core.depth(instrument, BOOK_LEVELS)
        for levels, count, side in ((bids, "bids", "bid"), (asks, "asks", "ask")):
            book[count] = len(levels)
            for column, name in enumerate(("price", "quantity", "orders")):
                book[side][0, : len(levels)][name] = levels[:, column]
        return book

    def _read_subscriptions(self) -> None:
        """Notes who wants what; a new subscriber to a book is sent it."""
        news = False
        while self._socket.poll(0):
            news = True
            message = self._socket.recv()
            subscribed, topic = message[:1] == b"\1", message[1:]
            count = self._topics.get(topic, 0) + (1 if subscribed else -1)
            if count > 0:
                if topic in self._topics or len(self._topics) < MOST_TOPICS:
                    self._topics[topic] = count
            else:
                self._topics.pop(topic, None)
            if subscribed:
                for entry in self._core.instruments:
                    if books_topic(entry.definition.symbol).startswith(topic):
                        self.note_change(entry.number)
        if news:
            self._look_who_wants()

    def close(self) -> None:
        self._socket.close()
