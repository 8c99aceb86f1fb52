"""The topics' part of a backup: every record with its key, headers, time, partition and offset.

A topic that only grows is restored so that each record has its offset again: the journal, the tables and the agents
remember offsets. A compacted one is read as a whole and gets new offsets: nobody remembers those.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Final

import msgspec
from confluent_kafka import KafkaError, Message, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from msgspec import Struct

from engine import kafka
from engine.quiet import LIBRDKAFKA
from infra.backup.manifest import PartitionPart
from infra.backup.parts import Parts, reading
from infra.errors import OperatorError
from streams.consumer import log_bounds, place, read_to_end

FOLDER: Final = "topics"
BLOCK: Final = 10_000
"""Records written as one piece of a file."""
ANSWER_S: Final = 30.0


class Record(Struct, array_like=True, frozen=True):
    offset: int
    ts_ms: int
    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes | None]] | None


_NOTHING: Final = Record(0, 0, None, None, None)
_encode: Final = msgspec.msgpack.Encoder().encode
_decoder: Final = msgspec.msgpack.Decoder(list[Record])


def file_name(topic: str, partition: int) -> str:
    return f"{FOLDER}/{topic}/{partition}"


def _record(message: Message) -> Record:
    headers: Any = message.headers()
    return Record(place(message).offset, message.timestamp()[1], message.key(), message.value(), headers)


# ------------------------------------------------------------------------------------------------------- copying


def copy(bootstrap: str, topic: str, bounds: Mapping[int, tuple[int, int | None]], parts: Parts) -> list[PartitionPart]:
    """Copies the partitions of a topic, each up to the end that `bounds` has, or (None) to the end that it has when it
    is reached. Raises `KafkaException`."""
    return [_copy_partition(bootstrap, topic, number, *bounds[number], parts) for number in sorted(bounds)]


def _copy_partition(bootstrap: str, topic: str, number: int, low: int, end: int | None, parts: Parts) -> PartitionPart:
    count, reached = 0, low
    with parts.writing(file_name(topic, number)) as file:
        for records in _records(bootstrap, topic, number, low, end):
            block = _encode(records)
            file.write(len(block).to_bytes(4, "little") + block)
            count, reached = count + len(records), records[-1].offset + 1
    return PartitionPart(low, reached if end is None else end, count)


def _records(bootstrap: str, topic: str, number: int, low: int, end: int | None) -> Iterator[list[Record]]:
    if end is not None and low >= end:
        return
    for messages in read_to_end(bootstrap, {(topic, number): low}, name="backup", batch=BLOCK):
        records = [_record(message) for message in messages]
        if end is None or records[-1].offset < end:
            yield records
            continue
        if records := [record for record in records if record.offset < end]:
            yield records
        return  # others go on writing to it


def read(folder: Path, topic: str, number: int) -> Iterator[Record]:
    """The records of one partition of a backup."""
    with reading(folder, file_name(topic, number)) as content:
        while head := content.read(4):
            yield from _decoder.decode(content.read(int.from_bytes(head, "little")))


# ------------------------------------------------------------------------------------------------------ restoring


class Writer:
    """Writes records to empty topics. Raises `OperatorError` where Kafka gives one another offset than it had."""

    def __init__(self, bootstrap: str) -> None:
        self._bootstrap = bootstrap
        self._failure = ""
        self._producer = Producer(self._configuration(), logger=LIBRDKAFKA)
        self._transactions: Producer | None = None

    def _configuration(self) -> dict[str, Any]:
        return {
            **kafka.configuration(self._bootstrap),
            "acks": "all",
            "enable.idempotence": True,
            "linger.ms": 20,
            "queue.buffering.max.messages": 200_000,
        }

    def compacted(self, topic: str, number: int, records: Iterable[Record]) -> None:
        """The records in their order, from offset 0 on."""
        for offset, record in enumerate(records):
            self._send(self._producer, topic, number, record, offset)
        self.flush(self._producer)

    def exact(self, topic: str, number: int, part: PartitionPart, records: Iterable[Record]) -> None:
        """The records at their offsets; the partition then begins and ends where it did."""
        held: Record | None = None
        for record in records:
            if held is None:
                self._begin(topic, number, record.offset)
            else:
                self._put(topic, number, held, record.offset - held.offset - 1)
            held = record
        if held is None:
            self._begin(topic, number, part.end)
        else:
            self._put(topic, number, held, part.end - held.offset - 1)
        self.flush(self._producer)

    def _begin(self, topic: str, number: int, first: int) -> None:
        """Records that had been deleted, and are again."""
        if not first:
            return
        for offset in range(first):
            self._send(self._producer, topic, number, _NOTHING, offset)
        self.flush(self._producer)
        admin = AdminClient(kafka.configuration(self._bootstrap))
        for future in admin.delete_records([TopicPartition(topic, number, first)]).values():
            future.result(ANSWER_S)

    def _put(self, topic: str, number: int, record: Record, gap: int) -> None:
        """A record, and behind it `gap` offsets that readers pass over: there lay marks of others' transactions, or
        what those took back. A transaction's own mark fills one, what it takes back the others."""
        if gap == 1:
            self._transaction(topic, number, [record], record.offset, commit=True)
            return
        self._send(self._producer, topic, number, record, record.offset)
        if gap:
            self._transaction(topic, number, [_NOTHING] * (gap - 1), record.offset + 1, commit=False)

    def _transaction(self, topic: str, number: int, records: list[Record], first: int, *, commit: bool) -> None:
        self.flush(self._producer)
        if self._transactions is None:
            self._transactions = Producer(
                {**self._configuration(), "transactional.id": "hft-restore"}, logger=LIBRDKAFKA
            )
            self._transactions.init_transactions(ANSWER_S)
        self._transactions.begin_transaction()
        for offset, record in enumerate(records, first):
            self._send(self._transactions, topic, number, record, offset)
        self.flush(self._transactions)
        if commit:
            self._transactions.commit_transaction(ANSWER_S)
        else:
            self._transactions.abort_transaction(ANSWER_S)
        self._wait_mark(topic, number, first + len(records) + 1)

    def _wait_mark(self, topic: str, number: int, end: int) -> None:
        """A transaction's end is told before its mark is written."""
        limit = time.monotonic() + ANSWER_S
        while (found := log_bounds(self._bootstrap, [topic])[topic, number][1]) < end:
            if time.monotonic() > limit:
                raise OperatorError(f"Kafka did not end a transaction: {topic}/{number} ends at {found}, not {end}")
            time.sleep(0.005)

    def _send(self, producer: Producer, topic: str, number: int, record: Record, offset: int) -> None:
        options: dict[str, Any] = {"timestamp": record.ts_ms} if record.ts_ms > 0 else {}
        while True:
            try:
                producer.produce(
                    topic,
                    record.value,
                    record.key,
                    number,
                    on_delivery=partial(self._check, offset),
                    headers=record.headers,  # type: ignore[arg-type]
                    **options,
                )
                producer.poll(0)
                return
            except BufferError:
                producer.poll(0.1)
                self._raise_failure()

    def _check(self, offset: int, error: KafkaError | None, message: Message) -> None:
        if self._failure:
            return
        if error is not None:
            self._failure = f"{message.topic()}/{message.partition()}: {error.str()}"
        elif message.offset() != offset:
            self._failure = f"{message.topic()}/{message.partition()} gave offset {message.offset()}, not {offset}"

    def _raise_failure(self) -> None:
        if self._failure:
            raise OperatorError(f"Kafka did not take a record: {self._failure}")

    def flush(self, producer: Producer) -> None:
        """Returns when Kafka has all. Raises `OperatorError`."""
        while producer.flush(0.5):
            self._raise_failure()
        self._raise_failure()
