"""The publisher process: follows the journal, runs the same core again, and publishes what comes of it to Kafka.

It keeps no state of its own: on a start it looks at the last record of every partition that it writes, and publishes
what comes after. So no record is missing and none is there twice, whatever died when.
"""

from __future__ import annotations

import logging
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import msgspec
from confluent_kafka import KafkaError, Message, Producer

from engine.core import Core
from engine.journal import Frame, Reader, runs
from engine.layout import COMMAND, REPORT
from engine.messages import (
    AdministrativeEntry,
    DeadLetter,
    DefineAccount,
    DefineInstrument,
    Deposit,
    Refused,
    SequencedCommand,
    Unreadable,
    as_json,
)
from engine.partitions import partition_of
from engine.quiet import LIBRDKAFKA
from engine.records import SOURCES, Reporter, account_record, book_record, instrument_record
from engine.sequencer import apply_frame
from engine.tails import Position, Tails
from engine.topics import (
    ACCOUNTS,
    BOOKS,
    COMMANDS,
    DEAD_LETTERS,
    FILLS,
    INSTRUMENTS,
    ORDER_EVENTS,
    TRADES,
    Topic,
)
from engine.words import ExecType, Liquidity

log = logging.getLogger(__name__)

BOOK_LEVELS: Final = 20
BOOK_SECONDS: Final = 0.05
IDLE_SECONDS: Final = 0.002
FRAME_COMMANDS: Final = 2000
"""Commands applied before their reports are published: bounds what is held in memory."""
WRITTEN: Final = (COMMANDS, ORDER_EVENTS, FILLS, TRADES, INSTRUMENTS, ACCOUNTS, DEAD_LETTERS)
"""Topics whose records carry (seq, index) in the header `at`, by which the publisher finds its place again."""

TRADE: Final = int(ExecType.TRADE)
PRINT: Final = int(ExecType.PRINT)
TAKER: Final = int(Liquidity.TAKER)
REPORT_FIELDS: Final = REPORT.names or ()
COMMAND_FIELDS: Final = COMMAND.names or ()


