"""Reading Kafka's topics from our own cursor: every partition assigned by hand, no group, no commit.

Used by whatever is no Faust agent: sinks, the marks, the audit, and the loading of the agents' own state.
"""

from __future__ import annotations

import logging
import threading
import time
import weakref
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple, cast

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Message, TopicPartition

from engine import kafka
from engine.broker_refusal import BrokerRefusal, is_refusal
from engine.quiet import LIBRDKAFKA
from streams import metrics
from streams.lifecycle import Outage

Partition = tuple[str, int]
"""Topic and partition number."""
Cursor = dict[Partition, int]
"""The next offset to read of each partition."""


class Place(NamedTuple):
    """Where a record is in the log."""

    topic: str
    partition: int
    offset: int


def place(message: Message) -> Place:
    """Where a record was read. The client's own types allow for messages that were never sent."""
    return Place(cast(str, message.topic()), cast(int, message.partition()), cast(int, message.offset()))


ANSWER_S: Final = 5.0
TRY_S: Final = 0.5
LAG_S: Final = 1.0
MOVED: Final = (KafkaError.NOT_LEADER_FOR_PARTITION, KafkaError.LEADER_NOT_AVAILABLE)
MOVED_S: Final = 0.1
"""Between two looks for who leads a partition."""
STILL_S: Final = 10.0
"""After its last look at the lag, from which on a reader counts as one that does not read."""


class LogMismatch(RuntimeError):
    """A cursor lies outside what its partition holds: it belongs to another log."""


class Stopped(Exception):
    """The process was asked to stop while it waited for a server."""


def _configuration(bootstrap: str, name: str) -> dict[str, Any]:
    return {
        **kafka.configuration(bootstrap),
        "group.id": name,
        "client.id": name,
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
        "auto.offset.reset": "error",
        "fetch.wait.max.ms": 100,
        "fetch.queue.backoff.ms": 20,
        "fetch.error.backoff.ms": 100,
        "reconnect.backoff.ms": 50,
        "reconnect.backoff.max.ms": 1000,
        "queued.max.messages.kbytes": 32_768,
    }


