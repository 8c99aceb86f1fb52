"""A live run played again from its own topics: the same strategy, the same events, the engine's core, and everybody
else's commands from the topic `commands`. What comes out must be what is in the topics, to the last byte.

The strategy is driven by what this core makes of the commands; the recording only says in which order a live strategy
was given it. Its own commands are taken from the strategy as it runs here, and put where the engine sequenced them.
"""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from engine import messages, topics
from engine.command_rows import frames
from engine.core import Core
from engine.decode import decode
from engine.layout import COMMAND
from engine.messages import Fill, OrderCommand, OrderEvent
from engine.publication import Publication
from engine.refusal import Refusal
from engine.segments import Frame
from engine.sequencer import apply_frame
from engine.units import MONEY_DECIMALS
from streams import ledger
from streams.backtest.bar_data import DataError
from streams.backtest.observer import Observer
from streams.backtest.topics import records, values
from streams.strategies import catalog
from streams.strategies.events import BookUpdate, Event, OrderUpdate, TradeUpdate, order_update, trade_update
from streams.strategies.runner import LEVELS, Recorded, new_session, recorded
from streams.strategies.strategy import parameters

MAX_ORDERS: Final = 200_000
SHOWN: Final = 20
STAMPED: Final = ("seq", "ts_ns", "source", "actor", "durability", "source_offset", "source_partition")
"""What the engine or its doors put into a command."""
MONEY: Final = 10**MONEY_DECIMALS


@dataclass
class Replayed:
    """What the run did here, and how that differs from what is in the topics."""

    run: str
    events: int = 0
    orders: int = 0
    fills: list[Fill] = field(default_factory=list)
    reports: list[bytes] = field(default_factory=list)
    """Of its orders, as records of `order-events`."""
    holdings: dict[str, ledger.Holding] = field(default_factory=dict)
    differences: list[str] = field(default_factory=list)
    alone: bool = True
    """Whether nobody else traded on the account, so that its published P&L is the run's."""

    @property
    def ok(self) -> bool:
        return not self.differences

    @property
    def realized(self) -> Decimal:
        """P&L of all symbols, before fees."""
        return Decimal(sum(one.realized for one in self.holdings.values())) / MONEY

    @property
    def fees(self) -> Decimal:
        return Decimal(sum(one.fees for one in self.holdings.values())) / MONEY

    def report(self) -> str:
        lines = [
            f"run {self.run}: {self.events:,} events, {self.orders:,} commands, {len(self.fills):,} fills",
            f"realized P&L {self.realized:,.2f}, fees {self.fees:,.2f}",
            *([] if self.alone else ["others trade on the account too: its published P&L is not compared"]),
            f"differences from the topics: {len(self.differences)}",
        ]
        return "\n".join([*lines, *(f"  {text}" for text in self.differences[:SHOWN])])


def replay(bootstrap: str, run: str, *, max_orders: int = MAX_ORDERS) -> Replayed:
    """Plays a run again. `max_orders`: the engine's setting, which is part of what happened.

    Raises:
        DataError: Kafka does not answer, or there is no such run.
    """
    found = recorded(bootstrap, run, whole=True)
    if found is None:
        raise DataError(f"there is no run {run} in the topic {topics.STRATEGY_EVENTS.name}")
    replayer = Replayer(run, found, max_orders)
    for frame in frames(replayer.core, values(bootstrap, topics.COMMANDS), 1):
        replayer.take(frame)
    replayer.finish()
    replayer.compare(bootstrap)
    replayer.compare_positions(bootstrap)
    return replayer.result


