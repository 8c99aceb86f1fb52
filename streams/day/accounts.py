"""The books of account of a day: positions and P&L made again from recomputed fills, books, trades and accounts, by the
folds that the agents call, and held against what the agents published.

How positions of several symbols interleave in a partition, and when P&L was published, is not given by the commands.
Both name what they stand for: a position its fill, P&L the fills, marks and deposits that it holds. So each published
record is made again from what it names, must be there once and in order, and is compared byte by byte."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Mapping
from typing import Final

import msgspec

from engine import messages, topics
from streams import corporate_actions, holdings, marks, records, versions
from streams.consumer import Partition
from streams.day.compared import Chain, differs
from streams.day.log import Entry, Feed
from streams.day.reference import Reference
from streams.day.result import DayResult

POSITIONS: Final = topics.POSITIONS.name
PNL: Final = topics.PNL.name
_encode: Final = msgspec.json.Encoder().encode
_position: Final = msgspec.json.Decoder(messages.Position)
_pnl: Final = msgspec.json.Decoder(messages.Pnl)
At = tuple[int, int]


class Positions:
    """The topic `positions`."""

    def __init__(
        self,
        feed: Feed,
        chains: Mapping[Partition, Chain],
        reference: Reference,
        version: messages.TopicVersion,
        result: DayResult,
    ) -> None:
        """Records that stand before their `version` begins are those of another one: they are in the hashes only."""
        self._version = version
        self._feed = feed
        self._chains = chains
        self._reference = reference
        self._result = result
        self._holdings: holdings.Holdings = {}
        self._expected: defaultdict[bytes, deque[tuple[At, bytes]]] = defaultdict(deque)
        self.made: defaultdict[tuple[str, str], deque[messages.Position]] = defaultdict(deque)
        """(account, symbol) → the positions that P&L may name, in order."""

    def count(self, fill: messages.Fill) -> None:
        """A fill that the engine has made."""
        scale = self._reference.scales[fill.symbol]
        folded = holdings.fold(self._holdings, fill, scale, self._reference.method(fill.account))
        assert folded is not None  # a fill of the engine comes once
        self._expect(folded)

    def act(self, record: messages.CorporateAction) -> None:
        """A corporate action that the engine has carried out."""
        scale = self._reference.scales[record.symbol]
        for folded in holdings.act(self._holdings, record.symbol, corporate_actions.read(record, scale), scale):
            self._expect(folded)

    def _expect(self, folded: holdings.Folded) -> None:
        record = folded.record
        self._result.records[POSITIONS] += 1
        self._expected[folded.keys[0].encode()].append(((record.last_seq, record.last_index), _encode(record)))
        self.made[record.account, record.symbol].append(record)

    def compare(self) -> None:
        """Takes the published records for as long as what must stand in them is known."""
        for partition, chain in self._chains.items():
            while (entry := self._feed.head(partition)) is not None:
                if entry.offset < versions.begin(self._version, *partition):
                    self._feed.take(partition)
                    chain.add(entry.key, entry.value)
                    continue
                expected = self._expected.get(entry.key)
                if not expected:
                    break
                at, value = expected.popleft()
                if entry.value != value:
                    self._explain(chain, entry, at, value)
                self._feed.take(partition)
                chain.add(entry.key, value)

    def _explain(self, chain: Chain, entry: Entry, at: At, value: bytes) -> None:
        try:
            found = _position.decode(entry.value)
            here = (found.last_seq, found.last_index)
        except msgspec.DecodeError:
            here = at
        if here == at:
            differs(self._result, chain.name, entry, entry.key, value)
        else:
            text = f"{entry.key.decode(errors='replace')} after {here[0]}.{here[1]}, must come after {at[0]}.{at[1]}"
            self._result.differs(f"{chain.name} at {entry.offset}", text)

    def finish(self, last_seq: int) -> None:
        """What is left when all commands are replayed: records of later ones, or of no fill at all."""
        self.compare()
        for partition, chain in self._chains.items():
            while (entry := self._feed.head(partition)) is not None and _position_seq(entry) <= last_seq:
                if self._expected.get(entry.key):
                    self.compare()
                    continue
                self._feed.take(partition)
                self._result.differs(f"{chain.name} at {entry.offset}", f"there is no fill for {entry.value.decode()}")
        left = {key: expected for key, expected in self._expected.items() if expected}
        for key, expected in left.items():
            (seq, index), _ = expected[0]
            text = f"{key.decode()}: {len(expected)} records from that of fill {seq}.{index} on were not published"
            self._result.differs(POSITIONS, text)


def _position_seq(entry: Entry) -> int:
    try:
        return _position.decode(entry.value).last_seq
    except msgspec.DecodeError:
        return 0


class _Account:
    """An account as its P&L records follow each other."""

    def __init__(self) -> None:
        self.positions: dict[str, messages.Position] = {}
        self.strategies: defaultdict[str, dict[str, messages.StrategyPosition]] = defaultdict(dict)
        self.published: messages.Pnl | None = None
        self.version = 0


class Pnl:
    """The topic `pnl`."""

    def __init__(
        self,
        feed: Feed,
        chains: Mapping[Partition, Chain],
        reference: Reference,
        positions: Positions,
        version: messages.TopicVersion,
        result: DayResult,
    ) -> None:
        """Of records made from another `version` of the positions nothing is taken but that peaks went on from them."""
        self._version = version
        self._feed = feed
        self._chains = chains
        self._reference = reference
        self._positions = positions
        self._result = result
        self._accounts: defaultdict[str, _Account] = defaultdict(_Account)
        self._decoded: dict[Partition, tuple[int, messages.Pnl | None]] = {}

    def compare(self, last_seq: int) -> None:
        """Takes the records that hold nothing of later commands."""
        for partition, chain in self._chains.items():
            while (entry := self._feed.head(partition)) is not None:
                try:
                    record = _pnl.decode(entry.value)
                except msgspec.DecodeError as error:
                    self._feed.take(partition)
                    self._result.differs(f"{chain.name} at {entry.offset}", f"it cannot be read: {error}")
                    chain.add(entry.key, entry.value)
                    continue
                if record.last_seq > last_seq:
                    break
                self._feed.take(partition)
                if entry.offset < versions.begin(self._version, *partition):
                    self._accounts[record.account].published = record
                    chain.add(entry.key, entry.value)
                    continue
                self._result.records[PNL] += 1
                value = self._made_again(record, entry.value)
                if isinstance(value, str):
                    self._result.differs(f"{chain.name} at {entry.offset}", value)
                    value = entry.value
                elif value != entry.value or entry.key != record.account.encode():
                    differs(self._result, chain.name, entry, record.account.encode(), value)
                chain.add(entry.key, value)

    def _made_again(self, record: messages.Pnl, published: bytes) -> bytes | str:
        """The record from what it names; or what it names and is not."""
        account = self._accounts[record.account]
        missing = account.positions.keys() - record.marks.keys()
        if missing:
            return f"it holds no {', '.join(sorted(missing))}"
        for symbol, mark in record.marks.items():
            at = (mark.position_seq, mark.position_index)
            if not self._advance(account, record.account, symbol, at):
                return f"{symbol} names fill {at[0]}.{at[1]}, which does not come next"
        prices: dict[str, list[records.Price]] = {}
        for symbol, mark in record.marks.items():
            found = self._prices(symbol, mark.source, mark.seq, mark.price, account.positions[symbol])
            if not found:
                return f"the mark of {symbol}, {mark.source} of {mark.seq}, is that of no book or trade"
            prices[symbol] = found
        positions = {symbol: account.positions[symbol] for symbol in record.marks}
        strategies = {name: account.strategies[name] for name in record.strategies}
        lost = account.strategies.keys() - strategies.keys()
        if lost:
            return f"it holds nothing of the strategies {', '.join(sorted(lost))}"
        chosen = {symbol: (found[0], self._reference.scales[symbol]) for symbol, found in prices.items()}
        exchange = self._exchange(record)
        if isinstance(exchange, str):
            return exchange
        made = b""
        versions = self._reference.accounts[record.account]
        for number in range(account.version, len(versions)):
            again = records.pnl(versions[number], account.published, positions, strategies, chosen, exchange)
            value = _encode(again)
            made = made or value
            if value == published:
                account.version = number
                break
        account.published = record
        return value if value == published else made

    def _advance(self, account: _Account, name: str, symbol: str, at: At) -> bool:
        """Brings a position to the fill that is named."""
        held = account.positions.get(symbol)
        made = self._positions.made[name, symbol]
        while (held is None or (held.last_seq, held.last_index) < at) and made:
            held = made.popleft()
            for part in held.strategies:
                account.strategies[part.strategy][symbol] = part
        if held is None or (held.last_seq, held.last_index) != at:
            return False
        account.positions[symbol] = held
        return True

    def _exchange(self, record: messages.Pnl) -> records.Exchange | str:
        """The currencies that the record names, converted as it says; or what it says and is not true."""
        conversions: dict[str, records.Conversion | None] = {}
        for currency, rate in record.currencies.items():
            if rate.symbol is None or rate.source is None or rate.seq is None or rate.price is None:
                conversions[currency] = None
                continue
            if rate.symbol not in (currency + record.currency, record.currency + currency):
                return f"{rate.symbol} gives no price of {currency}"
            found = self._prices(rate.symbol, rate.source, rate.seq, rate.price, None)
            if not found:
                return f"the price of {currency}, {rate.source} of {rate.seq}, is that of no book or trade"
            inverse = rate.symbol != currency + record.currency
            scale = self._reference.scales[rate.symbol]
            conversions[currency] = records.Conversion(rate.symbol, found[0], scale, inverse)
        return records.Exchange(record.currency, self._reference.currencies, conversions)

    def _prices(
        self, symbol: str, source: str, seq: int, text: str, held: messages.Position | None
    ) -> list[records.Price]:
        """What a mark says, where it is true: the middle of the book, the price of a trade, the last one before a
        close, or what a corporate action or the position's own last fill has left."""
        scale = self._reference.scales[symbol]
        found: list[records.Price] = []
        if source == marks.MID:
            book = self._reference.books.get((symbol, seq))
            if book is not None and book.bid is not None and book.ask is not None:
                ticks = records.ticks(book.bid, scale) + records.ticks(book.ask, scale)
                return [records.Price(ticks, marks.MID, seq, book.ts_ns)]
        elif source == marks.CLOSING:
            price = self._reference.closes.get((symbol, seq))
            if price is not None:
                found.append(records.Price(2 * records.ticks(price, scale), marks.CLOSING, seq, 0))
        elif source == marks.LAST:
            found += [
                records.Price(2 * records.ticks(trade.price, scale), marks.LAST, seq, trade.ts_ns)
                for trade in self._reference.trades.get((symbol, seq), ())
            ]
        if held is not None and source in (marks.LAST, marks.ADJUSTED) and seq == held.last_seq:
            found.append(records.Price(2 * records.ticks(held.last_price, scale), source, seq, held.ts_ns))
        return [price for price in found if records.price_text(price, scale) == text]