class LogReader:
    """Reads all partitions of some topics in batches, from a cursor, through outages of Kafka.

    `cursor` is the next offset of each partition after all that `read` has returned."""

    def __init__(
        self, bootstrap: str, topics: Sequence[str], *, name: str, stop: threading.Event, log: logging.Logger
    ) -> None:
        self._bootstrap = bootstrap
        self.topics = tuple(topics)
        self.cursor: Cursor = {}
        self._stop = stop
        self._log = log
        self._outage = Outage(log, "Kafka")
        self._try_at = 0.0
        self._consumer = Consumer({**_configuration(bootstrap, name), "error_cb": self._on_error}, logger=LIBRDKAFKA)
        self.lag: dict[str, int] = {}
        """By topic, the records that had not been read a moment ago, as far as the latest fetches had told."""
        self._lag_at = 0.0
        self._records = metrics.RECORDS.labels(name)
        self._batch = metrics.BATCH.labels(name)
        own = weakref.ref(self)
        metrics.LAGS.follow(self, name, lambda: {} if (reader := own()) is None else reader.lag)

    def start(self, cursor: Mapping[Partition, int], *, may_skip: bool = False) -> dict[Partition, int]:
        """Begins at `cursor`; a partition that it does not name begins at its earliest record, and with `may_skip` so
        does one of which that was let go. How many records of each are skipped so.

        Waits until Kafka answers and all topics are there.

        Raises:
            LogMismatch: the cursor lies outside what the log holds.
            Stopped: asked to stop while waiting.
        """
        while True:
            try:
                bounds = log_bounds(self._bootstrap, self.topics)
                break
            except KafkaException as error:
                self._outage.lost(error.args[0].str())
            if self._stop.wait(0.25):
                raise Stopped
        self._outage.back()
        self.cursor = {}
        skipped = {}
        for partition, (low, high) in bounds.items():
            wanted = cursor.get(partition, low)
            if may_skip and wanted < low:
                skipped[partition] = low - wanted
                wanted = low
            if wanted < low:
                raise LogMismatch(
                    f"{partition[0]}/{partition[1]} begins at offset {low}, and the cursor is {wanted}: what lies "
                    "between has been let go unread (HFT_DISK_QUOTA_GB, or the topic's retention)"
                )
            if wanted > high:
                raise LogMismatch(
                    f"{partition[0]}/{partition[1]} holds offsets {low} to {high}, but the cursor is {wanted}: "
                    "it was made on another log"
                )
            self.cursor[partition] = wanted
        # Without this the first fetch comes half a second later.
        self._consumer.list_topics(timeout=ANSWER_S)
        self._consumer.assign([TopicPartition(*partition, offset) for partition, offset in self.cursor.items()])
        return skipped

    def ends(self) -> Cursor:
        """The current end of each partition. Raises `KafkaException` where Kafka does not answer."""
        return {partition: end for partition, (_, end) in log_bounds(self._bootstrap, self.topics).items()}

    def read(self, most: int, timeout_s: float, linger_s: float = 0.005) -> list[Message]:
        """Up to `most` records, in order within their partitions: what there is after the first one and `linger_s`;
        an empty list after `timeout_s` without any."""
        first = self._consumer.poll(timeout_s)
        if self._outage.away:
            # Records that were fetched before may still come, so only an answer tells that Kafka is back.
            self._try_again()
        if first is None:
            self._note_lag()
            return []
        messages = [first, *self._consumer.consume(most - 1, linger_s)] if most > 1 else [first]
        records = []
        cursor = self.cursor
        for message in messages:
            error = message.error()
            if error is None:
                cursor[message.topic(), message.partition()] = message.offset() + 1  # type: ignore[index, operator]
                records.append(message)
            elif error.code() == KafkaError._AUTO_OFFSET_RESET:
                raise LogMismatch(f"{message.topic()}/{message.partition()}: {error.str()}")
            else:
                self._outage.lost(error.str())
        self._records.inc(len(records))
        self._batch.observe(len(records))
        self._note_lag()
        return records

    def _note_lag(self) -> None:
        """Now and then, for whoever asks from another thread: the client itself would make that one wait."""
        now = time.monotonic()
        if now < self._lag_at:
            return
        self._lag_at = now + LAG_S
        found = dict.fromkeys(self.topics, 0)
        for (topic, number), offset in self.cursor.items():
            _, end = self._consumer.get_watermark_offsets(TopicPartition(topic, number), cached=True)
            found[topic] += max(0, end - offset)
        self.lag = found

    def tell_lag(self, stored: Mapping[Partition, int], bounds: Mapping[Partition, tuple[int, int]]) -> None:
        """Takes how far the store of its records is and what the log holds, where it does not read itself: a sink whose
        store is away waits, and its own figures are those of before."""
        if time.monotonic() < self._lag_at + STILL_S:
            return
        found = dict.fromkeys(self.topics, 0)
        for partition, (low, end) in bounds.items():
            if partition in stored:
                found[partition[0]] += max(0, end - max(low, stored[partition]))
        self.lag = found

    def behind(self, cursor: Mapping[Partition, int]) -> int:
        """Records behind `cursor`, and behind our own in the partitions that it does not name, as far as the latest
        fetches have told: it asks nobody."""
        count = 0
        for partition, own in self.cursor.items():
            _, end = self._consumer.get_watermark_offsets(TopicPartition(*partition), cached=True)
            count += max(0, end - cursor.get(partition, own))
        return count

    def close(self) -> None:
        metrics.LAGS.forget(self)
        self._consumer.close()

    def _try_again(self) -> None:
        if time.monotonic() < self._try_at:
            return
        self._try_at = time.monotonic() + TRY_S
        try:
            self._consumer.list_topics(self.topics[0], timeout=1.0)
        except KafkaException:
            return
        self._outage.back()

    def _on_error(self, error: KafkaError) -> None:
        if error.code() in (KafkaError._ALL_BROKERS_DOWN, KafkaError._RESOLVE) or is_refusal(error):
            self._outage.lost(error.str())


