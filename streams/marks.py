"""What positions are valued at, and the agents' reference data, followed by a thread with a plain consumer.

The mark of a symbol is the middle of its best bid and ask where the latest book has both and they do not cross (in an
auction they may), else the price of its last trade (a printed, hidden one too); or another one by the setting. Books,
trades, instruments, accounts and corporate actions are read in whole by every worker.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Iterable
from typing import Any, Final, NamedTuple

import msgspec
from confluent_kafka import KafkaException, Message
from msgspec import Struct

from engine import messages, topics, words
from engine.traces import of_headers
from engine.units import Scale
from engine.words import Phase
from streams import corporate_actions, ledger, records, versions
from streams.consumer import Cursor, LogReader, Stopped, log_bounds, place
from streams.outbox import Outbox

log = logging.getLogger(__name__)

MID, LAST = words.MarkSource.MID.wire, words.MarkSource.LAST.wire
CLOSING, ADJUSTED = words.MarkSource.CLOSING.wire, words.MarkSource.ADJUSTED.wire

BATCH: Final = 5_000
WAIT_S: Final = 0.1
REFERENCE_WAIT_S: Final = 10.0


class Uncertain(RuntimeError):
    """What has to be known before a record can be judged could not be read."""


class TopOfBook(Struct, frozen=True):
    """The best prices of a book, null where a side is empty, and what is wanted there."""

    bid: str | None
    ask: str | None
    seq: int
    ts_ns: int
    action_seq: int = 0
    bid_quantity: str = "0"
    ask_quantity: str = "0"
    phase: str = Phase.CONTINUOUS.wire


class LastTrade(Struct, frozen=True):
    price: str
    seq: int
    index: int
    ts_ns: int
    action_seq: int = 0


class Close(Struct, frozen=True):
    """The last price before the market closed, null where it has not."""

    price: str | None
    seq: int
    action_seq: int
    """Of the instrument's last corporate action, which may be later than the close."""


class Market(NamedTuple):
    """What is known of a symbol's prices."""

    book: TopOfBook | None = None
    trade: LastTrade | None = None
    close: Close | None = None

    @property
    def action_seq(self) -> int:
        return max((source.action_seq for source in self if source is not None), default=0)


def mark(kind: str, market: Market, held: messages.Position, holds: bool, scale: Scale) -> records.Price | None:
    """What a position is valued at: by `kind` (`words.MarkSource`) the middle of a book with both sides that do not
    cross (`mid`), or the last price before the close (`closing`); where there is none, and for `last`, the last trade.
    Where the tape lags behind the position, its own last fill is that; after a corporate action, the price it left.

    Prices and position must have seen the same corporate actions: None where the position has not yet. `holds`: whether
    there is anything to value. Raises `ValueError` where a price is no whole number of ticks."""
    if holds and market.action_seq > held.action_seq:
        return None
    book, trade, close = market
    if kind == MID and book is not None and book.bid is not None and book.ask is not None:
        bid, ask = records.ticks(book.bid, scale), records.ticks(book.ask, scale)
        if bid < ask and (book.action_seq == held.action_seq or not holds):
            return records.Price(bid + ask, MID, book.seq, book.ts_ns)
    if kind == CLOSING and close is not None and close.price is not None and close.seq > held.action_seq:
        return records.Price(2 * records.ticks(close.price, scale), CLOSING, close.seq, 0)
    if trade is not None and trade.seq >= held.last_seq:
        return records.Price(2 * records.ticks(trade.price, scale), LAST, trade.seq, trade.ts_ns)
    source = ADJUSTED if held.last_seq == held.action_seq else LAST
    return records.Price(2 * records.ticks(held.last_price, scale), source, held.last_seq, held.ts_ns)


