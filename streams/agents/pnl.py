"""`positions` and marks → `pnl`: each account marked to the market, at most every `INTERVAL_S` of each."""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Final

import msgspec
from confluent_kafka import Message
from msgspec import Struct, field

from engine import messages, topics
from engine.partitions import partition_of
from engine.traces import for_log
from engine.units import Scale
from streams import records, state
from streams.agents.keeper import Keeper, Shelf
from streams.consumer import Cursor
from streams.marks import Follower, is_rate
from streams.outbox import Outbox

log = logging.getLogger(__name__)

INTERVAL_S: Final = 0.25
MARKS: Final = "marks"
"""The marks' own name in `ledger-state`; they lie in partition 0."""
MARKS_INTERVAL_S: Final = 5.0

_positions: Final = msgspec.json.Decoder(messages.Position)
_pnl: Final = msgspec.json.Decoder(messages.Pnl)
_encode: Final = msgspec.json.Encoder().encode


class AccountState(Struct):
    """An account's latest positions by symbol, those of its strategies by strategy and symbol, and its record as last
    published."""

    positions: dict[str, messages.Position] = field(default_factory=dict)
    strategies: dict[str, dict[str, messages.StrategyPosition]] = field(default_factory=dict)
    published: messages.Pnl | None = None

    def holds(self, symbol: str) -> bool:
        """Whether the account or a strategy of it has a position in the symbol."""
        if self.positions[symbol].quantity != "0":
            return True
        return any(held[symbol].quantity != "0" for held in self.strategies.values() if symbol in held)


def is_news(last: messages.Pnl | None, record: messages.Pnl) -> bool:
    """Whether the record says more than the last one: another position, deposit, or price of something held or of a
    currency, or another P&L of the same ones."""
    if [(one.price, one.source) for one in record.currencies.values()] != [
        (one.price, one.source) for one in (last.currencies if last is not None else {}).values()
    ]:
        return True
    if last is None or last.deposits != record.deposits or last.marks.keys() != record.marks.keys():
        return True
    # Of the same fills at the same prices: its positions were made anew, and are others.
    if (last.realized_pnl, last.unrealized_pnl, last.fees) != (record.realized_pnl, record.unrealized_pnl, record.fees):
        return True
    for symbol, mark in record.marks.items():
        before = last.marks[symbol]
        if (before.position_seq, before.position_index) != (mark.position_seq, mark.position_index):
            return True
        if mark.quantity != "0" and (before.price, before.source) != (mark.price, mark.source):
            return True
    return False


def is_behind(positions: Mapping[str, messages.Position], last: messages.Pnl) -> bool:
    """Whether the last record counted fills that the positions do not hold yet, as after a start from saved state."""
    for symbol, mark in last.marks.items():
        held = positions.get(symbol)
        if held is None or (held.last_seq, held.last_index) < (mark.position_seq, mark.position_index):
            return True
    return False