class Publisher:
    """Publishes a journal."""

    def __init__(self, journal: Path, bootstrap: str, max_orders: int) -> None:
        self._core = Core(max_orders=max_orders)
        self._core.compile()
        self._reader = Reader(journal, max_orders=max_orders)
        self._reporter = Reporter(self._core)
        self._tails = Tails(bootstrap)
        self._producer = Producer(
            {
                "bootstrap.servers": bootstrap,
                "enable.idempotence": True,
                "acks": "all",
                "partitioner": "murmur2_random",
                "message.timeout.ms": 0,
                "linger.ms": 2,
                "queue.buffering.max.messages": 200_000,
                "error_cb": self._note_error,
            },
            logger=LIBRDKAFKA,
        )
        self._partitions: dict[str, int] = {}
        self._published: dict[tuple[str, int], Position] = {}
        self._caught_up = False
        self._dirty: dict[int, int] = {}
        """Instruments whose book changed since it was published → time of the change."""
        self._book_time = 0.0
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
                self._partitions, self._published = found
                return
            self.stopped.wait(0.5)

    def follow(self) -> bool:
        """Publishes what the journal has gained. Returns whether there was anything."""
        worked = False
        for frame in runs(self._reader.frames(), most=FRAME_COMMANDS):
            self._publish_frame(frame)
            worked = True
            self._publish_books()
            if self.stopped.is_set():
                break
        self._publish_books()
        self._producer.poll(0)
        if self._failed is not None:
            raise RuntimeError(f"Kafka refused a record: {self._failed}")
        return worked

    def _publish_frame(self, frame: Frame) -> None:
        reports = apply_frame(self._core, frame).reports
        if frame.entry is not None:
            self._publish_entry(frame.first_seq, frame.entry)
        else:
            self._publish_commands(frame)
        for row in reports.tolist():
            report = dict(zip(REPORT_FIELDS, row, strict=True))
            if 1 <= report["instrument"] <= len(self._core.instruments):
                self._dirty[report["instrument"]] = report["ts_ns"]
            self._publish_report(report)

    def _publish_commands(self, frame: Frame) -> None:
        assert frame.records is not None
        if frame.last_seq <= self._published.get((COMMANDS.name, 0), (0, 0))[0]:
            return
        for row in frame.records.tolist():
            command = dict(zip(COMMAND_FIELDS, row, strict=True))
            from_kafka = command["source_partition"] >= 0
            record = SequencedCommand(
                seq=command["seq"],
                ts_ns=command["ts_ns"],
                source=SOURCES.get(command["source"], ""),
                actor=command["actor"].decode("latin-1"),
                type="",
                command=self._reporter.command_fields(command),
                source_partition=command["source_partition"] if from_kafka else None,
                source_offset=command["source_offset"] if from_kafka else None,
            )
            record = msgspec.structs.replace(record, type=record.command.pop("type"))
            self._produce(COMMANDS, b"0", record, command["seq"], 0, partition=0)

    def _publish_report(self, report: dict[str, Any]) -> None:
        seq, index = report["seq"], report["index"]
        if report["exec_type"] == PRINT:
            trade = self._reporter.trade(report)
            self._produce(TRADES, trade.symbol.encode(), trade, seq, index)
            return
        event = self._reporter.order_event(report)
        key = (event.symbol or event.account).encode()
        self._produce(ORDER_EVENTS, key, event, seq, index)
        if report["exec_type"] == TRADE:
            self._produce(FILLS, key, self._reporter.fill(event, report["match"]), seq, index)
            if report["liquidity"] == TAKER:
                self._produce(TRADES, key, self._reporter.trade(report), seq, index)

    def _publish_entry(self, seq: int, entry: AdministrativeEntry) -> None:
        command = entry.command
        fields = msgspec.json.decode(as_json(command))
        kind = fields.pop("type")
        from_kafka = entry.source_partition >= 0
        record = SequencedCommand(
            seq=seq,
            ts_ns=entry.ts_ns,
            source=entry.source,
            actor=entry.actor,
            type=kind,
            command=fields,
            source_partition=entry.source_partition if from_kafka else None,
            source_offset=entry.source_offset if from_kafka else None,
        )
        self._produce(COMMANDS, b"0", record, seq, 0, partition=0)
        match command:
            case DefineInstrument():
                listed = self._core.instruments.find(command.symbol)
                if listed is not None and listed.seq == seq:
                    self._produce(INSTRUMENTS, command.symbol.encode(), instrument_record(listed), seq, 0, partition=0)
                    self._dirty[listed.number] = entry.ts_ns
            case DefineAccount() | Deposit():
                account = self._core.accounts.find(command.account)
                if account is not None and account.seq == seq:
                    self._produce(ACCOUNTS, command.account.encode(), account_record(account), seq, 0, partition=0)
            case Refused():
                event = self._reporter.refused_event(seq, entry.ts_ns, entry.source, command)
                self._produce(ORDER_EVENTS, (event.symbol or event.account).encode(), event, seq, 0)
            case Unreadable():
                self._produce(
                    DEAD_LETTERS, command.topic.encode(), dead_letter(entry.ts_ns, command), seq, 0, partition=0
                )

    def _publish_books(self) -> None:
        """At most every BOOK_SECONDS, and only when the whole journal has been read: an old book helps nobody."""
        now = time.monotonic()
        if not self._dirty or not self._caught_up or now - self._book_time < BOOK_SECONDS:
            return
        self._book_time = now
        for number, ts_ns in self._dirty.items():
            book = book_record(self._core, number, BOOK_LEVELS, self._core.last_seq, ts_ns)
            self._send(BOOKS, book.symbol.encode(), as_json(book), -1, [])
        self._dirty.clear()

    # ----------------------------------------------------------------------------------------------- producing

    def _produce(self, topic: Topic, key: bytes, record: Any, seq: int, index: int, *, partition: int = -1) -> None:
        """Unless the partition that the key belongs to has it already."""
        if partition < 0:
            partition = partition_of(key.decode(), self._partitions[topic.name])
        if (seq, index) <= self._published.get((topic.name, partition), (0, 0)):
            return
        self._published[topic.name, partition] = (seq, index)
        self._send(topic, key, as_json(record), partition, [("at", f"{seq}.{index}".encode())])

    def _send(
        self, topic: Topic, key: bytes, value: bytes, partition: int, headers: list[tuple[str, str | bytes | None]]
    ) -> None:
        while True:
            try:
                self._producer.produce(
                    topic.name, value, key, partition, on_delivery=self._delivered, headers=headers or None
                )
                self._producer.poll(0)
                return
            except BufferError:
                self._producer.poll(0.1)
                if self.stopped.is_set():
                    return

    def _delivered(self, error: KafkaError | None, message: Message) -> None:
        if error is not None:
            if not self.stopped.is_set():
                self._failed = error.str()
        elif self._away:
            self._away = False
            log.info("Kafka is back")

    def _check_same_log(self) -> None:
        """Kafka must not be ahead of the journal: then it holds the events of another one, and ours would be taken for
        published."""
        ahead = max((seq for seq, _ in self._published.values()), default=0)
        if ahead > self._core.last_seq:
            raise RuntimeError(
                f"Kafka holds events up to command {ahead}, the journal ends at {self._core.last_seq}: they belong to "
                "different runs; restore the journal, or start with an empty Kafka and empty databases (a new HFT_VAR)"
            )

    def run(self, ready: Callable[[], None]) -> None:
        """Until `stopped`."""
        self.prepare()
        while not self.stopped.is_set():
            if not self.follow():
                if not self._caught_up:
                    self._check_same_log()
                    self._caught_up = True
                    log.info("the journal is read up to command %d", self._core.last_seq)
                    ready()
                time.sleep(IDLE_SECONDS)
        self._producer.flush(2)
        self._reader.close()


def dead_letter(ts_ns: int, command: Unreadable) -> DeadLetter:
    """The record of `dead-letters` for bytes that were no command."""
    return DeadLetter(
        topic=command.topic,
        partition=command.partition,
        offset=command.offset,
        ts_ns=ts_ns,
        reason=command.reason,
        field=command.field or None,
        text=command.text,
        key=command.key,
        value=command.value,
    )


def run(journal: Path, bootstrap: str, max_orders: int, ready: Callable[[], None]) -> None:
    """The process: until SIGTERM or SIGINT."""
    publisher = Publisher(journal, bootstrap, max_orders)

    def stop(number: int, frame: Any) -> None:
        publisher.stopped.set()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    publisher.run(ready)
