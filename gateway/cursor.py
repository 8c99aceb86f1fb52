"""Resume positions: how far a subscription has been read, as the short text that travels in an event's `id`.

`3f2a9c10~o1a.2f.0.3~b5.0.0.0`: a checksum of what was subscribed to and for which accounts, then for each feed the
letter of its Kafka topic and the next offset of each of its partitions, in hexadecimal. A feed whose snapshot has not
gone out whole is absent: who resumes from such a position gets it again."""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterable
from typing import Final

from engine.refusal import Refusal
from engine.words import Reason
from gateway.channels import BY_CODE, Channel

LONGEST: Final = 4096
PATTERN: Final = re.compile(r"[0-9a-f]{8}(~[a-z][0-9a-f]{1,16}(\.[0-9a-f]{1,16})*)*")

Offsets = dict[str, list[int]]
"""Feed name → next offset of each partition."""


def checksum(channels: Iterable[Channel], accounts: Iterable[str]) -> str:
    """Of what a subscription covers: a position is only good for the same again."""
    words = [*sorted(channel.name for channel in channels), "|", *sorted(accounts)]
    return f"{zlib.crc32(' '.join(words).encode()):08x}"


def part(code: str, offsets: list[int]) -> str:
    """One feed's piece of the text."""
    return "~" + code + ".".join([f"{offset:x}" for offset in offsets])


def decode(text: str) -> tuple[str, Offsets]:
    """The checksum and the offsets. Raises `Refusal` with field `Last-Event-ID` where the text is none of ours."""
    if len(text) > LONGEST or not PATTERN.fullmatch(text):
        raise Refusal(Reason.INVALID_FIELD, "Last-Event-ID", "Last-Event-ID is not a position that this stream gave")
    covered, *parts = text.split("~")
    offsets: Offsets = {}
    for piece in parts:
        feed = BY_CODE.get(piece[0])
        if feed is None:
            raise Refusal(Reason.INVALID_FIELD, "Last-Event-ID", f"Last-Event-ID names an unknown feed {piece[0]}")
        offsets[feed.name] = [int(number, 16) for number in piece[1:].split(".")]
    return covered, offsets


class Position:
    """Where one subscription stands. Keeps the text of each feed, so that an event costs one feed's text only."""

    __slots__ = ("_codes", "_parts", "_prefix", "offsets")

    def __init__(self, covered: str, channels: Iterable[Channel]) -> None:
        self._prefix = covered
        self._codes = {channel.feed.name: channel.feed.code for channel in channels}
        self._parts: dict[str, str] = {}
        self.offsets: Offsets = {}

    def place(self, feed: str, offsets: list[int]) -> None:
        """The feed has been delivered up to these offsets."""
        self.offsets[feed] = list(offsets)
        self._parts[feed] = part(self._codes[feed], offsets)

    def advance(self, feed: str, partition: int, next_offset: int) -> None:
        offsets = self.offsets[feed]
        if next_offset > offsets[partition]:
            offsets[partition] = next_offset
            self._parts[feed] = part(self._codes[feed], offsets)

    def text(self) -> str:
        return self._prefix + "".join(self._parts.values())
