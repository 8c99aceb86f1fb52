"""Alpaca's stream and REST by their own client (alpaca-py): what they say goes into a queue."""

from __future__ import annotations

import logging
import queue
import threading
import warnings
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from enum import Enum
from typing import Any, Final, NamedTuple

from requests import RequestException

from streams.feeds.alpaca.messages import MessageError, Quote, Trade, quote, trade

with warnings.catch_warnings():
    # alpaca-py uses an interface of websockets that has a successor.
    warnings.simplefilter("ignore", DeprecationWarning)
    from alpaca.common.exceptions import APIError
    from alpaca.data.enums import DataFeed
    from alpaca.data.historical import StockHistoricalDataClient
    from alpaca.data.live import StockDataStream
    from alpaca.data.requests import StockTradesRequest

log = logging.getLogger(__name__)

SECOND_NS: Final = 10**9
MOST_WAITING: Final = 200_000
"""Messages that may wait; beyond them the stream waits, and Alpaca ends a connection that is too slow."""
PUT_S: Final = 0.2


class Keys(NamedTuple):
    """Who we are there. Never logged: `repr` hides them."""

    key: str
    secret: str

    def __repr__(self) -> str:
        return "Keys(…)"


class State(Enum):
    """Of the connection."""

    UP = "up"
    DOWN = "down"


class SourceError(Exception):
    """Alpaca does not answer, or refuses; one line."""


Message = Quote | Trade | State


class Source:
    """The stream of some symbols, in a thread of its own, and REST for what it has missed."""

    def __init__(self, keys: Keys, symbols: Sequence[str], feed: str, stream_url: str, data_url: str) -> None:
        """`feed`: `iex` or `sip`. Empty addresses: Alpaca's own."""
        # On debug level it logs frames as bytes, and the first has the keys in it.
        logging.getLogger("websockets.client").setLevel(logging.INFO)
        self._symbols = list(symbols)
        self._feed = DataFeed(feed)
        self.messages: queue.Queue[Message] = queue.Queue(MOST_WAITING)
        self._rest = StockHistoricalDataClient(keys.key, keys.secret, raw_data=True, url_override=data_url or None)
        self._stream = _Stream(keys, self._feed, stream_url or None, self)
        self._stream.subscribe_quotes(self._on_quote, *symbols)
        self._stream.subscribe_trades(self._on_trade, *symbols)
        self._thread = threading.Thread(target=self._stream.run, name="alpaca", daemon=True)
        self._stopping = threading.Event()
        self._told = False

    def start(self) -> None:
        self._thread.start()

    @property
    def is_running(self) -> bool:
        """False where the client has given up: it only does so where the account has no subscription to the feed."""
        return self._thread.is_alive()

    def missed(self, since_ns: int) -> list[Trade]:
        """Trades of all symbols from then on, in the order of time. Raises `SourceError`."""
        start = datetime.fromtimestamp(since_ns // SECOND_NS, UTC)
        asked = StockTradesRequest(symbol_or_symbols=self._symbols, start=start, feed=self._feed)
        try:
            answer: Any = self._rest.get_stock_trades(asked)
        except (APIError, RequestException, ValueError) as error:
            raise SourceError(one_line(error)) from None
        found = [
            one
            for symbol, rows in answer.items()
            for row in rows
            if (one := self._read(lambda raw, symbol=symbol: trade(raw, symbol), row)) is not None
        ]
        return sorted((one for one in found if one.ts_ns >= since_ns), key=lambda one: one.ts_ns)

    def stop(self) -> None:
        self._stopping.set()
        if self._thread.is_alive():
            self._stream.stop()
            self._thread.join(timeout=10)

    async def _on_quote(self, raw: Any) -> None:
        self._put(self._read(quote, raw))

    async def _on_trade(self, raw: Any) -> None:
        self._put(self._read(trade, raw))

    def tell(self, state: State) -> None:
        """Of a connection that came or went."""
        self._put(state)

    def _read(self, how: Any, raw: Any) -> Any:
        try:
            return how(raw)
        except MessageError as error:
            if not self._told:
                log.warning("a message of Alpaca is left out (further ones silently): %s", error)
                self._told = True
            return None

    def _put(self, message: Message | None) -> None:
        """Waits for room: a quote or trade is not dropped here."""
        while message is not None and not self._stopping.is_set():
            try:
                self.messages.put(message, timeout=PUT_S)
                return
            except queue.Full:
                continue


class _Stream(StockDataStream):
    """Tells when the connection is up and when it is down; the client connects again by itself."""

    def __init__(self, keys: Keys, feed: DataFeed, url: str | None, source: Source) -> None:
        super().__init__(keys.key, keys.secret, raw_data=True, feed=feed, url_override=url)
        self._source = source
        self._is_up = False

    async def _send_subscribe_msg(self) -> None:
        await super()._send_subscribe_msg()
        if not self._is_up:
            self._is_up = True
            self._source.tell(State.UP)

    def stop(self) -> None:
        """Nothing to stop before the thread has begun."""
        if getattr(self, "_loop", None) is not None:
            super().stop()

    async def close(self) -> None:
        if self._is_up:
            self._is_up = False
            self._source.tell(State.DOWN)
        await super().close()


def drained(messages: queue.Queue[Message], wait_s: float, most: int = 1000) -> list[Message]:
    """What is there, waiting for the first."""
    try:
        found = [messages.get(timeout=wait_s)]
    except queue.Empty:
        return []
    while len(found) < most:
        try:
            found.append(messages.get_nowait())
        except queue.Empty:
            break
    return found


def newest_quotes(messages: Iterable[Message]) -> list[Message]:
    """Without the quotes that a later one of the same symbol in the same batch replaces. Trades and states keep their
    places: a state ends what can be replaced."""
    kept: list[Message] = []
    later: set[str] = set()
    for message in reversed(list(messages)):
        if isinstance(message, State):
            later.clear()
        elif isinstance(message, Quote):
            if message.symbol in later:
                continue
            later.add(message.symbol)
        kept.append(message)
    kept.reverse()
    return kept


def one_line(error: Exception) -> str:
    """What went wrong, in one line."""
    text = str(error).strip().splitlines()
    return f"{type(error).__name__}: {text[0][:200] if text else 'no answer'}"