class PnlKeeper(Keeper[AccountState]):
    """Holds the accounts of the assigned partitions of `positions`. Folding only notes what is due, `publish_due`
    publishes it."""

    agent: ClassVar[str] = "pnl"
    source: ClassVar[str] = topics.POSITIONS.name
    output: ClassVar[str] = topics.PNL.name

    def __init__(self, bootstrap: str, outbox: Outbox, follower: Follower, clock: Callable[[], float]) -> None:
        super().__init__(bootstrap, outbox, clock)
        self._follower = follower
        self._source_count = outbox.partition_count(self.source)
        self._count = outbox.partition_count(self.output)
        self._due: dict[str, int] = {}
        """Accounts to look at → their source partition."""
        self._traces: dict[str, bytes] = {}
        """Account → trace of the last order that has changed its positions since its last record."""
        self._published_at: dict[str, float] = {}
        self._abroad: set[str] = set()
        """Accounts that have traded in another currency than their own."""
        self._holders: defaultdict[str, set[str]] = defaultdict(set)
        self._marks_saved_at = clock()
        self._marks_saved: Cursor = {}

    async def fold(self, shelf: Shelf[AccountState], value: bytes) -> None:
        record = _positions.decode(value)
        records.check_position(record, await self._follower.known_scale(record.symbol))
        account = shelf.states.setdefault(record.account, AccountState())
        held = account.positions.get(record.symbol)
        if held is not None and (record.last_seq, record.last_index) <= (held.last_seq, held.last_index):
            return
        account.positions[record.symbol] = record
        for part in record.strategies:
            account.strategies.setdefault(part.strategy, {})[record.symbol] = part
        shelf.touched.add(record.account)
        if self.trace:
            self._traces[record.account] = self.trace
        self._note(shelf.partition, record)

    def _note(self, partition: int, record: messages.Position) -> None:
        self._due[record.account] = partition
        if record.quantity == "0":
            self._holders[record.symbol].discard(record.account)
        else:
            self._holders[record.symbol].add(record.account)

    async def publish_due(self) -> None:
        """Publishes the accounts that are due; to be called by a clock."""
        self._follower.check()
        async with self.whole():
            self._notice_changes()
            now = self.clock()
            for account in [name for name in self._due if now - self._published_at.get(name, 0.0) >= INTERVAL_S]:
                shelf = self.shelves.get(self._due[account])
                reference = self._follower.accounts.get(account)
                if shelf is not None and reference is None:
                    continue  # its record in `accounts` is on its way
                del self._due[account]
                if shelf is not None and reference is not None:
                    self._publish(shelf, reference, now)
                    await asyncio.sleep(0)  # fills do not wait for all accounts
            await self.deliver()
            if now - self._marks_saved_at >= MARKS_INTERVAL_S and 0 in self.shelves:
                self._marks_saved_at = now
                self._save_marks()

    def _notice_changes(self) -> None:
        symbols, accounts = self._follower.take_changes()
        accounts = accounts.union(*(self._holders[symbol] for symbol in symbols))
        if any(is_rate(symbol, self._follower.currencies.get(symbol, symbol)) for symbol in symbols):
            accounts |= self._abroad
        for account in accounts:
            partition = partition_of(account, self._source_count)
            if partition in self.shelves:
                self._due[account] = partition

    def _publish(self, shelf: Shelf[AccountState], reference: messages.Account, now: float) -> None:
        account = shelf.states.setdefault(reference.account, AccountState())
        last = account.published
        if last is not None and is_behind(account.positions, last):
            return  # it will be due again when they are read
        prices: dict[str, tuple[records.Price, Scale]] = {}
        for symbol, held in account.positions.items():
            scale = self._follower.scales[symbol]
            try:
                price = self._follower.price(held, account.holds(symbol), scale)
            except ValueError as error:
                log.error("no P&L of %s: the mark of %s cannot be used: %s", reference.account, symbol, error)
                return
            if price is None:
                return  # its position has a corporate action yet to count, and then it will be due again
            prices[symbol] = (price, scale)
        try:
            exchange = self._follower.exchange(reference.currency, account.positions)
        except ValueError as error:
            log.error("no P&L of %s: the price of a currency cannot be used: %s", reference.account, error)
            return
        if exchange.conversions:
            self._abroad.add(reference.account)
        record = records.pnl(reference, last, account.positions, account.strategies, prices, exchange)
        if not is_news(last, record):
            return
        trace = self._traces.pop(reference.account, b"")
        partition = partition_of(reference.account, self._count)
        self.outbox.send(self.output, reference.account, _encode(record), partition, trace)
        if trace and log.isEnabledFor(logging.DEBUG):
            log.debug("P&L of %s: equity %s", reference.account, record.equity, extra=for_log(trace))
        self._published_at[reference.account] = now
        account.published = record
        shelf.touched.add(reference.account)

    # ------------------------------------------------------------------------------------------- saved, and back

    def restore(self, saved: dict[str, Any]) -> AccountState:
        return msgspec.convert(saved, AccountState)

    def preserve(self, kept: AccountState) -> dict[str, Any]:
        fields: dict[str, Any] = msgspec.to_builtins(kept)
        return fields

    def recall(self, shelves: dict[int, Shelf[AccountState]], message: Message) -> None:
        record = _pnl.decode(message.value() or b"")
        records.check_pnl(record)
        shelf = shelves.get(partition_of(record.account, self._source_count))
        if shelf is not None:
            shelf.states.setdefault(record.account, AccountState()).published = record

    async def resume(self, partitions: Any) -> dict[int, int]:
        offsets = await super().resume(partitions)
        for shelf in self.shelves.values():
            for name, account in shelf.states.items():
                self._due[name] = shelf.partition
                for record in account.positions.values():
                    self._note(shelf.partition, record)
        for name in self._follower.accounts:
            partition = partition_of(name, self._source_count)
            if partition in self.shelves:
                self._due[name] = partition
        return offsets

    def _save_marks(self) -> None:
        cursor, symbols = self._follower.snapshot()
        if cursor == self._marks_saved:
            return
        states = list(symbols.items())
        offsets = {f"{topic}/{number}": offset for (topic, number), offset in cursor.items()}
        for key, value in (*states, ("", offsets)):
            record = messages.LedgerState(agent=MARKS, partition=0, key=key, next_offset=0, state=value)
            self.outbox.send(state.TOPIC, state.record_key(MARKS, 0, key), messages.as_json(record), 0)
        self._marks_saved = cursor
