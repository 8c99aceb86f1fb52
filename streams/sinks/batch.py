"""A batch of Kafka's records on its way into a store: decoded, and what cannot be read set aside."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, cast

import msgspec
from confluent_kafka import Message

from engine import topics, words
from engine.traces import of_headers
from streams.consumer import Cursor, Place
from streams.outbox import Outbox
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
        self._decoders: dict[str, msgspec.json.Decoder[Any]] = {
            name: msgspec.json.Decoder(topics.BY_NAME[name].record) for name in names
        }

    def decode(self, messages: Sequence[Message], *, again: bool = False) -> Batch:
        """The batch. What cannot be read is sent to `dead-letters` and left out; `again`: it was sent before."""
        by_topic: dict[str, list[Placed]] = {}
        ends: Cursor = {}
        for message in messages:
            # One pass, and each of the client's calls once: this loop is a good part of what a record costs.
            topic, partition, offset = cast(Place, (message.topic(), message.partition(), message.offset()))
            ends[topic, partition] = offset + 1
            try:
                record = self._decoders[topic].decode(message.value() or b"")
            except (msgspec.DecodeError, ValueError) as error:
                if not again:
                    self.set_aside(message, str(error))
                continue
            try:
                by_topic[topic].append(Placed(partition, offset, record))
            except KeyError:
                by_topic[topic] = [Placed(partition, offset, record)]
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
