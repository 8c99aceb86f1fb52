"""The Kafka door: records of the topic `orders`, from where the journal ends."""

from __future__ import annotations

import base64
import logging
import threading
from typing import Any, Final, NamedTuple

import msgspec
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Message, TopicPartition

from engine import kafka
from engine.messages import OrderCommand, Refused, Unreadable
from engine.producers import HEADER
from engine.quiet import LIBRDKAFKA
from engine.reading import parse, read_json
from engine.refusal import Refusal
from engine.topics import ORDERS

log = logging.getLogger(__name__)

BATCH: Final = 4096
"""Records taken from the consumer at once."""
FIND_SECONDS: Final = 0.5
"""How long one look for the topic's partitions may take; a stop of the engine waits for it."""
LONGEST_TEXT: Final = 64
LONGEST_SENTENCE: Final = 300
MOST_FIELDS: Final = 64
_fields_decoder: Final = msgspec.json.Decoder(dict[str, Any])
LARGEST_VALUE: Final = 1 << 16
"""Bytes of an unreadable record that are kept."""


class OtherLog(RuntimeError):
    """The topic is not the one that the journal has read."""


class Arrived(NamedTuple):
    """Records of the topic, in order; one element of each list is one record."""

    values: list[bytes]
    keys: list[bytes | None]
    partitions: list[int]
    offsets: list[int]
    tokens: list[bytes | None]
    """Of the header `producers.HEADER`."""


def _text(fields: dict[str, Any], name: str) -> str:
    value = fields.get(name)
    return value[:LONGEST_TEXT] if isinstance(value, str) else ""


def _kept(fields: dict[str, Any]) -> dict[str, Any]:
    """Of a refused command, what is short and simple: the journal and the topics take no more than that."""
    return {
        name: value[:LONGEST_TEXT] if isinstance(value, str) else value
        for name, value in list(fields.items())[:MOST_FIELDS]
        if len(name) <= LONGEST_TEXT and (isinstance(value, str | float | bool) or value is None or _is_long(value))
    }


def _is_long(value: Any) -> bool:
    return isinstance(value, int) and abs(value) < 1 << 63


def refused(fields: dict[str, Any], refusal: Refusal) -> Refused:
    """A command whose sender can be told why it was refused."""
    return Refused(
        account=_text(fields, "account"),
        client_order_id=_text(fields, "client_order_id"),
        symbol=_text(fields, "symbol"),
        side=_text(fields, "side"),
        reason=refusal.reason.wire,
        field=refusal.field[:LONGEST_TEXT],
        text=refusal.text[:LONGEST_SENTENCE],
        request=_kept(fields),
    )


def read(value: bytes, key: bytes | None, partition: int, offset: int) -> OrderCommand | Refused | Unreadable:
    """What a record says: a command, one refused for a field, or one that is none of these."""
    try:
        return parse(value)
    except Refusal as refusal:
        try:
            fields = read_json(value, _fields_decoder)
        except Refusal:
            fields = {}
        if _text(fields, "account") and _text(fields, "type"):
            return refused(fields, refusal)
        return Unreadable(
            topic=ORDERS.name,
            partition=partition,
            offset=offset,
            reason=refusal.reason.wire,
            field=refusal.field[:LONGEST_TEXT],
            text=refusal.text[:LONGEST_SENTENCE],
            key=None if key is None else key[:LONGEST_TEXT].decode("utf-8", "replace"),
            value=base64.b64encode(value[:LARGEST_VALUE]).decode(),
        )


def _token(message: Message) -> bytes | None:
    headers: Any = message.headers() or ()
    for name, value in headers:
        if name == HEADER:
            return value if isinstance(value, bytes) else None
    return None