def log_bounds(bootstrap: str, topics: Sequence[str]) -> dict[Partition, tuple[int, int]]:
    """The earliest offset and the end of every partition of the topics.

    It has a client of its own, since one that another thread polls makes callers wait without end. Raises
    `KafkaException` where Kafka does not answer or a topic is not there."""
    refusal = BrokerRefusal()
    consumer = Consumer({**_configuration(bootstrap, "log-bounds"), "error_cb": refusal}, logger=LIBRDKAFKA)
    try:
        known = consumer.list_topics(timeout=ANSWER_S).topics
        bounds: dict[Partition, tuple[int, int]] = {}
        for topic in topics:
            metadata = known.get(topic)
            if metadata is None or metadata.error is not None or not metadata.partitions:
                raise KafkaException(
                    KafkaError(
                        KafkaError.UNKNOWN_TOPIC_OR_PART, f"there is no topic {topic} yet, or we may not know of it"
                    )
                )
            for number in metadata.partitions:
                bounds[topic, number] = _bounds(consumer, TopicPartition(topic, number))
        return bounds
    except KafkaException as error:
        raise refusal.instead_of(error, consumer) from None
    finally:
        consumer.close()


def _bounds(consumer: Consumer, partition: TopicPartition) -> tuple[int, int]:
    """The partition's earliest offset and end. Where its leader has just changed the new one is asked, within the same
    time. Raises `KafkaException`."""
    until = time.monotonic() + ANSWER_S
    while True:
        try:
            return consumer.get_watermark_offsets(partition, timeout=ANSWER_S)
        except KafkaException as error:
            if error.args[0].code() not in MOVED or time.monotonic() >= until:
                raise
        time.sleep(MOVED_S)
        consumer.list_topics(partition.topic, timeout=ANSWER_S)  # who leads it now


def read_to_end(
    bootstrap: str, starts: Mapping[Partition, int | None], *, name: str = "read-to-end", batch: int = 10_000
) -> Iterator[list[Message]]:
    """All records of the partitions from their start offsets (None: the earliest) to the end that each has when it is
    reached, in batches, in order within a partition. Raises `KafkaException` where Kafka fails."""
    if not starts:
        return
    refusal = BrokerRefusal()
    consumer = Consumer(
        {
            **_configuration(bootstrap, name),
            "error_cb": refusal,
            "auto.offset.reset": "earliest",
            "enable.partition.eof": True,
            "fetch.wait.max.ms": 10,
            "queued.min.messages": 200_000,
        },
        logger=LIBRDKAFKA,
    )
    try:
        # Without this the first fetch comes half a second later.
        try:
            consumer.list_topics(timeout=ANSWER_S)
        except KafkaException as failure:
            raise refusal.instead_of(failure, consumer) from None
        # Deleted records in front of a start are no error here: the log begins where it begins.
        consumer.assign(
            [
                TopicPartition(topic, number, OFFSET_BEGINNING if start is None else start)
                for (topic, number), start in starts.items()
            ]
        )
        waiting = set(starts)
        silent = 0
        while waiting:
            messages = consumer.consume(batch, 0.05)
            silent = 0 if messages else silent + 1
            if silent > 20 * ANSWER_S:
                silent_topics = ", ".join(sorted({topic for topic, _ in waiting}))
                raise KafkaException(KafkaError(KafkaError._TIMED_OUT, f"no answer for {silent_topics}"))
            records = []
            for message in messages:
                error = message.error()
                if error is None:
                    records.append(message)
                elif error.code() == KafkaError._PARTITION_EOF:
                    partition = (message.topic(), message.partition())
                    if partition in waiting:
                        waiting.discard(partition)
                        consumer.incremental_unassign([TopicPartition(*partition)])
                else:
                    raise KafkaException(error)
            if records:
                yield records
    finally:
        consumer.close()
