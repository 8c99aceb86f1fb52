"""A batch of Kafka's records on its way into a store: decoded, and what cannot be read set aside."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, cast

from confluent_kafka import Message

from engine import topics, words
from engine.traces import of_headers
from streams.consumer import Cursor, Place
from streams.outbox import Outbox
from streams.sinks.reading import Reading
from streams.sinks.tables import Placed


class Batch(NamedTuple):
    """What a batch of records says, and the cursor behind it."""

    messages: Sequence[Message]
    by_topic: dict[str, list[Placed]]
    """Those that could be read, in order within a partition."""
    ends: Cursor


class Decoder:
    """Decodes the records of some topics."""

    def __init__(self, names: Sequence[str], outbox: Outbox) -> None:
        self._outbox = outbox
        self._readings = {name: Reading(topics.BY_NAME[name].record) for name in names}

    def decode(self, messages: Sequence[Message], *, again: bool = False) -> Batch:
        """The batch. What cannot be read is sent to `dead-letters` and left out; `again`: it was sent before."""
        sorted_by_topic: dict[str, list[Message]] = {}
        for message in messages:
            sorted_by_topic.setdefault(cast(str, message.topic()), []).append(message)
        by_topic: dict[str, list[Placed]] = {}
        ends: Cursor = {}
        for topic, of_topic in sorted_by_topic.items():
            partitions = [cast(int, message.partition()) for message in of_topic]
            offsets = [cast(int, message.offset()) for message in of_topic]
            for partition, last in dict(zip(partitions, offsets, strict=True)).items():
                ends[topic, partition] = last + 1
            records, refused = self._readings[topic].read([message.value() or b"" for message in of_topic])
            placed = list(map(Placed, partitions, offsets, records))
            if refused:
                placed = [one for number, one in enumerate(placed) if number not in refused]
                if not again:
                    for number, text in refused.items():
                        self.set_aside(of_topic[number], text)
            if placed:
                by_topic[topic] = placed
        return Batch(messages, by_topic, ends)

    def set_aside(self, message: Message, text: str) -> None:
        """Sends a record to `dead-letters`."""
        self._outbox.dead_letter(
            cast(Place, (message.topic(), message.partition(), message.offset())),
            message.key(),
            message.value(),
            message.timestamp()[1] * 1_000_000,
            words.Reason.MALFORMED,
            None,
            text,
            of_headers(message.headers()),
        )
