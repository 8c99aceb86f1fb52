"""A batch of Kafka's records on its way into a store: decoded, and what cannot be read set aside."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import msgspec
from confluent_kafka import Message

from engine import topics, words
from streams.consumer import Partition, place
from streams.outbox import Outbox
from streams.sinks.tables import Placed

Entry = tuple[Message, Placed | None]


def by_topic(entries: Sequence[Entry]) -> dict[str, list[Placed]]:
    """The records that could be read, by topic."""
    found: defaultdict[str, list[Placed]] = defaultdict(list)
    for message, placed in entries:
        if placed is not None:
            found[place(message).topic].append(placed)
    return dict(found)


def ends(entries: Sequence[Entry]) -> dict[Partition, int]:
    """The next offset of each partition behind the batch."""
    return {(topic, partition): offset + 1 for topic, partition, offset in (place(message) for message, _ in entries)}


class Decoder:
    """Decodes the records of some topics."""

    def __init__(self, names: Sequence[str], outbox: Outbox) -> None:
        self._outbox = outbox
        self._decoders: dict[str, msgspec.json.Decoder[Any]] = {
            name: msgspec.json.Decoder(topics.BY_NAME[name].record) for name in names
        }

    def decode(self, batch: Sequence[Message]) -> list[Entry]:
        """The records in their order. What cannot be read is sent to `dead-letters` and comes without a record."""
        return [(message, self._placed(message)) for message in batch]

    def _placed(self, message: Message) -> Placed | None:
        topic, partition, offset = place(message)
        try:
            record = self._decoders[topic].decode(message.value() or b"")
        except (msgspec.DecodeError, ValueError) as error:
            self.set_aside(message, str(error))
            return None
        return Placed(partition, offset, record)

    def set_aside(self, message: Message, text: str) -> None:
        """Sends a record to `dead-letters`."""
        self._outbox.dead_letter(
            place(message),
            message.key(),
            message.value(),
            message.timestamp()[1] * 1_000_000,
            words.Reason.MALFORMED,
            None,
            text,
        )
