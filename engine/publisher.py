"""The publisher process: follows the journal, runs the same core again, and publishes what comes of it to Kafka.

It keeps no state of its own: on a start it looks at the last record of every partition that it writes, and publishes
what comes after. So no record is missing and none is there twice, whatever died when. The file `progress` only spares
it a part of the journal: it begins with a snapshot of before the last command that Kafka has wholly acknowledged.
"""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, Final

import msgspec
from confluent_kafka import KafkaError, Message, Producer

from engine import acks, kafka, snapshot
from engine.core import Core, hash_of
from engine.deliveries import Deliveries, Pending
from engine.journal_reader import Reader, command_time, runs
from engine.layout import BOOK_LEVELS
from engine.legs import LEGS
from engine.messages import StateHash
from engine.metrics import PublisherGauges
from engine.partitions import partition_of
from engine.progress import Progress
from engine.publication import Output, Publication
from engine.quiet import LIBRDKAFKA
from engine.records import book_record
from engine.segments import Frame, read_head, segments
from engine.sequencer import apply_frame
from engine.tails import Position, Tail, Tails
from engine.tally import FRAMES, Tally
from engine.topics import (
    ACCOUNTS,
    BOOKS,
    COMMANDS,
    CORPORATE_ACTIONS,
    DEAD_LETTERS,
    FILLS,
    INSTRUMENTS,
    ORDER_EVENTS,
    STATE_HASHES,
    TRADES,
    Topic,
)
from engine.traces import HEADER, for_log

log = logging.getLogger(__name__)

BOOK_SECONDS: Final = 0.05
IDLE_SECONDS: Final = 0.004
BUSY_SECONDS: Final = 0.0005
"""Between two looks at the journal: when it has said nothing for a while, and when it has said something just now."""
BUSY_FOR_SECONDS: Final = 0.05
FRAME_COMMANDS: Final = 2000
"""Commands applied before their reports are published: bounds what is held in memory."""
WRITTEN: Final = (COMMANDS, ORDER_EVENTS, FILLS, TRADES, INSTRUMENTS, ACCOUNTS, CORPORATE_ACTIONS, DEAD_LETTERS)
"""Topics whose records carry (seq, index) in the header `at`, by which the publisher finds its place again."""

HASH_SECONDS: Final = 10.0
HASH_SHARE: Final = 200
"""While it copies the state, to hash the copy beside, nothing is published: at most every 200th part of the time."""
NOWHERE: Final[Position] = (0, 0)
Headers = list[tuple[str, str | bytes | None]]

encode: Final = msgspec.json.Encoder().encode


class _LastCommand(msgspec.Struct):
    """What the check for the same log needs of a record of `commands`."""

    seq: int
    ts_ns: int


_last_command: Final = msgspec.json.Decoder(_LastCommand)