class Ingress:
    """Reads the topic `orders`; where Kafka is away it reads nothing, and goes on when it is back."""

    def __init__(self, bootstrap: str, next_offsets: dict[int, int], *, with_tokens: bool = False) -> None:
        """`next_offsets`: by partition, the first record that the journal does not hold; `with_tokens`: whether anybody
        asks for the records' tokens."""
        self._with_tokens = with_tokens
        self._next_offsets = dict(next_offsets)
        self._consumer = Consumer(
            {
                **kafka.configuration(bootstrap),
                "group.id": "engine-ingress",
                "enable.auto.commit": False,
                "auto.offset.reset": "earliest",
                "fetch.wait.max.ms": 100,
                "fetch.error.backoff.ms": 50,
                "allow.auto.create.topics": False,
                "error_cb": self._note_error,
            },
            logger=LIBRDKAFKA,
        )
        self._partitions: list[int] = []
        self._mismatch = ""
        self._away = False
        self._assigned = threading.Event()
        self._stopped = threading.Event()
        self._finder = threading.Thread(target=self._assign, name="orders-partitions", daemon=True)
        self._finder.start()

    def _note_error(self, error: KafkaError) -> None:
        if not self._away:
            self._away = True
            log.warning("orders of the topic wait, Kafka is away or refuses us: %s", error.str())

    def _assign(self) -> None:
        """Finds the topic's partitions, for as long as that takes, and starts reading them."""
        while not self._stopped.is_set():
            try:
                found = self._consumer.list_topics(ORDERS.name, timeout=FIND_SECONDS).topics[ORDERS.name]
                if found.error is not None:
                    self._note_error(found.error)
                elif found.partitions:
                    self._partitions = list(found.partitions)
                    self._check_same_log()
                    self._seek()
                    self._assigned.set()
                    log.info("reading %d partitions of %s", len(found.partitions), ORDERS.name)
                    return
            except KafkaException as error:
                self._consumer.poll(0)  # nothing is assigned: only its callbacks, which may know more
                self._note_error(error.args[0])
            self._stopped.wait(0.5)

    def _check_same_log(self) -> None:
        """The journal must not be ahead of the topic: then this is another topic, and its orders would be taken for
        read."""
        for number in self._partitions:
            _, end = self._consumer.get_watermark_offsets(TopicPartition(ORDERS.name, number), timeout=5)
            if self._next_offsets.get(number, 0) > end:
                self._mismatch = (
                    f"{ORDERS.name} partition {number} ends at {end}, the journal has read it up to "
                    f"{self._next_offsets[number]}: they belong to different runs; restore Kafka's data, or start with "
                    "an empty journal and empty databases (a new HFT_VAR)"
                )

    def _seek(self) -> None:
        self._consumer.assign(
            [
                TopicPartition(ORDERS.name, number, self._next_offsets.get(number, OFFSET_BEGINNING))
                for number in self._partitions
            ]
        )

    def rewind(self, next_offsets: dict[int, int]) -> None:
        """Reads again from where the journal ends."""
        self._next_offsets = dict(next_offsets)
        self._seek()

    def poll(self) -> Arrived:
        """What has arrived, without waiting. Raises `OtherLog`."""
        arrived = Arrived([], [], [], [], [])
        if not self._assigned.is_set():
            return arrived
        if self._mismatch:
            raise OtherLog(self._mismatch)
        for message in self._consumer.consume(BATCH, timeout=0):
            error = message.error()
            if error is not None:
                self._note_error(error)
                continue
            self._note(message, arrived)
        if arrived.values and self._away:
            self._away = False
            log.info("Kafka is back")
        return arrived

    def _note(self, message: Message, arrived: Arrived) -> None:
        """Adds a record, unless it was delivered before."""
        partition, offset = message.partition(), message.offset()
        assert partition is not None
        assert offset is not None
        if offset < self._next_offsets.get(partition, 0):
            return
        self._next_offsets[partition] = offset + 1
        arrived.values.append(message.value() or b"")
        arrived.keys.append(message.key())
        arrived.partitions.append(partition)
        arrived.offsets.append(offset)
        arrived.tokens.append(_token(message) if self._with_tokens else None)

    def close(self) -> None:
        self._stopped.set()
        self._finder.join()
        self._consumer.close()
