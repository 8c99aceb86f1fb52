"""A strategy live: events from Kafka's topics, commands to the engine over ZeroMQ.

What the strategy is given is first written to the topic `strategy-events`, then given to it. So a run can be played
again from the topics alone, and one that died goes on where it was: its state is loaded from `strategy-state`, what it
was given since is given to it again, and what it sends then carries the same ids, which the engine answers with the
first outcome.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any, Final

import msgspec
import psycopg
from confluent_kafka import Message

from engine import messages, topics
from engine.client import Client
from engine.messages import OrderCommand, OrderList, Reply, as_json
from engine.partitions import partition_of
from engine.refusal import Refusal
from streams.consumer import Cursor, LogReader, Partition, Stopped, log_bounds, place, read_to_end
from streams.lifecycle import Outage
from streams.outbox import Outbox
from streams.strategies import history
from streams.strategies.events import (
    Event,
    OrderUpdate,
    Timer,
    TradeUpdate,
    book_update,
    order_update,
    trade_update,
)
from streams.strategies.instrument import Listed, listed
from streams.strategies.running import Running
from streams.strategies.session import Session, timer_ns
from streams.strategies.strategy import Strategy

log = logging.getLogger(__name__)

READ: Final = (topics.BOOKS.name, topics.TRADES.name, topics.ORDER_EVENTS.name)
MOST: Final = 1000
WAIT_S: Final = 0.05
LINGER_S: Final = 0.0005
RETRY_S: Final = 0.25
SAVE_EVERY: Final = 2000
"""Events between two saved states; one more is saved at the end."""
LEVELS: Final = 10
SEQUENCED: Final = 0

_events: Final = msgspec.json.Decoder(messages.StrategyEvent)
_states: Final = msgspec.json.Decoder(messages.StrategyState)
_books: Final = msgspec.json.Decoder(messages.Book)
_trades: Final = msgspec.json.Decoder(messages.Trade)
_reports: Final = msgspec.json.Decoder(messages.OrderEvent)


class RunError(ValueError):
    """The run cannot go on; one line that says why."""


class Started(msgspec.Struct, kw_only=True, frozen=True, tag="started"):
    """Event 0 of a run: what is needed to play it again."""

    strategy: str
    account: str
    cash: str
    parameters: dict[str, Any]
    cursor: dict[str, int]
    """Where reading begins, by `topic/partition`."""
    since_ns: int = 0
    """Trades before that are no part of the run."""


class Recorded(msgspec.Struct, kw_only=True, frozen=True):
    """What the topics hold of a run."""

    started: Started
    events: list[tuple[int, Event]]
    """Number and event, those after the saved state only where there is one."""
    state: messages.StrategyState | None
    cursor: Cursor


def new_session(
    kind: type[Strategy], parameters: Any, run: str, account: str, cash: Decimal, instruments: dict[str, Listed]
) -> Session:
    running = Running(kind, parameters, account=account, tag=run, instruments=instruments, cash=cash, name=run)
    return Session(running)


def recorded(bootstrap: str, run: str, *, whole: bool = False) -> Recorded | None:
    """What is there of a run, None where it never began. `whole`: all of its events, and no state.

    Raises:
        KafkaException: Kafka does not answer, or has not the topics.
    """
    bounds = log_bounds(bootstrap, [topics.STRATEGY_EVENTS.name, topics.STRATEGY_STATE.name])
    state = None
    if not whole:
        states = {at: low for at, (low, _) in bounds.items() if at[0] == topics.STRATEGY_STATE.name}
        for batch in read_to_end(bootstrap, dict(states), name=f"strategy-{run}"):
            for message in batch:
                if message.key() == run.encode() and message.value() is not None:
                    state = _states.decode(message.value() or b"")
    count = sum(1 for at in bounds if at[0] == topics.STRATEGY_EVENTS.name)
    mine = (topics.STRATEGY_EVENTS.name, partition_of(run, count))
    started: Started | None = None
    events: list[tuple[int, Event]] = []
    cursor: Cursor = {}
    last = -1
    for batch in read_to_end(bootstrap, {mine: bounds[mine][0]}, name=f"strategy-{run}"):
        for message in batch:
            record = _events.decode(message.value() or b"")
            if record.run != run or record.number <= last:
                continue
            last = record.number
            fields = dict(record.event)
            source = fields.pop("source", None)
            if record.number == 0:
                started = msgspec.convert(fields, Started)
                cursor = {_partition(name): offset for name, offset in started.cursor.items()}
                continue
            if source is not None:
                cursor[_partition(source[0])] = max(cursor.get(_partition(source[0]), 0), source[1] + 1)
            if state is None or record.number > state.number:
                events.append((record.number, msgspec.convert(fields, Event)))
    if started is None:
        return None
    if state is not None:
        cursor |= {
            at: max(offset, cursor.get(at, 0))
            for at, offset in ((_partition(name), offset) for name, offset in state.cursor.items())
        }
    return Recorded(started=started, events=events, state=state, cursor=cursor)


def _partition(name: str) -> Partition:
    topic, _, number = name.rpartition("/")
    return topic, int(number)


def instruments(bootstrap: str) -> dict[str, Listed]:
    """Of the topic `instruments`. Raises `KafkaException`."""
    found: dict[str, Listed] = {}
    log_bounds(bootstrap, [topics.INSTRUMENTS.name])
    decoder = msgspec.json.Decoder(messages.Instrument)
    for batch in read_to_end(bootstrap, {(topics.INSTRUMENTS.name, 0): None}, name="strategy-instruments"):
        for message in batch:
            record = decoder.decode(message.value() or b"")
            found[record.symbol] = listed(record)
    return found


class Runner:
    """One run of one strategy."""

    def __init__(
        self,
        bootstrap: str,
        client: Client,
        kind: type[Strategy],
        parameters: Any,
        *,
        strategy: str,
        run: str,
        account: str,
        cash: Decimal,
        stop: threading.Event,
        dsn: str,
    ) -> None:
        """`strategy`: the name that `catalog.find` knows it by. `dsn`: where the history is that it warms up on. Raises
        `ParameterError` and `RunError`, and what Kafka and the engine raise where they are away."""
        self._client = client
        self._run = run
        self._account = account
        self._stop = stop
        self._outage = Outage(log, "the engine")
        self._outbox = Outbox(bootstrap, f"strategy-{run}")
        self._reader = LogReader(bootstrap, READ, name=f"strategy-{run}", stop=stop, log=log)
        self.session = new_session(kind, parameters, run, account, cash, instruments(bootstrap))
        self._number = 0
        self._saved = 0
        self._since_ns = 0
        self._refusals: deque[OrderUpdate] = deque()
        self._timer_ns = timer_ns(self.session)
        self._due_ns = time.time_ns() + self._timer_ns
        self._begin(bootstrap, dsn, strategy, parameters, cash)

    # --------------------------------------------------------------------------------------------------- beginning

    def _begin(self, bootstrap: str, dsn: str, strategy: str, parameters: Any, cash: Decimal) -> None:
        found = recorded(bootstrap, self._run)
        chosen = msgspec.to_builtins(parameters)
        if found is None:
            ends = {at: high for at, (_, high) in log_bounds(bootstrap, READ).items()}
            since_ns = self._history_ns(dsn)
            starts = {} if since_ns is None else history.offsets(bootstrap, ends, since_ns)
            started = Started(
                strategy=strategy,
                account=self._account,
                cash=str(cash),
                parameters=chosen,
                # What a crash keeps from being given now is read after it.
                cursor=_named({**ends, **starts}),
                since_ns=since_ns or 0,
            )
            self._since_ns = started.since_ns
            self._write(0, time.time_ns(), msgspec.to_builtins(started))
            self._outbox.delivered()
            self._send(self.session.start())
            log.info("run %s of %s begins", self._run, strategy)
            self._warm_up(bootstrap, starts, ends)
            self._reader.start(ends)
            return
        asked = (strategy, self._account, str(cash), chosen)
        was = (found.started.strategy, found.started.account, found.started.cash, found.started.parameters)
        if asked != was:
            raise RunError(
                f"run {self._run} was begun as {was[0]} on account {was[1]} with cash {was[2]} and {was[3]}: "
                "give the same, or another --run"
            )
        self._since_ns = found.started.since_ns
        if found.state is not None:
            self.session.restore(found.state.state)
            self._number = self._saved = found.state.number
        else:
            self._send(self.session.start())
        for number, event in found.events:
            self._number = number
            self._send(self.session.deliver(event))
        self._reader.start(found.cursor)
        log.info("run %s goes on after event %d", self._run, self._number)

    def _history_ns(self, dsn: str) -> int | None:
        """Where the history begins that the strategy warms up on, None where it needs none or there is none."""
        strategy = self.session.running.strategy
        if not strategy.warm_up or "bar" not in strategy.takes:
            return None
        try:
            found = history.first_ns(dsn, strategy.symbols, strategy.bar_seconds, strategy.warm_up, time.time_ns())
        except psycopg.Error as error:
            log.warning("no history to warm up on (%s): bars to come will do", str(error).strip().splitlines()[0])
            return None
        if found is None:
            log.info("there is no history to warm up on: bars to come will do")
        return found

    def _warm_up(self, bootstrap: str, starts: Cursor, ends: Cursor) -> None:
        """Gives the strategy the trades before its beginning. Its orders are held back, as it is not warm."""
        found = [
            (event, message)
            for message in history.before(bootstrap, starts, ends)
            if isinstance(event := self._event(message), TradeUpdate) and self.session.wants(event)
        ]
        trades = history.in_order(found, self._since_ns)
        for first in range(0, len(trades), MOST):
            self._give(list(trades[first : first + MOST]))
        if trades:
            log.info("warmed up on %d trades", len(trades))

    # ------------------------------------------------------------------------------------------------------- events

    def step(self) -> None:
        """Takes in what has come, writes it down, and gives it to the strategy."""
        found = self._reader.read(MOST, WAIT_S, LINGER_S)
        batch: list[tuple[Event, Message | None]] = [
            (self._refusals.popleft(), None) for _ in range(len(self._refusals))
        ]
        for message in found:
            event = self._event(message)
            if event is not None and self.session.wants(event):
                batch.append((event, message))
        now_ns = time.time_ns()
        if self._timer_ns and now_ns >= self._due_ns:
            self._due_ns = now_ns + self._timer_ns
            batch.append((Timer(now_ns), None))
        if batch:
            self._give(batch)

    def _give(self, batch: Sequence[tuple[Event, Message | None]]) -> None:
        """Writes events down, and gives them to the strategy."""
        for offset, (event, source) in enumerate(batch, 1):
            fields: dict[str, Any] = msgspec.to_builtins(event)
            if source is not None:
                at = place(source)
                fields["source"] = [f"{at.topic}/{at.partition}", at.offset]
            self._write(self._number + offset, event.ts_ns, fields)
        self._outbox.delivered()
        for event, _ in batch:
            self._number += 1
            self._send(self.session.deliver(event))
        self._publish_signals()
        if self._number - self._saved >= SAVE_EVERY:
            self.save()

    def _event(self, message: Message) -> Event | None:
        """None for what concerns nobody here."""
        value = message.value()
        if value is None:
            return None
        topic = message.topic()
        if topic == topics.BOOKS.name:
            return book_update(_books.decode(value), LEVELS)
        if topic == topics.TRADES.name:
            trade = trade_update(_trades.decode(value))
            # Of the interval before the history's first one, which would be half a bar.
            return trade if trade.ts_ns >= self._since_ns else None
        report = _reports.decode(value)
        return order_update(report) if report.account == self._account else None

    def _write(self, number: int, ts_ns: int, event: dict[str, Any]) -> None:
        record = messages.StrategyEvent(run=self._run, number=number, ts_ns=ts_ns, event=event)
        self._outbox.send(topics.STRATEGY_EVENTS.name, self._run, as_json(record))

    def _publish_signals(self) -> None:
        for bar, values in self.session.signals:
            record = messages.Signal(run=self._run, symbol=bar.symbol, ts_ns=bar.ts_ns, values=values)
            self._outbox.send(topics.SIGNALS.name, bar.symbol, as_json(record))
        self.session.signals.clear()

    def save(self) -> None:
        """Writes the state down. Everything up to `number` has been sent."""
        record = messages.StrategyState(
            run=self._run, number=self._number, cursor=_named(self._reader.cursor), state=self.session.save()
        )
        self._outbox.send(topics.STRATEGY_STATE.name, self._run, as_json(record))
        self._outbox.delivered()
        self._saved = self._number

    # ----------------------------------------------------------------------------------------------------- commands

    def _send(self, commands: list[OrderCommand]) -> None:
        """To the engine, however long it is away. A repeat is answered with the first outcome."""
        if not commands:
            return
        while True:
            try:
                replies = self._client.submit(commands)
            except (TimeoutError, Refusal) as error:
                self._outage.lost(error)
                if self._stop.wait(RETRY_S):
                    raise Stopped from None
                continue
            if any(reply.reason == "busy" for reply in replies):
                self._outage.lost("it takes no new orders at the moment")
                if self._stop.wait(RETRY_S):
                    raise Stopped
                continue
            break
        self._outage.back()
        for command, reply in zip(commands, replies, strict=True):
            if reply.seq == SEQUENCED:
                self._note_refusal(command, reply)

    def _note_refusal(self, command: OrderCommand, reply: Reply) -> None:
        """What was refused before it was sequenced has no report in the topics: the strategy is told with what comes
        next, and that is written down like the rest."""
        names = [leg.client_order_id for leg in command.orders] if isinstance(command, OrderList) else [None]
        for name in names:
            client_order_id = name or getattr(command, "client_order_id", None) or ""
            log.warning("order %s was refused: %s", client_order_id, reply.text or reply.reason)
            self._refusals.append(
                OrderUpdate(
                    symbol=getattr(command, "symbol", None) or "",
                    ts_ns=self.session.running.desk.now_ns,
                    client_order_id=client_order_id,
                    exec_type="rejected",
                    order_status="rejected",
                    reason=reply.reason,
                )
            )

    def run(self, ready: Callable[[], None]) -> None:
        """Until asked to stop; then the state is saved."""
        ready()
        try:
            while not self._stop.is_set():
                self.step()
        except Stopped:
            return  # in the middle of sending: what is written down is given to it again, and sent again
        self.save()

    def close(self) -> None:
        self._reader.close()
        self._outbox.close()


def _named(cursor: Cursor) -> dict[str, int]:
    return {f"{topic}/{number}": offset for (topic, number), offset in cursor.items()}