class Publisher:
    """Publishes a journal."""

    def __init__(self, journal: Path, bootstrap: str, max_orders: int) -> None:
        self._core = Core(max_orders=max_orders)
        self._core.compile()
        self._journal = journal
        self._max_orders = max_orders
        self._reader = Reader(journal, max_orders=max_orders)
        self._epoch = 0
        """Under which the commands that are published were journaled."""
        self._progress: Progress | None = None
        self._deliveries = Deliveries(self._measure)
        self._pending = Pending(0)
        self._on_delivery = partial(self._delivered, self._pending)
        self._publication = Publication(self._core)
        self._publication.compile()
        self._tally = Tally(self._core.instruments.by_number)
        self._leg = LEGS.series("sequenced_to_published")
        self.waiting = 0
        """Records that Kafka had not acknowledged a moment ago."""
        self._old_seq = 0
        """Up to here everything had been published before the start: it is not counted again."""
        self._tails = Tails(bootstrap)
        self._producer = Producer(
            {
                **kafka.configuration(bootstrap),
                **acks.configuration(),
                "partitioner": "murmur2_random",
                "message.timeout.ms": 0,
                "queue.buffering.max.messages": 200_000,
                "error_cb": self._note_error,
            },
            logger=LIBRDKAFKA,
        )
        self._partitions: dict[str, int] = {}
        self._published: dict[tuple[str, int], Position] = {}
        self._caught_up = False
        self._dirty: set[int] = set()
        """Instruments whose book may have changed since it was published."""
        self._ts_ns = 0
        """Of the last command."""
        self._book_time = 0.0
        self._hash_time = time.monotonic() + HASH_SECONDS
        """When the state is to be hashed next."""
        self._hashed_seq = 0
        self._hasher = ThreadPoolExecutor(1, "state-hash")
        self._hashing: Future[StateHash] | None = None
        self._away = False
        self._failed: str | None = None
        self.stopped = threading.Event()

    def _note_error(self, error: KafkaError) -> None:
        if not self._away:
            self._away = True
            log.warning("Kafka is away, the journal waits: %s", error.str())

    # ----------------------------------------------------------------------------------------------- following

    def prepare(self) -> None:
        """Finds where every output stands; waits for Kafka as long as that takes."""
        names = [topic.name for topic in (*WRITTEN, BOOKS)]
        while not self.stopped.is_set():
            found = self._tails.read(names)
            if found is not None:
                self._partitions, tails = found
                self._published = {place: tail.position for place, tail in tails.items()}
                self._old_seq = self._published.get((COMMANDS.name, 0), NOWHERE)[0]
                self._check_same_log(tails.get((COMMANDS.name, 0)))
                self._begin()
                return
            self.stopped.wait(0.5)

    def _check_same_log(self, tail: Tail | None) -> None:
        """What Kafka holds must come of this journal: otherwise the events of another one would be taken for ours. The
        last command published is looked up in the journal, and must have the same time."""
        ahead = max((seq for seq, _ in self._published.values()), default=0)
        if ahead and command_time(self._journal, ahead) is None:
            raise RuntimeError(
                f"Kafka holds events up to command {ahead}, the journal in {self._journal} ends before it: they "
                "belong to different runs, or the journal has lost its end; restore the journal, or start with an "
                "empty Kafka and empty databases (a new HFT_VAR)"
            )
        if tail is None:
            return
        last = _last_command.decode(tail.value)
        here = command_time(self._journal, last.seq)
        if here != last.ts_ns:
            raise RuntimeError(
                f"Kafka's command {last.seq} is of {last.ts_ns} ns, that in the journal {self._journal} of {here} ns: "
                "they belong to different runs; restore the journal that was published, or start with an empty Kafka "
                "and empty databases (a new HFT_VAR)"
            )

    def _begin(self) -> None:
        """With the newest snapshot of before what Kafka surely has; otherwise with the journal's first command."""
        first = next(iter(segments(self._journal)), None)
        if first is None:
            return
        identity = read_head(first).identity
        self._progress = Progress(self._journal, identity)
        published, _ = self._published.get((COMMANDS.name, 0), NOWHERE)
        if self._progress.committed > published:
            self._progress.committed = 0  # of another Kafka, or one that was emptied
        folder = self._journal / snapshot.FOLDER
        place = snapshot.newest(folder, self._core, identity, most=self._progress.committed)
        if place is not None:
            self._reader = Reader(self._journal, max_orders=self._max_orders, after=place.seq)
            # Their books may have changed after they were published last.
            self._dirty = {entry.number for entry in self._core.instruments}
            self._ts_ns = place.ts_ns

    def follow(self) -> bool:
        """Publishes what the journal has gained. Returns whether there was anything."""
        worked = False
        for frame in runs(self._reader.frames(), most=FRAME_COMMANDS):
            FRAMES.observe(frame.size)
            self._pending = self._deliveries.begin(frame.last_seq, frame.size, frame.ts_ns)
            self._on_delivery = partial(self._delivered, self._pending)
            self._publish_frame(frame)
            self._producer.poll(0)
            self._note_progress()
            worked = True
            self._publish_books()
            if self.stopped.is_set():
                break
        self._publish_books()
        self._tally.count_due()
        self.waiting = len(self._producer)
        if time.monotonic() >= self._hash_time:
            self._begin_state_hash()
        self._publish_state_hash()
        self._producer.poll(0)
        self._note_progress()
        if self._failed is not None:
            raise RuntimeError(f"Kafka refused a record: {self._failed}")
        return worked

    def _measure(self, pending: Pending) -> None:
        """Kafka has acknowledged a frame of commands."""
        if pending.last_seq > self._old_seq:
            self._leg.note(time.time_ns() - pending.ts_ns, pending.commands)

    def _note_progress(self) -> None:
        committed = self._deliveries.committed()
        if committed is None:
            return
        if self._progress is None:
            assert self._reader.head is not None
            self._progress = Progress(self._journal, self._reader.head.identity)
        if committed > self._progress.committed:
            self._progress.committed = committed

    def _publish_frame(self, frame: Frame) -> None:
        if frame.epoch != self._epoch:
            assert self._reader.head is not None
            self._epoch = frame.epoch
            self._publication = Publication(self._core, shard=self._reader.head.shard, epoch=frame.epoch)
        reports = apply_frame(self._core, frame).reports
        if frame.entry is not None:
            self._produce(self._publication.administrative(frame.first_seq, frame.entry))
        else:
            self._publish_commands(frame)
        self._produce(self._publication.reports(reports))
        if frame.last_seq > self._old_seq:
            self._tally.add(reports)
        self._dirty |= self._publication.take_changed()
        self._ts_ns = frame.ts_ns

    def _publish_commands(self, frame: Frame) -> None:
        assert frame.records is not None
        if frame.last_seq > self._published.get((COMMANDS.name, 0), NOWHERE)[0]:
            self._produce(self._publication.commands(frame.records))

    def _publish_books(self, *, at_once: bool = False) -> None:
        """At most every BOOK_SECONDS unless `at_once`, and only when the whole journal has been read: an old book helps
        nobody."""
        now = time.monotonic()
        if not self._dirty or not self._caught_up or (not at_once and now - self._book_time < BOOK_SECONDS):
            return
        self._book_time = now
        for number in sorted(self._dirty):
            book = book_record(self._core, number, BOOK_LEVELS, self._core.last_seq, self._ts_ns)
            self._send(BOOKS, book.symbol, encode(book), -1, [], self._note_delivery)
        self._dirty.clear()

    def _begin_state_hash(self) -> None:
        """Of what the state has come to, where it is another than that of the last hash; not of what was published
        before a start."""
        seq, started = self._core.last_seq, time.monotonic()
        if (
            self._hashing is not None
            or seq == self._hashed_seq
            or seq < self._published.get((COMMANDS.name, 0), NOWHERE)[0]
        ):
            return
        parts, drift, ts_ns = list(self._core.state_parts()), self._core.drift(), self._ts_ns
        if drift:
            log.error("after command %d the engine's books are off by %d", seq, drift)

        def hashed() -> StateHash:
            return StateHash(
                topic=COMMANDS.name,
                kind="engine",
                offsets=[seq],
                hashes=[hash_of(parts)],
                seq=seq,
                max_orders=self._max_orders,
                drift=drift,
                ts_ns=ts_ns,
            )

        self._hashing = self._hasher.submit(hashed)
        self._hashed_seq, now = seq, time.monotonic()
        self._hash_time = now + max(HASH_SECONDS, HASH_SHARE * (now - started))

    def _publish_state_hash(self, *, wait: bool = False) -> None:
        """As soon as it is there."""
        if self._hashing is None or not (wait or self._hashing.done()):
            return
        record, self._hashing = self._hashing.result(), None
        self._send(STATE_HASHES, record.topic, encode(record), 0, [], self._note_delivery)

    # ----------------------------------------------------------------------------------------------- producing

    def _produce(self, outputs: Iterable[Output]) -> None:
        """Those that the partition that the key belongs to has not already."""
        tell = log.isEnabledFor(logging.DEBUG)
        for topic, key, value, at, trace in outputs:
            partition = 0 if topic.single else partition_of(key, self._partitions[topic.name])
            place = topic.name, partition
            if at <= self._published.get(place, NOWHERE):
                continue
            self._published[place] = at
            self._pending.records += 1
            headers: Headers = [("at", b"%d.%d" % at)]
            if trace:
                headers.append((HEADER, trace))
                if tell:
                    log.debug("%s of command %d to partition %d", topic.name, at[0], partition, extra=for_log(trace))
            self._send(topic, key, value, partition, headers, self._on_delivery)
            if topic is CORPORATE_ACTIONS:
                self._wait_delivered()

    def _wait_delivered(self) -> None:
        """Until Kafka has all that was sent: who reads a fill that names a corporate action must find that one too."""
        while self._producer.flush(0.1) and not self.stopped.is_set() and self._failed is None:
            pass

    def _send(
        self,
        topic: Topic,
        key: str,
        value: bytes,
        partition: int,
        headers: Headers,
        on_delivery: Callable[[KafkaError | None, Message], None],
    ) -> None:
        while True:
            try:
                self._producer.produce(
                    topic.name, value, key, partition, on_delivery=on_delivery, headers=headers or None
                )
                return
            except BufferError:
                self._producer.poll(0.1)
                if self.stopped.is_set():
                    return

    def _delivered(self, pending: Pending, error: KafkaError | None, message: Message) -> None:
        if error is None:
            pending.records -= 1
        self._note_delivery(error, message)

    def _note_delivery(self, error: KafkaError | None, message: Message) -> None:
        if error is not None:
            if not self.stopped.is_set():
                self._failed = f"{message.topic()}: {error.str()}"
        elif self._away:
            self._away = False
            log.info("Kafka is back")

    @property
    def last_seq(self) -> int:
        """The last command that was read."""
        return self._core.last_seq

    def run(self, ready: Callable[[], None]) -> None:
        """Until `stopped`."""
        self.prepare()
        busy_until = 0.0
        while not self.stopped.is_set():
            if self.follow():
                busy_until = time.monotonic() + BUSY_FOR_SECONDS
                continue
            if not self._caught_up:
                self._caught_up = True
                log.info("the journal is read up to command %d", self._core.last_seq)
                ready()
            time.sleep(BUSY_SECONDS if time.monotonic() < busy_until else IDLE_SECONDS)
        self._publish_books(at_once=True)  # they are all that is known until the next start
        self._publish_state_hash(wait=True)
        self._begin_state_hash()
        self._publish_state_hash(wait=True)
        self._hasher.shutdown()
        self._producer.flush(2)
        self._note_progress()
        self._reader.close()
        if self._progress is not None:
            self._progress.close()


def run(journal: Path, bootstrap: str, max_orders: int, ready: Callable[[], None], *, cpu: int | None = None) -> None:
    """The process: until SIGTERM or SIGINT. `cpu`: the processor that its thread keeps to."""
    publisher = Publisher(journal, bootstrap, max_orders)
    PublisherGauges(lambda: publisher.last_seq, lambda: publisher.waiting)

    def stop(number: int, frame: Any) -> None:
        publisher.stopped.set()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    if cpu is not None:
        os.sched_setaffinity(0, {cpu})  # this thread only: librdkafka's stay free
    publisher.run(ready)
