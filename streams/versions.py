"""The version of a topic: the stretch of it that was made last (`hft rebuild`), behind the offsets that it begins at.

Nothing is renamed or deleted. A topic made anew has all its records once more, behind those of the version before, and
one record of `topic-versions` says from where on it counts (docs/decisions/0017-versions-of-a-topic.md)."""

from __future__ import annotations

from typing import Final

import msgspec

from engine import messages, topics
from streams.consumer import Cursor, read_to_end

TOPIC: Final = topics.TOPIC_VERSIONS.name
FIRST: Final = messages.TopicVersion(
    topic=topics.POSITIONS.name, version=1, begins=[], after={}, stopping=False, ts_ns=0
)
"""Of positions, while they have never been made anew."""
_decoder: Final = msgspec.json.Decoder(messages.TopicVersion)


class Stopping(Exception):
    """The next version is about to begin: nobody writes this one any more."""


class Superseded(Exception):
    """Another version has begun, or is about to, than the one that was worked with."""


def present(bootstrap: str) -> messages.TopicVersion:
    """The version of `positions`, the one topic that is ever made anew. Raises `KafkaException`."""
    found = FIRST
    for batch in read_to_end(bootstrap, {(TOPIC, 0): None}, name="versions"):
        for message in batch:
            record = _decoder.decode(message.value() or b"")
            if record.topic == FIRST.topic:
                found = record
    return found


def begin(version: messages.TopicVersion, topic: str, partition: int) -> int:
    """The offset from which on a partition belongs to the version, or was made from it."""
    offsets = version.begins if topic == version.topic else version.after.get(topic, [])
    return offsets[partition] if partition < len(offsets) else 0


def starts(version: messages.TopicVersion, cursor: Cursor) -> Cursor:
    """The same of each partition that the cursor names."""
    return {(topic, number): begin(version, topic, number) for topic, number in cursor}
