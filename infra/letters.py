"""The topic `dead-letters`, for people."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from datetime import UTC, datetime
from textwrap import shorten
from typing import Final

import msgspec

from engine.messages import DeadLetter
from engine.topics import DEAD_LETTERS
from streams.consumer import log_bounds, read_to_end

LONGEST: Final = 400
"""Characters of a record that are shown."""

_decoder: Final = msgspec.json.Decoder(DeadLetter)


def letters(bootstrap: str, since_ms: int) -> Iterator[tuple[int, DeadLetter]]:
    """Those that were written at `since_ms` or later, each with when, in milliseconds. Raises `KafkaException`."""
    starts = dict.fromkeys(log_bounds(bootstrap, [DEAD_LETTERS.name]))
    for batch in read_to_end(bootstrap, starts, name="dead-letters"):
        for message in batch:
            written_ms = message.timestamp()[1]
            if written_ms >= since_ms:
                yield written_ms, _decoder.decode(message.value() or b"")


def shown(written_ms: int, letter: DeadLetter) -> str:
    """Two lines: what happened, and the record's bytes as text."""
    at = datetime.fromtimestamp(written_ms // 1000, UTC)
    field = f" ({letter.field})" if letter.field else ""
    held = base64.b64decode(letter.value).decode(errors="backslashreplace")
    return (
        f"{at:%Y-%m-%d %H:%M:%S} {letter.topic}/{letter.partition} offset {letter.offset}: "
        f"{letter.reason}{field}: {letter.text}\n"
        f"    {shorten(held, LONGEST, placeholder=' …') or '(empty)'}"
    )
