"""The gateway's one Kafka reader: a thread reads, the event loop folds and tells the subscribers.

All state belongs to the event loop, so a snapshot and the subscription that follows it are one step, and neither a
lock nor a copy is needed."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
import time
from typing import Final

import msgspec
from confluent_kafka import KafkaException
from confluent_kafka import Message as KafkaMessage

from engine import topics
from engine.messages import Account, Instrument, OrderCommand, StateHash
from engine.words import Reason
from gateway import events
from gateway.channels import BY_TOPIC, FEEDS, FILLS, TRADES, Channel
from gateway.cursor import Position, checksum
from gateway.events import Event
from gateway.metrics import Metrics
from gateway.snapshots import Snapshot, Unusable, empty, load
from gateway.state import State
from gateway.subscriber import Directory, Subscriber
from streams.consumer import Cursor, LogMismatch, LogReader, Partition, Stopped, log_bounds

log = logging.getLogger(__name__)

BATCH: Final = 500
"""Records that the loop folds before it turns to anything else."""
AHEAD: Final = 4
"""Batches that may wait for the loop."""
RECENT_RECORDS: Final = 5_000
"""Of each partition of fills, trades and state hashes, read at the start to show the latest of them."""
REFERENCE: Final = (topics.INSTRUMENTS.name, topics.ACCOUNTS.name)
STATES: Final = topics.STATE_HASHES.name

AGAIN_S: Final = 1.0
STOP_S: Final = 1.0

Record = Event | Account | Instrument | StateHash
Batch = list[Record]


class Reader(LogReader):
    @property
    def away(self) -> bool:
        """Whether Kafka does not answer."""
        return self._outage.away


class Hub:
    """`loaded` is set once all that stood in Kafka at the start is folded in; before that no stream begins."""

    def __init__(self, bootstrap: str, redis_url: str, metrics: Metrics) -> None:
        self.state = State()
        self.loaded = asyncio.Event()
        self.directory = Directory()
        self.bootstrap = bootstrap
        self._redis_url = redis_url
        self._metrics = metrics
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop = threading.Event()
        self._room = threading.Semaphore(AHEAD)
        self._thread = threading.Thread(target=self._run, name="hub", daemon=True)
        self._reader: Reader | None = None
        self._changed = asyncio.Event()
        self._instrument_decoder = msgspec.json.Decoder(Instrument)
        self._account_decoder = msgspec.json.Decoder(Account)
        self._state_decoder = msgspec.json.Decoder(StateHash)

    # ------------------------------------------------------------------------------------------- the loop's side

    def start(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._thread.start()

    async def stop(self) -> None:
        self._stop.set()
        self._room.release()
        self.end_subscriptions("shutdown")
        # Where Kafka is away the thread may be waiting for its answer; nothing of it is needed any more.
        await asyncio.to_thread(self._thread.join, STOP_S)

    def end_subscriptions(self, reason: str) -> None:
        for subscriber in list(self.directory.subscribers):
            subscriber.end(reason)

    @property
    def connected(self) -> bool:
        """Whether Kafka answers."""
        return self._reader is not None and not self._reader.away

    @property
    def live(self) -> bool:
        """Whether what is in memory is as new as Kafka can tell."""
        return self.loaded.is_set() and self.connected

    def subscribe(self, channels: tuple[Channel, ...], accounts: frozenset[str] | None) -> Subscriber:
        """A subscriber that gets every event from now on. What it is to be sent first is the caller's part, in the same
        step of the loop."""
        position = Position(checksum(channels, ["*"] if accounts is None else accounts), channels)
        subscriber = Subscriber(channels, accounts, position)
        self.directory.add(subscriber)
        return subscriber

    def unsubscribe(self, subscriber: Subscriber) -> None:
        self.directory.remove(subscriber)

    def knows(self, reason: str, command: OrderCommand) -> bool:
        """Whether Kafka has told of the command's account, or of its symbol, that the reason calls unknown."""
        if reason == Reason.UNKNOWN_ACCOUNT.wire:
            return command.account in self.state.accounts
        return command.symbol in self.state.instruments

    async def change(self, timeout_s: float) -> None:
        """Until the next batch has been folded, or the time is up."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._changed.wait()
        except TimeoutError:
            pass

    async def wait_loaded(self, timeout_s: float) -> bool:
        try:
            async with asyncio.timeout(timeout_s):
                await self.loaded.wait()
        except TimeoutError:
            return False
        return True

    def _begin(self, snapshot: Snapshot, starts: Cursor) -> None:
        """A state to fold into: at the start, and again where the log under the old one has changed."""
        self.end_subscriptions("restarted")
        self.loaded.clear()
        state = State()
        state.instruments, state.accounts = self.state.instruments, self.state.accounts
        for feed in FEEDS:
            partitions = sorted(partition for partition in starts if partition[0] == feed.topic.name)
            state.offsets[feed.name] = [starts[partition] for partition in partitions]
            state.whole[feed.name] = not any(state.offsets[feed.name])
        for order in snapshot.orders:
            state.put_order(order)
        for feed_name, records in snapshot.latest.items():
            state.latest[feed_name].update(records)
        self.state = state

    def _fold(self, batch: Batch, loaded: bool) -> None:
        state = self.state
        for record in batch:
            if isinstance(record, Event):
                shown = state.apply(record)
                if shown is not None:
                    for subscriber in self.directory.interested(shown):
                        subscriber.offer(shown)
            elif isinstance(record, Instrument):
                state.instruments[record.symbol] = record
            elif isinstance(record, StateHash):
                self._note_state(record)
            else:
                state.accounts[record.account] = record
        self._metrics.hub_events.inc(len(batch))
        if loaded:
            self.loaded.set()
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()
        self._room.release()

    def _note_state(self, state: StateHash) -> None:
        """What the publisher found when it last looked whether the books of account add up."""
        if state.drift is not None and state.seq is not None:
            self._metrics.drift.set(state.drift)
            self._metrics.drift_seq.set(state.seq)

    # ------------------------------------------------------------------------------------------ the thread's side

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self._follow()
            except Stopped:
                return
            except LogMismatch as error:
                log.error("reading Kafka anew, since its log has changed: %s", error)
            except Exception:
                log.exception("reading Kafka anew after a failure")
            finally:
                reader, self._reader = self._reader, None
                if reader is not None:
                    reader.close()
            self._stop.wait(AGAIN_S)

    def _follow(self) -> None:
        names = [*(feed.topic.name for feed in FEEDS), *REFERENCE, STATES]
        reader = self._reader = Reader(self.bootstrap, names, name="gateway", stop=self._stop, log=log)
        reader.start({})
        snapshot = self._snapshot()
        bounds = self._bounds(names)
        starts = self._starts(bounds, snapshot)
        reader.start(starts)
        self._post(self._begin, snapshot, starts)
        waiting = {partition: end for partition, (_, end) in bounds.items() if starts[partition] < end}
        self._hand_over([], not waiting)
        while not self._stop.is_set():
            messages = reader.read(BATCH, 0.2, 0.0)
            if waiting:
                waiting = {partition: end for partition, end in waiting.items() if reader.cursor[partition] < end}
                self._hand_over(messages, not waiting)
            elif messages:
                self._hand_over(messages, True)

    def _bounds(self, names: list[str]) -> dict[Partition, tuple[int, int]]:
        while True:
            try:
                return log_bounds(self.bootstrap, names)
            except KafkaException:
                if self._stop.wait(0.25):
                    raise Stopped from None

    def _snapshot(self) -> Snapshot:
        try:
            return load(self._redis_url, self.bootstrap)
        except Unusable as error:
            log.info("reading Kafka from its beginning: %s", error)
            return empty()

    @staticmethod
    def _starts(bounds: dict[Partition, tuple[int, int]], snapshot: Snapshot) -> Cursor:
        """Where to begin in each partition. A snapshot of another log is emptied."""
        if any(not 0 <= offset <= bounds.get(partition, (0, 0))[1] for partition, offset in snapshot.cursor.items()):
            log.warning("reading Kafka from its beginning: what Redis holds was made from another log")
            for kept in (snapshot.cursor, snapshot.orders, snapshot.latest):
                kept.clear()
        starts = {}
        for partition, (low, high) in bounds.items():
            if partition[0] == STATES or BY_TOPIC.get(partition[0]) in (FILLS, TRADES):
                starts[partition] = max(low, high - RECENT_RECORDS)
            else:
                starts[partition] = max(low, snapshot.cursor.get(partition, low))
        return starts

    def _hand_over(self, messages: list[KafkaMessage], loaded: bool) -> None:
        batch: Batch = []
        for message in messages:
            try:
                batch.append(self._read(message))
            except (msgspec.MsgspecError, UnicodeDecodeError) as error:
                self._metrics.unreadable.inc()
                log.warning(
                    "unreadable record at %s/%s offset %s: %s",
                    message.topic(), message.partition(), message.offset(), error,
                )  # fmt: skip
        if messages:
            _, created_ms = messages[-1].timestamp()
            age_s = max(0.0, time.time() - created_ms / 1000)
            self._metrics.hub_lag.set(age_s)
            if loaded:
                self._metrics.windows["kafka_to_gateway"].add(age_s)
        self._room.acquire()
        self._post(self._fold, batch, loaded)

    def _read(self, message: KafkaMessage) -> Record:
        if message.topic() in BY_TOPIC:
            return events.read(message)
        value = message.value() or b""
        if message.topic() == topics.INSTRUMENTS.name:
            return self._instrument_decoder.decode(value)
        if message.topic() == STATES:
            return self._state_decoder.decode(value)
        return self._account_decoder.decode(value)

    def _post(self, call, *arguments) -> None:  # type: ignore[no-untyped-def]
        assert self._loop is not None
        if not self._stop.is_set():
            with contextlib.suppress(RuntimeError):  # the loop has ended in this very moment
                self._loop.call_soon_threadsafe(call, *arguments)
