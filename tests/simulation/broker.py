"""Kafka: logs of records, and the consumers and producers that the engine and the publisher take for librdkafka's."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, Final, NamedTuple

from confluent_kafka import KafkaError, KafkaException, TopicPartition

from engine.topics import ORDERS, TOPICS
from tests.simulation.faults import Crash, Faults

PARTITIONS: Final = 2
Place = tuple[str, int]
"""(topic, partition)."""


class Record(NamedTuple):
    key: bytes | None
    value: bytes
    headers: list[tuple[str, bytes]] | None


class Message:
    """A record as a consumer gets it, or an error."""

    def __init__(self, place: Place, offset: int, record: Record | None, error: KafkaError | None = None) -> None:
        self._place, self._offset, self._record, self._error = place, offset, record, error

    def error(self) -> KafkaError | None:
        return self._error

    def topic(self) -> str:
        return self._place[0]

    def partition(self) -> int:
        return self._place[1]

    def offset(self) -> int:
        return self._offset

    def key(self) -> bytes | None:
        return self._record.key if self._record else None

    def value(self) -> bytes | None:
        return self._record.value if self._record else None

    def headers(self) -> list[tuple[str, bytes]] | None:
        return self._record.headers if self._record else None


class Broker:
    """The logs, which outlive every process and the engine's machine."""

    def __init__(self, faults: Faults) -> None:
        self.faults = faults
        self.away = False
        self.logs: dict[Place, list[Record]] = {}
        self.producers: list[Producer] = []
        for topic in TOPICS:
            for number in range(1 if topic.single else PARTITIONS):
                self.logs[topic.name, number] = []

    def partitions(self, topic: str) -> list[int]:
        return [number for name, number in self.logs if name == topic]

    def records(self, topic: str) -> list[Record]:
        """Of all its partitions."""
        return [record for number in self.partitions(topic) for record in self.logs[topic, number]]

    def clear_output(self) -> None:
        """The operator starts with an empty Kafka, but for the orders."""
        for (topic, _), log in self.logs.items():
            if topic != ORDERS.name:
                log.clear()

    def consumer(self, configuration: dict[str, Any], **_: Any) -> Consumer:
        return Consumer(self, eof=bool(configuration.get("enable.partition.eof")))

    def producer(self, configuration: dict[str, Any], **_: Any) -> Producer:
        self.producers.append(Producer(self))
        return self.producers[-1]


class Consumer:
    """Reads assigned partitions. One without `eof` is the engine's: deliveries to it are lost and doubled."""

    def __init__(self, broker: Broker, *, eof: bool) -> None:
        self._broker = broker
        self._eof = eof
        self._positions: dict[Place, int] = {}
        self._waiting: deque[Message] = deque()

    def list_topics(self, topic: str, timeout: float) -> Any:
        if self._broker.away:
            raise KafkaException(KafkaError(KafkaError._TRANSPORT))
        numbers = dict.fromkeys(self._broker.partitions(topic))
        return SimpleNamespace(topics={topic: SimpleNamespace(error=None, partitions=numbers)})

    def get_watermark_offsets(self, place: TopicPartition, timeout: float) -> tuple[int, int]:
        return 0, len(self._broker.logs[place.topic, place.partition])

    def assign(self, places: list[TopicPartition]) -> None:
        self._positions = {(place.topic, place.partition): max(0, place.offset) for place in places}
        self._waiting = deque(message for place in self._positions for message in self._rest(place))

    def _rest(self, place: Place) -> list[Message]:
        if not self._eof:
            return []
        log, start = self._broker.logs[place], self._positions[place]
        found = [Message(place, offset, log[offset]) for offset in range(start, len(log))]
        return [*found, Message(place, len(log), None, KafkaError(KafkaError._PARTITION_EOF))]

    def poll(self, timeout: float) -> Message | None:
        return self._waiting.popleft() if self._waiting else None

    def consume(self, count: int, timeout: float) -> list[Message]:
        faults, chance = self._broker.faults, self._broker.faults.chance
        if self._broker.away:
            return []
        if faults.strikes("fetch failed", 0.01):
            return [Message((ORDERS.name, 0), 0, None, KafkaError(KafkaError._TRANSPORT))]
        found: list[Message] = []
        for place, position in self._positions.items():
            log = self._broker.logs[place]
            start = position
            if position and faults.strikes("older offset read again", 0.01):
                start = chance.randrange(position)
            end = min(len(log), start + chance.randint(1, 12))
            new = [Message(place, offset, log[offset]) for offset in range(start, end)]
            if new and faults.strikes("delivery doubled", 0.03):
                new += new[chance.randrange(len(new)) :]
            found += new
            self._positions[place] = end
        return found[:count]

    def close(self) -> None:
        self._positions = {}


class Sent(NamedTuple):
    place: Place
    record: Record
    on_delivery: Callable[[KafkaError | None, Message], None]


class Producer:
    """An idempotent one: the records of a partition come in order, each once, for as long as the process lives."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._queue: deque[Sent] = deque()
        self._unacknowledged: deque[Sent] = deque()
        self.left: int | None = None
        """Records until the process ends; None: it does not."""

    def produce(
        self,
        topic: str,
        value: bytes,
        key: str,
        partition: int,
        *,
        on_delivery: Callable[[KafkaError | None, Message], None],
        headers: list[tuple[str, bytes]] | None,
    ) -> None:
        if self.left is not None and self._broker.faults.on:
            self.left -= 1
            if self.left <= 0:
                raise Crash
        if not self._broker.away and self._broker.faults.strikes("producer's queue full", 0.001):
            raise BufferError
        self._queue.append(Sent((topic, partition), Record(key.encode(), value, headers), on_delivery))

    def poll(self, timeout: float) -> int:
        """Sends a part of what waits, and hears of a part of what was sent."""
        if self._broker.away:
            return 0
        chance = self._broker.faults.chance
        all_of_it = timeout > 0 or not self._broker.faults.on
        self._send(len(self._queue) if all_of_it else chance.randint(0, len(self._queue)))
        heard = len(self._unacknowledged) if all_of_it else chance.randint(0, len(self._unacknowledged))
        for _ in range(heard):
            sent = self._unacknowledged.popleft()
            sent.on_delivery(None, Message(sent.place, -1, sent.record))
        return heard

    def __len__(self) -> int:
        """Records that were not acknowledged yet."""
        return len(self._queue) + len(self._unacknowledged)

    def flush(self, timeout: float) -> int:
        """Who waits for Kafka has it back, since nobody else moves in the meantime, or is ended while it waits."""
        if self._broker.away:
            if self._broker.faults.chance.random() < 0.3:
                raise Crash
            self._broker.away = False
        self.poll(timeout)
        return len(self._queue)

    def _send(self, count: int) -> None:
        for _ in range(count):
            sent = self._queue.popleft()
            self._broker.logs[sent.place].append(sent.record)
            self._unacknowledged.append(sent)

    def end_process(self) -> None:
        """Of each partition, any number of the records that wait may be on their way."""
        chance, faults = self._broker.faults.chance, self._broker.faults
        waiting = Counter(sent.place for sent in self._queue)
        taken = {} if self._broker.away else {place: chance.randint(0, count) for place, count in waiting.items()}
        for sent in self._queue:
            if taken.get(sent.place, 0) > 0:
                taken[sent.place] -= 1
                waiting[sent.place] -= 1
                self._broker.logs[sent.place].append(sent.record)
                self._unacknowledged.append(sent)
        if waiting.total():
            faults.note("records lost in flight")
        if self._unacknowledged:
            faults.note("acknowledgement lost")
        self._queue.clear()
        self._unacknowledged.clear()
