"""What the agents have made of a day: positions, P&L and candles, again from what the engine must have said."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

import msgspec

from engine import messages, topics
from streams import marks
from streams.consumer import Partition
from streams.day.accounts import PNL, POSITIONS, Pnl, Positions
from streams.day.bars import CANDLES, Candles
from streams.day.compared import Chain
from streams.day.log import Feed, Log
from streams.day.published import read_version
from streams.day.reference import Reference
from streams.day.result import DayResult

TOPICS: Final = (topics.POSITIONS, topics.PNL, topics.CANDLES, topics.TOPIC_VERSIONS)
"""What is read here."""
EVERY: Final = 20_000
"""Commands between two comparisons."""

_fill: Final = msgspec.json.Decoder(messages.Fill)
_trade: Final = msgspec.json.Decoder(messages.Trade)
_account: Final = msgspec.json.Decoder(messages.Account)
_action: Final = msgspec.json.Decoder(messages.CorporateAction)
_instrument: Final = msgspec.json.Decoder(messages.Instrument)


class Top(NamedTuple):
    """The best prices of a book after a command that somebody names."""

    symbol: str
    seq: int
    bid: str | None
    ask: str | None
    ts_ns: int


class Block(NamedTuple):
    """What the engine must have said, up to a command."""

    last_seq: int
    records: list[tuple[str, int, bytes]]
    """(topic, partition, value) of all topics but `order-events`, in order."""
    tops: list[Top]


class Agents:
    """The agents' topics of a day, or of all days before its end."""

    def __init__(
        self,
        log: Log,
        day: str,
        bounds: Mapping[Partition, tuple[int, int]],
        hashes: Mapping[Partition, list[tuple[int, str]]],
    ) -> None:
        """`hashes`: those that were published of the topics' partitions. Raises `msgspec.DecodeError`."""
        self._result = result = DayResult(day)
        self._chains = {
            partition: Chain(partition, hashes.get(partition, ()), result)
            for partition in bounds
            if partition[0] in (POSITIONS, PNL, CANDLES)
        }

        def feed(name: str) -> Feed:
            return Feed(log, {partition: ends for partition, ends in bounds.items() if partition[0] == name})

        def chains(name: str) -> dict[Partition, Chain]:
            return {partition: chain for partition, chain in self._chains.items() if partition[0] == name}

        self._reference = reference = Reference()
        version = read_version(feed(topics.TOPIC_VERSIONS.name))
        self._positions = Positions(feed(POSITIONS), chains(POSITIONS), reference, version, result)
        self._candles = Candles(feed(CANDLES), chains(CANDLES), reference, result)
        self._pnl = Pnl(feed(PNL), chains(PNL), reference, self._positions, version, result)
        self._due = EVERY

    def take(self, block: Block) -> None:
        """The next block."""
        reference = self._reference
        for name, partition, value in block.records:
            if name == topics.FILLS.name:
                self._positions.count(_fill.decode(value))
            elif name == topics.TRADES.name:
                trade = _trade.decode(value)
                last = marks.LastTrade(trade.price, trade.seq, trade.index, trade.ts_ns)
                reference.trades[trade.symbol, trade.seq].append(last)
                self._candles.count(trade, partition)
            elif name == topics.ACCOUNTS.name:
                account = _account.decode(value)
                reference.accounts[account.account].append(account)
            elif name == topics.INSTRUMENTS.name:
                reference.define(_instrument.decode(value))
            elif name == topics.CORPORATE_ACTIONS.name:
                self._positions.act(_action.decode(value))
        for symbol, seq, bid, ask, ts_ns in block.tops:
            reference.books[symbol, seq] = marks.TopOfBook(bid, ask, seq, ts_ns)
        if block.last_seq >= self._due:
            self._due = block.last_seq + EVERY
            self._positions.compare()
            self._pnl.compare(block.last_seq)

    def finish(self, last_seq: int) -> DayResult:
        """What came of it, once all is taken."""
        self._positions.finish(last_seq)
        self._pnl.compare(last_seq)
        self._candles.finish(last_seq)
        self._result.unhashed = sum(chain.unhashed for chain in self._chains.values())
        return self._result