class Replayer:
    def __init__(self, run: str, found: Recorded, max_orders: int) -> None:
        self.core = Core(max_orders=max_orders)
        self.result = Replayed(run)
        self._run = run
        self._found = found
        self._observer = Observer(self.core)
        self._publication = Publication(self.core)
        self._session: Any = None
        self._waiting: deque[Event] = deque(event for _, event in found.events)
        self._books: dict[tuple[str, int], BookUpdate] = {}
        self._wanted = {(event.symbol, event.seq) for event in self._waiting if isinstance(event, BookUpdate)}
        self._wanted_seqs = {seq for _, seq in self._wanted}
        self._made: dict[tuple[str, int, int], Event] = {}
        self._commands: deque[NDArray[Any]] = deque()
        """COMMAND rows of what the strategy sent here, without stamps."""
        self._placed: Counter[bytes] = Counter()
        self._fills: list[bytes] = []
        self._repeats: Counter[bytes] = Counter()

    # --------------------------------------------------------------------------------------------------- the market

    def take(self, frame: Frame) -> None:
        """The next command of the day."""
        if frame.records is not None and self._is_own(frame):
            self._replace_own(frame)
        before = self.core.last_seq
        reports = apply_frame(self.core, frame).reports
        self._keep(reports, before)

    def _is_own(self, frame: Frame) -> bool:
        assert frame.records is not None
        first = frame.records[0]
        account = self.core.accounts.find(self._found.started.account)
        named = first["client_order_id"].startswith(f"{self._run}-".encode())
        return account is not None and int(first["account"]) == account.number and bool(named)

    def _replace_own(self, frame: Frame) -> None:
        """Puts the strategy's own command in the place of the one that was recorded."""
        assert frame.records is not None
        live = _content(frame.records)
        if self._placed[live] and not self._has_next(live):
            self._repeats[live] += 1  # sent again after a fault: the engine gave the first outcome
            return
        rows = self._next_rows()
        if rows is None:
            self.result.differences.append(f"command {frame.first_seq}: the strategy did not send it here")
            return
        here = _content(rows)
        self._placed[here] += 1
        self.result.orders += 1
        if here != live:
            shown = f"{_shown(rows)} here, {_shown(frame.records)} live"
            self.result.differences.append(f"command {frame.first_seq}: {shown}")
            return
        for name in STAMPED:
            rows[name] = frame.records[name]
        frame.records[:] = rows

    def _has_next(self, live: bytes) -> bool:
        """Whether the strategy has just such a command waiting."""
        return bool(self._commands) and _content(self._commands[0]) == live

    def _next_rows(self) -> NDArray[Any] | None:
        """The strategy's next command that is sequenced at all, None where it sends no more."""
        while True:
            while not self._commands and self._waiting:
                self._deliver_next()
            if not self._commands:
                return None
            rows = self._commands.popleft()
            content = _content(rows)
            if not self._repeats[content]:
                return rows
            self._repeats[content] -= 1  # what looked like a repeat was this one

    def _keep(self, reports: Any, before: int) -> None:
        for output in self._publication.reports(reports):
            if output.topic is topics.TRADES:
                trade = msgspec.json.decode(output.value, type=messages.Trade)
                self._made["trade", trade.seq, trade.index] = trade_update(trade)
            elif output.topic is topics.ORDER_EVENTS:
                report = msgspec.json.decode(output.value, type=OrderEvent)
                if self._is_mine(report):
                    self._made["order", report.seq, report.index] = order_update(report)
                    self.result.reports.append(output.value)
            elif output.topic is topics.FILLS:
                fill = msgspec.json.decode(output.value, type=Fill)
                if self._is_mine(fill):
                    self.result.fills.append(fill)
                    self._fills.append(output.value)
                    self._hold(fill)
        for seq in range(before + 1, self.core.last_seq + 1):
            if seq in self._wanted_seqs:
                for entry in self.core.instruments:
                    symbol = entry.definition.symbol
                    if (symbol, seq) in self._wanted:
                        self._books[symbol, seq] = self._observer.book(entry.number, LEVELS, 0)

    def _is_mine(self, record: OrderEvent | Fill) -> bool:
        own = record.account == self._found.started.account
        return own and record.client_order_id.startswith(f"{self._run}-")

    def _hold(self, fill: Fill) -> None:
        unit = self._observer.unit(next(e.number for e in self.core.instruments if e.definition.symbol == fill.symbol))
        lots = unit.scale.lots(Decimal(fill.quantity))
        execution = ledger.Execution(
            fill.seq,
            fill.index,
            lots if fill.side == "buy" else -lots,
            unit.scale.ticks(Decimal(fill.price)),
            int(Decimal(fill.fee) * MONEY),
            fill.ts_ns,
        )
        before = self.result.holdings.get(fill.symbol, ledger.FLAT)
        self.result.holdings[fill.symbol] = ledger.apply(before, execution, unit.scale.money_per_tick_lot)

    # -------------------------------------------------------------------------------------------------- the strategy

    def _deliver_next(self) -> None:
        if self._session is None:
            started = self._found.started
            units = {e.definition.symbol: self._observer.unit(e.number) for e in self.core.instruments}
            kind = catalog.find(started.strategy)
            chosen = parameters(kind, started.parameters)
            self._session = new_session(kind, chosen, self._run, started.account, Decimal(started.cash), units)
            self._take_sent(self._session.start())
            if self._commands:
                return
        event = self._own_version(self._waiting.popleft())
        self.result.events += 1
        self._take_sent(self._session.deliver(event))
        self._session.signals.clear()

    def _take_sent(self, commands: list[OrderCommand]) -> None:
        """What the client refuses is never sequenced; the recording has what the strategy was told of it."""
        for command in commands:
            try:
                rows = decode(command, self.core.instruments, self.core.accounts)
            except Refusal:
                continue
            self._commands.append(np.array(rows, COMMAND))

    def _own_version(self, event: Event) -> Event:
        """What this core makes of the event; a timer, or what was refused before it was sequenced, is as recorded."""
        made: Event | None = event
        if isinstance(event, BookUpdate):
            found = self._books.pop((event.symbol, event.seq), None)
            made = None if found is None else msgspec.structs.replace(found, ts_ns=event.ts_ns)
        elif isinstance(event, TradeUpdate):
            made = self._made.pop(("trade", event.seq, event.index), None)
        elif isinstance(event, OrderUpdate) and event.seq:
            made = self._made.pop(("order", event.seq, event.index), None)
        if made != event:
            self.result.differences.append(f"event {event!r}: {'not made' if made is None else made!r} here")
        return event if made is None else made

    def finish(self) -> None:
        """Gives the strategy what is left; whatever it sends then, it did not send live."""
        while self._waiting:
            self._deliver_next()
        for rows in self._commands:
            if self._repeats[_content(rows)]:
                self._repeats[_content(rows)] -= 1
            else:
                self.result.differences.append(f"{_shown(rows)}: was not sent live")

    def compare(self, bootstrap: str) -> None:
        """Execution reports and fills with the topics' bytes, P&L with the books of account."""
        kinds: tuple[tuple[topics.Topic, list[bytes], type[OrderEvent] | type[Fill]], ...] = (
            (topics.ORDER_EVENTS, self.result.reports, OrderEvent),
            (topics.FILLS, self._fills, Fill),
        )
        for topic, made, kind in kinds:
            here = sorted(made)
            there = sorted(
                value for value in values(bootstrap, topic) if self._is_mine(msgspec.json.decode(value, type=kind))
            )
            if here != there:
                text = f"{topic.name}: {len(here)} records here, {len(there)} live, not the same"
                self.result.differences.append(text)

    def compare_positions(self, bootstrap: str) -> None:
        """P&L with the books of account, where only this run has traded on the account."""
        account = self._found.started.account
        fills = [fill for fill in records(bootstrap, topics.FILLS, Fill) if fill.account == account]
        self.result.alone = all(self._is_mine(fill) for fill in fills)
        if not self.result.alone:
            return
        last: dict[str, messages.Position] = {}
        for position in records(bootstrap, topics.POSITIONS, messages.Position):
            if position.account == account:
                last[position.symbol] = position
        for symbol, position in last.items():
            holding = self.result.holdings.get(symbol, ledger.FLAT)
            here = (holding.realized, holding.fees, holding.last_seq, holding.last_index)
            there = (
                int(Decimal(position.realized_pnl) * MONEY),
                int(Decimal(position.fees) * MONEY),
                position.last_seq,
                position.last_index,
            )
            if here != there:
                self.result.differences.append(f"position in {symbol}: {here} here, {there} live")


def _content(rows: NDArray[Any]) -> bytes:
    """What was asked, without the engine's stamps."""
    bare = rows.copy()
    for name in STAMPED:
        bare[name] = np.zeros(1, COMMAND)[name]
    return bare.tobytes()


def _shown(rows: Any) -> str:
    return ", ".join(
        f"{row['client_order_id'].decode()} {row['quantity']} lots at {row['limit_price']} ticks" for row in rows
    )
