"""What positions are valued at, and the agents' reference data, followed by a thread with a plain consumer.

The mark of a symbol is the middle of its best bid and ask where the latest book has both and they do not cross (in an
auction they may), else the price of its last trade (a printed, hidden one too). Books, trades, instruments and accounts
are read in whole by every worker.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable
from typing import Any, Final

import msgspec
from confluent_kafka import KafkaException, Message
from msgspec import Struct

from engine import messages, topics, words
from engine.units import Scale
from streams import ledger, records
from streams.consumer import Cursor, LogReader, Stopped, log_bounds, place
from streams.outbox import Outbox

log = logging.getLogger(__name__)

BATCH: Final = 5_000
WAIT_S: Final = 0.1
REFERENCE_WAIT_S: Final = 10.0


class Uncertain(RuntimeError):
    """What has to be known before a record can be judged could not be read."""


class TopOfBook(Struct, frozen=True):
    """The best prices of a book, null where a side is empty."""

    bid: str | None
    ask: str | None
    seq: int
    ts_ns: int


class LastTrade(Struct, frozen=True):
    price: str
    seq: int
    index: int
    ts_ns: int


def mark(book: TopOfBook | None, trade: LastTrade | None, held: messages.Position, scale: Scale) -> records.Price:
    """What a position is valued at: the middle of a book with both sides that do not cross, else the last trade; where
    the tape lags behind the position, its own last fill is that. Raises `ValueError` where a price is no whole number
    of ticks."""
    if book is not None and book.bid is not None and book.ask is not None:
        bid, ask = records.ticks(book.bid, scale), records.ticks(book.ask, scale)
        if bid < ask:
            return records.Price(bid + ask, "mid", book.seq, book.ts_ns)
    if trade is None or trade.seq < held.last_seq:
        return records.Price(2 * records.ticks(held.last_price, scale), "last", held.last_seq, held.ts_ns)
    return records.Price(2 * records.ticks(trade.price, scale), "last", trade.seq, trade.ts_ns)


class Follower:
    """Follows `books`, `trades`, `instruments` and `accounts`. Its dictionaries hold values that never change, so that
    they can be read from any thread."""

    def __init__(self, bootstrap: str, outbox: Outbox) -> None:
        self.scales: dict[str, Scale] = {}
        self.accounts: dict[str, messages.Account] = {}
        self.methods: dict[str, str] = {}
        """Account → its `words.CostMethod`."""
        self.books: dict[str, TopOfBook] = {}
        self.trades: dict[str, LastTrade] = {}
        self.cursor: Cursor = {}
        self.failure: Exception | None = None
        self._bootstrap = bootstrap
        self._outbox = outbox
        self._changed: set[str] = set()
        self._changed_accounts: set[str] = set()
        self._changing = threading.Lock()
        self._stop = threading.Event()
        self._advanced = threading.Condition()
        names = [topic.name for topic in (topics.INSTRUMENTS, topics.ACCOUNTS, topics.BOOKS, topics.TRADES)]
        self._reader = LogReader(bootstrap, names, name="streams-marks", stop=self._stop, log=log)
        self._thread = threading.Thread(target=self._run, name="marks", daemon=True)
        self._handlers: dict[str, Callable[[Any], None]] = {
            topics.INSTRUMENTS.name: self._on_instrument,
            topics.ACCOUNTS.name: self._on_account,
            topics.BOOKS.name: self._on_book,
            topics.TRADES.name: self._on_trade,
        }
        self._decoders: dict[str, msgspec.json.Decoder[Any]] = {
            name: msgspec.json.Decoder(topics.BY_NAME[name].record) for name in names
        }

    # ------------------------------------------------------------------------------------------- for the agents

    def start(self, cursor: Cursor) -> None:
        """Begins to follow; books and trades resume at `cursor`. Raises as `LogReader.start` does."""
        self._reader.start(cursor)
        self.cursor = dict(self._reader.cursor)
        self._thread.start()

    def wait_caught_up(self, limit_s: float) -> bool:
        """Whether all that the topics held at the time of the call was read within `limit_s`."""
        limit = time.monotonic() + limit_s
        try:
            bounds = log_bounds(self._bootstrap, self._reader.topics)
        except KafkaException:
            return False
        with self._advanced:
            return self._advanced.wait_for(
                lambda: (
                    self.failure is not None
                    or all(self.cursor.get(partition, 0) >= end for partition, (_, end) in bounds.items())
                ),
                max(0.0, limit - time.monotonic()),
            )

    def check(self) -> None:
        """Raises what ended the thread, if anything has."""
        if self.failure is not None:
            raise self.failure

    def scale(self, symbol: str, limit_s: float) -> Scale | None:
        """The instrument's scale, None where there surely is no such instrument: one that is not known is waited for
        until the topics are read to their end. Raises `Uncertain` where that cannot be."""
        found = self.scales.get(symbol)
        if found is None:
            if not self.wait_caught_up(limit_s):
                raise Uncertain(f"whether there is an instrument {symbol} is not known: Kafka did not tell in time")
            self.check()
            found = self.scales.get(symbol)
        return found

    def method(self, account: str, limit_s: float) -> str | None:
        """How the account counts the cost of what it sells, None where there surely is no such account. Waits and
        raises as `scale` does."""
        found = self.methods.get(account)
        if found is None:
            if not self.wait_caught_up(limit_s):
                raise Uncertain(f"whether there is an account {account} is not known: Kafka did not tell in time")
            self.check()
            found = self.methods.get(account)
        return found

    async def known_scale(self, symbol: str) -> Scale:
        """As `scale`, for the agents. Raises `Unusable` where there is no such instrument."""
        found = self.scales.get(symbol)
        if found is None:
            found = await asyncio.to_thread(self.scale, symbol, REFERENCE_WAIT_S)
            if found is None:
                raise records.Unusable(words.Reason.UNKNOWN_SYMBOL, "symbol", f"there is no instrument {symbol}")
        return found

    async def known_method(self, account: str) -> str:
        """As `method`, for the agents. Raises `Unusable` where there is no such account."""
        found = self.methods.get(account)
        if found is None:
            found = await asyncio.to_thread(self.method, account, REFERENCE_WAIT_S)
            if found is None:
                raise records.Unusable(words.Reason.UNKNOWN_ACCOUNT, "account", f"there is no account {account}")
        return found

    def price(self, held: messages.Position, scale: Scale) -> records.Price:
        """What the position is valued at; raises as `mark` does."""
        return mark(self.books.get(held.symbol), self.trades.get(held.symbol), held, scale)

    def take_changes(self) -> tuple[set[str], set[str]]:
        """Symbols whose mark may have changed, and accounts that have, since the last call."""
        with self._changing:
            symbols, self._changed = self._changed, set()
            accounts, self._changed_accounts = self._changed_accounts, set()
        return symbols, accounts

    def stop(self) -> None:
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(5.0)

    # ------------------------------------------------------------------------------------------- its own thread

    def _run(self) -> None:
        try:
            while not self._stop.is_set():
                batch = self._reader.read(BATCH, WAIT_S)
                for message in batch:
                    self._take(message)
                with self._advanced:
                    self.cursor = dict(self._reader.cursor)
                    self._advanced.notify_all()
        except Stopped:
            pass
        except Exception as error:
            self.failure = error
            with self._advanced:
                self._advanced.notify_all()
        finally:
            self._reader.close()

    def _take(self, message: Message) -> None:
        source = place(message)
        try:
            self._handlers[source.topic](self._decoders[source.topic].decode(message.value() or b""))
        except (msgspec.DecodeError, ValueError, ArithmeticError) as error:
            self._outbox.dead_letter(
                source,
                message.key(),
                message.value(),
                message.timestamp()[1] * 1_000_000,
                words.Reason.MALFORMED,
                None,
                str(error),
            )

    def _on_instrument(self, record: messages.Instrument) -> None:
        tick, lot = records.decimal(record.tick_size), records.decimal(record.lot_size)
        known = self.scales.get(record.symbol)
        if known is None or (known.tick, known.lot) != (tick, lot):
            self.scales[record.symbol] = Scale(tick, lot)

    def _on_account(self, record: messages.Account) -> None:
        records.money(record.deposits)
        if record.cost_method not in ledger.APPLY:
            raise ValueError(f"{record.cost_method!r} is no cost method")
        self.accounts[record.account] = record
        self.methods[record.account] = record.cost_method
        with self._changing:
            self._changed_accounts.add(record.account)

    def _on_book(self, record: messages.Book) -> None:
        known = self.books.get(record.symbol)
        if known is not None and record.seq <= known.seq:
            return
        bid = record.bids[0][0] if record.bids else None
        ask = record.asks[0][0] if record.asks else None
        scale = self.scales.get(record.symbol)
        for price in (bid, ask):
            if price is not None and scale is not None:
                records.ticks(price, scale)
        self.books[record.symbol] = TopOfBook(bid, ask, record.seq, record.ts_ns)
        if known is None or (known.bid, known.ask) != (bid, ask):
            with self._changing:
                self._changed.add(record.symbol)

    def _on_trade(self, record: messages.Trade) -> None:
        known = self.trades.get(record.symbol)
        if known is not None and (record.seq, record.index) <= (known.seq, known.index):
            return
        if (scale := self.scales.get(record.symbol)) is not None:
            records.ticks(record.price, scale)
        self.trades[record.symbol] = LastTrade(record.price, record.seq, record.index, record.ts_ns)
        if known is None or known.price != record.price:
            with self._changing:
                self._changed.add(record.symbol)

    # ------------------------------------------------------------------------------------------ to be saved, and back

    def snapshot(self) -> tuple[Cursor, dict[str, dict[str, Any]]]:
        """Where books and trades were read to, and the last price of each symbol as plain data."""
        followed = (topics.BOOKS.name, topics.TRADES.name)
        with self._advanced:
            cursor = {partition: offset for partition, offset in self.cursor.items() if partition[0] in followed}
            books, trades = dict(self.books), dict(self.trades)
        return cursor, {
            symbol: {
                "book": msgspec.to_builtins(books.get(symbol)),
                "trade": msgspec.to_builtins(trades.get(symbol)),
            }
            for symbol in books.keys() | trades.keys()
        }

    def restore(self, symbol: str, state: dict[str, Any]) -> None:
        """Takes back what `snapshot` gave of one symbol. Before `start` only."""
        book = msgspec.convert(state["book"], TopOfBook | None)
        trade = msgspec.convert(state["trade"], LastTrade | None)
        if book is not None:
            self.books[symbol] = book
        if trade is not None:
            self.trades[symbol] = trade
