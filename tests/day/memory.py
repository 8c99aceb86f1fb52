"""A day in memory: commands through a core, and what the publisher, the agents and the hashes would have written."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

import msgspec
import numpy as np

from engine import topics
from engine.core import Core
from engine.decode import decode
from engine.layout import BOOK_LEVELS
from engine.messages import (
    Account,
    AdministrativeCommand,
    AdministrativeEntry,
    DefineAccount,
    DefineInstrument,
    Dividend,
    Halt,
    OrderCommand,
    Pnl,
    Position,
    Refused,
    Resume,
    StateHash,
    StrategyPosition,
    Trade,
)
from engine.partitions import partition_of
from engine.publication import Output, Publication
from engine.records import book_record
from engine.refusal import Refusal
from engine.units import Scale
from streams import candles, corporate_actions, holdings, marks, order_flow, records
from streams.agents.order_flow import UNKNOWN, CountedEvent, counted, published
from streams.consumer import Partition
from streams.day import Entry
from streams.day.verify import READ
from streams.hashes import Hashes
from tests.day.flow import LOTS, SYMBOLS, TICKS, Flow

PARTITIONS = 4
MAX_ORDERS = 50_000
STEP_NS = 700_000
"""Between two commands."""
MIDDLE = {"AAPL": Decimal(200), "MSFT": Decimal(400), "BTCUSD": Decimal(60_000)}
encode = msgspec.json.encode


class MemoryLog:
    """The topics of such a day."""

    def __init__(self) -> None:
        self.counts = {topic.name: 1 if topic.single else PARTITIONS for topic in READ}
        self.entries: dict[Partition, list[Entry]] = {
            (name, number): [] for name, count in self.counts.items() for number in range(count)
        }
        self.hashes = Hashes({})

    def append(self, topic: topics.Topic, key: str, value: bytes, partition_key: str | None = None) -> None:
        number = 0 if topic.single else partition_of(partition_key or key, PARTITIONS)
        log = self.entries[topic.name, number]
        entry = Entry(len(log), key.encode(), value)
        log.append(entry)
        if topic.hashed:
            self.hashes.take((topic.name, number), entry.offset, entry.key, entry.value, 1)

    def bounds(self, names: Sequence[str]) -> dict[Partition, tuple[int, int]]:
        return {at: (0, len(log)) for at, log in self.entries.items() if at[0] in names}

    def batches(self, starts: Mapping[Partition, int]) -> Iterator[list[tuple[Partition, Entry]]]:
        for partition, start in starts.items():
            yield [(partition, entry) for entry in self.entries[partition][start:]]


class Day:
    """Writes a day. `hash_every`, `book_every`: commands between what is published by a clock."""

    def __init__(
        self,
        begin_ns: int,
        *,
        accounts: int = 6,
        hash_every: int = 500,
        book_every: int = 40,
        step_ns: int = STEP_NS,
    ) -> None:
        self.log = MemoryLog()
        self.core = Core(max_orders=MAX_ORDERS)
        self._publication = Publication(self.core)
        self._seq = 0
        self._ts_ns = begin_ns
        self._step_ns = step_ns
        self._hash_every, self._book_every = hash_every, book_every
        self._scales: dict[str, Scale] = {}
        self._holdings: holdings.Holdings = {}
        self._reference: dict[str, Account] = {}
        self._positions: defaultdict[str, dict[str, Position]] = defaultdict(dict)
        self._strategies: defaultdict[str, dict[str, dict[str, StrategyPosition]]] = defaultdict(
            lambda: defaultdict(dict)
        )
        self._pnl: dict[str, Pnl] = {}
        self._books: dict[str, marks.TopOfBook] = {}
        self._trades: dict[str, marks.LastTrade] = {}
        self._flows: dict[str, order_flow.Flow] = {}
        self._flows_published: dict[str, tuple[int, int]] = {}
        self._charts: defaultdict[int, dict[str, candles.Chart]] = defaultdict(dict)
        self._settled: dict[int, int] = {}
        self._shown: dict[tuple[str, int], candles.Bar] = {}
        for symbol in SYMBOLS:
            self.administer(
                DefineInstrument(
                    symbol=symbol,
                    tick_size=TICKS[symbol],
                    lot_size=LOTS[symbol],
                    price_min=MIDDLE[symbol] / 2,
                    price_max=MIDDLE[symbol] * Decimal("1.5"),
                    maker_fee_ppm=-20,
                    taker_fee_ppm=30,
                )
            )
        self.accounts = [f"day-{number}" for number in range(accounts)]
        for number, account in enumerate(self.accounts):
            method = "fifo" if number % 2 else "average"
            self.administer(DefineAccount(account=account, deposit=Decimal(10_000_000), cost_method=method))

    def trade(self, orders: int, seed: int = 1) -> None:
        flow = Flow(seed, self.accounts, MIDDLE)
        for number, command in enumerate(flow.commands(orders)):
            if number == orders // 3:
                self.administer(Halt(symbol="MSFT"))
            if number == orders // 2:
                self.administer(Resume(symbol="MSFT"))
                self.administer(Dividend(symbol="AAPL", amount=Decimal("0.50")))
            self.submit(command)
        self._tick(last=True)

    def administer(self, command: AdministrativeCommand) -> None:
        self._seq += 1
        self._ts_ns += self._step_ns
        entry = AdministrativeEntry(ts_ns=self._ts_ns, source="system", actor="test", command=command)
        applied = self.core.administer(self._seq, self._ts_ns, command)
        self._publish(
            itertools.chain(
                self._publication.administrative(self._seq, entry), self._publication.reports(applied.reports)
            )
        )

    def submit(self, command: OrderCommand) -> None:
        try:
            rows = decode(command, self.core.instruments, self.core.accounts)
        except Refusal as refusal:
            self.administer(
                Refused(
                    account=command.account,
                    client_order_id=getattr(command, "client_order_id", None) or "",
                    symbol=getattr(command, "symbol", None) or "",
                    side=getattr(command, "side", None) or "",
                    reason=refusal.reason.wire,
                    field=refusal.field,
                    text=refusal.text,
                    request={},
                )
            )
            return
        rows["seq"] = np.arange(self._seq + 1, self._seq + 1 + len(rows))
        self._seq += len(rows)
        self._ts_ns += self._step_ns
        rows["ts_ns"] = self._ts_ns
        reports = self.core.apply(rows).reports
        self._publish(itertools.chain(self._publication.commands(rows), self._publication.reports(reports)))
        self._tick()

    def _publish(self, outputs: Iterator[Output]) -> None:
        for topic, key, value, _, _ in outputs:
            if topic.name in self.log.counts:
                self.log.append(topic, key, value)
            record: Any = msgspec.json.decode(value, type=topic.record)
            if topic is topics.INSTRUMENTS:
                self._scales[key] = Scale(Decimal(record.tick_size), Decimal(record.lot_size))
            elif topic is topics.ACCOUNTS:
                self._reference[key] = record
            elif topic is topics.TRADES:
                self._trades[key] = marks.LastTrade(
                    record.price, record.seq, record.index, record.ts_ns, record.action_seq
                )
                self._chart(record)
            elif topic is topics.ORDER_EVENTS:
                self._count(msgspec.json.decode(value, type=CountedEvent))
            elif topic is topics.CORPORATE_ACTIONS:
                scale = self._scales[key]
                for folded in holdings.act(self._holdings, key, corporate_actions.read(record, scale), scale):
                    self._put(folded)
            elif topic is topics.FILLS:
                account = self._reference[record.account]
                folded = holdings.fold(self._holdings, record, self._scales[record.symbol], account.cost_method)
                assert folded is not None
                self._put(folded)

    def _count(self, event: CountedEvent) -> None:
        if event.reason != UNKNOWN:
            flow = self._flows.get(event.symbol, order_flow.EMPTY)
            self._flows[event.symbol] = order_flow.take(flow, counted(event, self._scales[event.symbol]))

    def _put(self, folded: holdings.Folded) -> None:
        record = folded.record
        self.log.append(topics.POSITIONS, folded.keys[0], encode(record), record.account)
        self._positions[record.account][record.symbol] = record
        for part in record.strategies:
            self._strategies[record.account][part.strategy][record.symbol] = part

    def _chart(self, trade: Trade) -> None:
        partition = partition_of(trade.symbol, PARTITIONS)
        tick, charts = records.tick(trade, self._scales[trade.symbol]), self._charts[partition]
        second = tick.ts_ns // candles.SECOND_NS
        if second != self._settled.get(partition):
            self._settled[partition] = second
            for symbol in sorted(charts):
                charts[symbol], closed = candles.settle(charts[symbol], tick.ts_ns)
                self._show(symbol, closed, closed=True)
            for symbol, chart in charts.items():
                self._show(symbol, candles.open_bars(chart), closed=False)
        charts[trade.symbol], closed = candles.take(charts.get(trade.symbol, candles.EMPTY), tick)
        self._show(trade.symbol, closed, closed=True)

    def _show(self, symbol: str, bars: list[candles.Closed], *, closed: bool) -> None:
        for interval_s, bar in bars:
            if closed or self._shown.get((symbol, interval_s)) != bar:
                record = records.candle(symbol, interval_s, bar, self._scales[symbol], closed=closed)
                self.log.append(topics.CANDLES, symbol, encode(record))
                self._shown[symbol, interval_s] = bar

    def _tick(self, *, last: bool = False) -> None:
        """What a clock brings."""
        if last or self._seq % self._book_every == 0:
            for number in sorted(self._publication.take_changed()):
                book = book_record(self.core, number, BOOK_LEVELS, self._seq, self._ts_ns)
                self.log.append(topics.BOOKS, book.symbol, encode(book))
                bid, ask = (side[0][0] if side else None for side in (book.bids, book.asks))
                sizes = (side[0][1] if side else "0" for side in (book.bids, book.asks))
                self._books[book.symbol] = marks.TopOfBook(bid, ask, book.seq, book.ts_ns, book.action_seq, *sizes)
            self._publish_flows()
            for name in self.accounts:
                self._publish_pnl(self._reference[name])
        if last or self._seq % self._hash_every == 0:
            record = StateHash(
                topic="commands",
                kind="engine",
                offsets=[self._seq],
                hashes=[self.core.state_hash()],
                seq=self._seq,
                max_orders=MAX_ORDERS,
                ts_ns=self._ts_ns,
            )
            self.log.append(topics.STATE_HASHES, record.topic, encode(record))
            for found in self.log.hashes.due(self.log.counts):
                self.log.append(topics.STATE_HASHES, found.topic, encode(found))

    def _publish_flows(self) -> None:
        for symbol, flow in self._flows.items():
            if (flow.last_seq, flow.last_index) > self._flows_published.get(symbol, (0, -1)):
                self._flows_published[symbol] = (flow.last_seq, flow.last_index)
                record = published(symbol, flow, self._books.get(symbol), self._scales[symbol])
                self.log.append(topics.ORDER_FLOW, symbol, encode(record))

    def _publish_pnl(self, account: Account) -> None:
        held = self._positions[account.account]
        prices: dict[str, tuple[records.Price, Scale]] = {}
        for symbol, position in held.items():
            scale = self._scales[symbol]
            market = marks.Market(self._books.get(symbol), self._trades.get(symbol), None)
            price = marks.mark(marks.MID, market, position, True, scale)
            if price is None:
                return  # its position has an action yet to count
            prices[symbol] = price, scale
        exchange = records.Exchange("USD", dict.fromkeys(SYMBOLS, "USD"), {})
        record = records.pnl(
            account, self._pnl.get(account.account), held, self._strategies[account.account], prices, exchange
        )
        self._pnl[account.account] = record
        self.log.append(topics.PNL, account.account, encode(record))