def spot(kind: str, market: Market, scale: Scale) -> records.Price | None:
    """The price of a symbol by `kind`, as `mark` has it for who holds nothing; None where there has been none."""
    book, trade, close = market
    if kind == MID and book is not None and book.bid is not None and book.ask is not None:
        bid, ask = records.ticks(book.bid, scale), records.ticks(book.ask, scale)
        if bid < ask:
            return records.Price(bid + ask, MID, book.seq, book.ts_ns)
    if kind == CLOSING and close is not None and close.price is not None:
        return records.Price(2 * records.ticks(close.price, scale), CLOSING, close.seq, 0)
    if trade is not None:
        return records.Price(2 * records.ticks(trade.price, scale), LAST, trade.seq, trade.ts_ns)
    return None


def is_rate(symbol: str, currency: str) -> bool:
    """Whether an instrument's name is two currencies, the second one its own."""
    return symbol.endswith(currency) and symbol != currency


class Follower:
    """Follows `books`, `trades`, `instruments`, `accounts`, `corporate-actions` and `topic-versions`. Its dictionaries
    hold values that never change, so that they can be read from any thread."""

    def __init__(self, bootstrap: str, outbox: Outbox, kind: str) -> None:
        """`kind`: what positions are valued at where there is such a price."""
        self.kind = kind
        self.scales: dict[str, Scale] = {}
        self.accounts: dict[str, messages.Account] = {}
        self.currencies: dict[str, str] = {}
        """Symbol → its instrument's currency."""
        self.methods: dict[str, str] = {}
        """Account → its `words.CostMethod`."""
        self.books: dict[str, TopOfBook] = {}
        self.trades: dict[str, LastTrade] = {}
        self.closes: dict[str, Close] = {}
        self.actions: dict[str, tuple[corporate_actions.Action, ...]] = {}
        """Symbol → its corporate actions in order."""
        self.version = versions.FIRST
        """Of positions, as far as it was read."""
        self._early_actions: list[messages.CorporateAction] = []
        """Those that were read before their instrument."""
        self.cursor: Cursor = {}
        self.failure: Exception | None = None
        self._bootstrap = bootstrap
        self._outbox = outbox
        self._changed: set[str] = set()
        self._changed_accounts: set[str] = set()
        self._changing = threading.Lock()
        self._stop = threading.Event()
        self._advanced = threading.Condition()
        followed = (
            topics.INSTRUMENTS,
            topics.ACCOUNTS,
            topics.CORPORATE_ACTIONS,
            topics.TOPIC_VERSIONS,
            topics.BOOKS,
            topics.TRADES,
        )
        names = [topic.name for topic in followed]
        self._reader = LogReader(bootstrap, names, name="streams-marks", stop=self._stop, log=log)
        self._thread = threading.Thread(target=self._run, name="marks", daemon=True)
        self._handlers: dict[str, Callable[[Any], None]] = {
            topics.INSTRUMENTS.name: self._on_instrument,
            topics.ACCOUNTS.name: self._on_account,
            topics.CORPORATE_ACTIONS.name: self._on_action,
            topics.TOPIC_VERSIONS.name: self._on_version,
            topics.BOOKS.name: self._on_book,
            topics.TRADES.name: self._on_trade,
        }
        self._decoders: dict[str, msgspec.json.Decoder[Any]] = {
            name: msgspec.json.Decoder(topics.BY_NAME[name].record) for name in names
        }

    # ------------------------------------------------------------------------------------------- for the agents

    def start(self, cursor: Cursor) -> None:
        """Begins to follow; books and trades resume at `cursor`: of a price the latest counts. Raises as
        `LogReader.start` does."""
        self._reader.start(cursor, may_skip=True)
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

    async def known_account(self, account: str) -> messages.Account:
        """The latest record of the account. Raises `Unusable` where there is no such account."""
        await self.known_method(account)
        return self.accounts[account]

    def price(self, held: messages.Position, holds: bool, scale: Scale) -> records.Price | None:
        """What the position is valued at, None and exceptions as `mark` has them."""
        symbol = held.symbol
        market = Market(self.books.get(symbol), self.trades.get(symbol), self.closes.get(symbol))
        return mark(self.kind, market, held, holds, scale)

    def exchange(self, home: str, symbols: Iterable[str]) -> records.Exchange:
        """How an account whose currency is `home` converts those of `symbols`. Raises `ValueError` where a price is no
        whole number of ticks."""
        foreign = {self.currencies.get(symbol, home) for symbol in symbols} - {home}
        return records.Exchange(home, self.currencies, {name: self._conversion(name, home) for name in foreign})

    def _conversion(self, currency: str, home: str) -> records.Conversion | None:
        for symbol, own, inverse in ((currency + home, home, False), (home + currency, currency, True)):
            if self.currencies.get(symbol) == own:
                market = Market(self.books.get(symbol), self.trades.get(symbol), self.closes.get(symbol))
                price = spot(self.kind, market, self.scales[symbol])
                if price is not None:
                    return records.Conversion(symbol, price, self.scales[symbol], inverse)
        return None

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
                error.reason if isinstance(error, records.Unusable) else words.Reason.MALFORMED,
                error.field if isinstance(error, records.Unusable) else None,
                str(error),
                of_headers(message.headers()),
            )

    def _on_instrument(self, record: messages.Instrument) -> None:
        records.check_stamps(max(record.seq, record.closing_seq, record.action_seq), 0, record.ts_ns)
        tick, lot = records.decimal(record.tick_size), records.decimal(record.lot_size)
        known = self.scales.get(record.symbol)
        if known is None or (known.tick, known.lot) != (tick, lot):
            self.scales[record.symbol] = Scale(tick, lot)
            early, self._early_actions = self._early_actions, []
            for action in early:
                self._on_action(action)
        if record.closing_price is not None:
            records.ticks(record.closing_price, self.scales[record.symbol])
        self.currencies[record.symbol] = record.currency
        before = self.closes.get(record.symbol)
        self.closes[record.symbol] = Close(record.closing_price, record.closing_seq, record.action_seq)
        if before is not None and before.seq != record.closing_seq:
            with self._changing:
                self._changed.add(record.symbol)

    def _on_action(self, record: messages.CorporateAction) -> None:
        records.check_stamps(record.seq, 0, record.ts_ns)
        scale = self.scales.get(record.symbol)
        if scale is None:
            self._early_actions.append(record)
            return
        known = self.actions.get(record.symbol, ())
        if not known or record.seq > known[-1].seq:
            self.actions[record.symbol] = (*known, corporate_actions.read(record, scale))

    def _on_version(self, record: messages.TopicVersion) -> None:
        self.version = record

    def _on_account(self, record: messages.Account) -> None:
        records.check_stamps(record.seq, 0, record.ts_ns)
        records.money(record.deposits)
        if record.cost_method not in ledger.APPLY:
            raise ValueError(f"{record.cost_method!r} is no cost method")
        self.accounts[record.account] = record
        self.methods[record.account] = record.cost_method
        with self._changing:
            self._changed_accounts.add(record.account)

    def _on_book(self, record: messages.Book) -> None:
        records.check_stamps(max(record.seq, record.action_seq), 0, record.ts_ns)
        known = self.books.get(record.symbol)
        if known is not None and record.seq <= known.seq:
            return
        bid, bids = record.bids[0][:2] if record.bids else (None, "0")
        ask, asks = record.asks[0][:2] if record.asks else (None, "0")
        if (scale := self.scales.get(record.symbol)) is not None:
            for price, quantity in ((bid, bids), (ask, asks)):
                if price is not None:
                    records.ticks(price, scale)
                records.lots(quantity, scale)
        self.books[record.symbol] = TopOfBook(
            bid, ask, record.seq, record.ts_ns, record.action_seq, bids, asks, record.phase
        )
        if known is None or (known.bid, known.ask) != (bid, ask):
            with self._changing:
                self._changed.add(record.symbol)

    def _on_trade(self, record: messages.Trade) -> None:
        records.check_stamps(max(record.seq, record.action_seq), record.index, record.ts_ns)
        known = self.trades.get(record.symbol)
        if known is not None and (record.seq, record.index) <= (known.seq, known.index):
            return
        if (scale := self.scales.get(record.symbol)) is not None:
            records.size_and_price(record.quantity, record.price, scale)
        self.trades[record.symbol] = LastTrade(record.price, record.seq, record.index, record.ts_ns, record.action_seq)
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
