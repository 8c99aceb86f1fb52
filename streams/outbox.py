"""What the agents publish: an idempotent producer that keeps trying while Kafka is away, and waits for every report.

It says nothing of an outage: whoever reads from Kafka in the same process does."""

from __future__ import annotations

import base64
import logging
from typing import Any, Final, cast

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from engine import acks, kafka, messages, topics, words
from engine.quiet import LIBRDKAFKA
from engine.traces import HEADER, for_log
from streams import metrics
from streams.consumer import ANSWER_S, Cursor, Partition, Place

log = logging.getLogger(__name__)

WAIT_S: Final = 0.5
MOST_BYTES: Final = 1 << 16
"""Of a record that could not be used: with all of a large one its dead letter would be too large for Kafka."""
MOST_TEXT: Final = 2_000


class Undeliverable(RuntimeError):
    """Kafka has refused a record for good: what was computed in memory may be ahead of the log, so start over."""


class Outbox:
    """Sends records in order; `ends` is the offset after the last delivered record of each partition."""

    def __init__(self, bootstrap: str, name: str) -> None:
        self.ends: Cursor = {}
        self.name = name
        self._failure = ""
        self._producer = Producer(
            {
                **kafka.configuration(bootstrap),
                "client.id": name,
                **acks.configuration(),
                "partitioner": "murmur2_random",
                # Between two records of a batch an agent folds: without this each would go out alone.
                "linger.ms": 2,
                "message.timeout.ms": 0,
                "queue.buffering.max.messages": 1_000_000,
                "reconnect.backoff.ms": 50,
                "reconnect.backoff.max.ms": 1000,
                "error_cb": self._on_error,
            },
            logger=LIBRDKAFKA,
        )

    def partition_count(self, topic: str) -> int:
        """Raises `KafkaException` where Kafka does not answer or there is no such topic."""
        metadata = self._producer.list_topics(topic, timeout=ANSWER_S).topics[topic]
        if metadata.error is not None:
            raise KafkaException(metadata.error)
        return len(metadata.partitions)

    def send(self, topic: str, key: str, value: bytes, partition: int | None = None, trace: bytes = b"") -> None:
        """Queues a record; `delivered` waits for it. Without a partition the key decides. `trace`: the `traceparent` of
        the order that it follows from."""
        options: dict[str, Any] = {} if partition is None else {"partition": partition}
        if trace:
            options["headers"] = [(HEADER, trace)]
        while True:
            try:
                self._producer.produce(topic, value, key.encode(), on_delivery=self._on_delivery, **options)
                return
            except BufferError:
                self._producer.poll(WAIT_S)

    def dead_letter(
        self,
        source: Place,
        key: bytes | None,
        value: bytes | None,
        ts_ns: int,
        reason: words.Reason,
        field: str | None,
        text: str,
        trace: bytes = b"",
    ) -> None:
        """Queues a record about the one at `source` for `dead-letters`, with the first MOST_BYTES of it; `trace`: its
        `traceparent`."""
        topic, partition, offset = source
        metrics.DEAD_LETTERS.labels(topic).inc()
        log.warning(
            "dead letter: %s/%d offset %d: %s", topic, partition, offset, text[:MOST_TEXT], extra=for_log(trace)
        )
        letter = messages.DeadLetter(
            topic=topic,
            partition=partition,
            offset=offset,
            ts_ns=ts_ns,
            reason=reason.wire,
            field=field,
            text=f"{self.name}: {text}"[:MOST_TEXT],
            key=None if key is None else key[:MOST_BYTES].decode(errors="replace"),
            value=base64.b64encode((value or b"")[:MOST_BYTES]).decode(),
        )
        self.send(topics.DEAD_LETTERS.name, topic, messages.as_json(letter), trace=trace)

    def delivered(self) -> None:
        """Returns when Kafka has acknowledged everything queued, however long it is away.

        Raises:
            Undeliverable: a record was refused for good.
        """
        while self._producer.flush(WAIT_S):
            self._raise_failure()
        self._raise_failure()

    def waiting(self) -> int:
        """Records that Kafka has not acknowledged yet.

        Raises:
            Undeliverable: a record was refused for good.
        """
        self._raise_failure()
        return len(self._producer)

    def flush(self, limit_s: float) -> None:
        """Waits up to `limit_s` for what is queued."""
        self._producer.flush(limit_s)

    def close(self, limit_s: float = 1.0) -> None:
        """Waits up to `limit_s` for what is queued, and drops the rest."""
        self._producer.flush(limit_s)
        self._producer.purge()
        self._producer.flush(0.1)

    def _raise_failure(self) -> None:
        if self._failure:
            raise Undeliverable(self._failure)

    def _on_delivery(self, error: KafkaError | None, message: Message) -> None:
        if error is not None:
            self._failure = f"{message.topic()}: {error.str()}"
            return
        # In order within a partition, since the producer is idempotent.
        self.ends[cast(Partition, (message.topic(), message.partition()))] = cast(int, message.offset()) + 1

    def _on_error(self, error: KafkaError) -> None:
        if error.fatal():
            self._failure = error.str()
