"""The journal's files as bytes: segments, each a head and frames.

A segment is named by its first sequence number. Its head (56 bytes) says which journal, shard and epoch it is of; a
frame is a head of 24 bytes (payload length, CRC32C of the rest, first seq, number of commands, kind) and a payload,
either COMMAND records or one administrative command as JSON.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any, Final, NamedTuple

import google_crc32c
import msgspec
import numpy as np
from numpy.typing import NDArray

from engine.layout import COMMAND
from engine.messages import AdministrativeEntry

VERSION: Final = 2
MAGIC: Final = b"HFTJRNL\0"
HEAD: Final = struct.Struct("<8sIIQQQQ")
"""Magic, version, shard, epoch, first seq, room for orders, identity; then their CRC32C and 4 zeros."""
HEAD_CRC: Final = struct.Struct("<I4x")
HEAD_BYTES: Final = HEAD.size + HEAD_CRC.size
FRAME_START: Final = struct.Struct("<II")
FRAME_REST: Final = struct.Struct("<QII")
FRAME_BYTES: Final = FRAME_START.size + FRAME_REST.size
RECORDS: Final = 1
ADMINISTRATIVE: Final = 2
LARGEST_FRAME: Final = 64 << 20
SUFFIX: Final = ".journal"
SEARCH_BYTES: Final = 1 << 20
"""How far behind damage sound frames are looked for."""

_entry_decoder: Final = msgspec.json.Decoder(AdministrativeEntry)


class JournalError(RuntimeError):
    """The journal cannot be used as it is; the text says where it is wrong and what can be done."""


class Head(NamedTuple):
    """What a segment says of itself."""

    shard: int
    epoch: int
    """Whose commands these are: an engine that takes over begins a segment with a higher one."""
    first_seq: int
    max_orders: int
    """Of the core that the journal is for: which orders find room is part of what happened."""
    identity: int
    """Drawn when the journal is begun, the same in all its segments: two journals are never taken for one."""


class Frame(NamedTuple):
    """One frame: either `records` or `entry` is set."""

    first_seq: int
    size: int
    """Number of commands."""
    records: NDArray[Any] | None
    entry: AdministrativeEntry | None
    epoch: int

    @property
    def last_seq(self) -> int:
        return self.first_seq + self.size - 1

    @property
    def ts_ns(self) -> int:
        """Of the last command."""
        if self.entry is not None:
            return self.entry.ts_ns
        assert self.records is not None
        return int(self.records["ts_ns"][-1])


class Span(NamedTuple):
    """Where a whole and sound frame lies in the bytes that it was found in."""

    first_seq: int
    size: int
    kind: int
    payload: int
    end: int


def segments(folder: Path) -> list[Path]:
    """The segment files, oldest first."""
    return sorted(folder.glob(f"*{SUFFIX}"))


def segment_path(folder: Path, first_seq: int) -> Path:
    return folder / f"{first_seq:020d}{SUFFIX}"


def head_bytes(head: Head) -> bytes:
    data = HEAD.pack(MAGIC, VERSION, head.shard, head.epoch, head.first_seq, head.max_orders, head.identity)
    return data + HEAD_CRC.pack(google_crc32c.value(data))


def read_head(path: Path, max_orders: int | None = None) -> Head:
    """Raises `JournalError` where the file is no journal, or one for another number of orders than `max_orders`."""
    with open(path, "rb") as file:
        data = file.read(HEAD_BYTES)
    if not data.startswith(MAGIC) or len(data) < len(MAGIC) + 4:
        raise JournalError(f"{path} is no journal")
    version = int.from_bytes(data[len(MAGIC) : len(MAGIC) + 4], "little")
    if version != VERSION:
        raise JournalError(
            f"{path} is a journal of version {version}, this program reads {VERSION}: go on with the program that "
            "wrote it, or start with another HFT_VAR"
        )
    if len(data) < HEAD_BYTES or HEAD_CRC.unpack_from(data, HEAD.size)[0] != google_crc32c.value(data[: HEAD.size]):
        raise JournalError(f"{path} is damaged at byte 0 (its head): restore it from a backup")
    head = Head(*HEAD.unpack_from(data)[2:])
    if max_orders is not None and head.max_orders != max_orders:
        raise JournalError(
            f"the journal in {path.parent} was begun with room for {head.max_orders} orders, which is part of what it "
            f"replays to: set HFT_MAX_ORDERS={head.max_orders}, or start with another HFT_VAR"
        )
    if path != segment_path(path.parent, head.first_seq):
        raise JournalError(f"{path} begins with command {head.first_seq}: give it the name that it had")
    return head


def check_follows(path: Path, head: Head, before: Head) -> None:
    """Raises `JournalError` where the segment at `path` cannot come after one with the head `before`."""
    if (head.identity, head.shard) != (before.identity, before.shard):
        raise JournalError(f"{path} belongs to another journal than the segment before it: move it elsewhere")
    if head.epoch < before.epoch:
        raise JournalError(
            f"{path} was written at epoch {head.epoch}, after an engine had taken over with epoch {before.epoch}: move "
            "it elsewhere"
        )


def frame_bytes(kind: int, first_seq: int, count: int, payload: bytes) -> bytes:
    rest = FRAME_REST.pack(first_seq, count, kind) + payload
    return FRAME_START.pack(len(payload), google_crc32c.value(rest)) + rest


def span_at(data: bytes, position: int) -> Span | None:
    """The frame at `position`; None where it is not there whole and sound."""
    payload = position + FRAME_BYTES
    if payload > len(data):
        return None
    length, crc = FRAME_START.unpack_from(data, position)
    end = payload + length
    if end > len(data) or length > LARGEST_FRAME:
        return None
    first_seq, count, kind = FRAME_REST.unpack_from(data, position + FRAME_START.size)
    if kind == RECORDS:
        if count == 0 or length != count * COMMAND.itemsize:
            return None
    elif kind != ADMINISTRATIVE or count != 1:
        return None
    if google_crc32c.value(data[position + FRAME_START.size : end]) != crc:
        return None
    return Span(first_seq, count, kind, payload, end)


def frame_of(data: bytes, span: Span, epoch: int) -> Frame:
    """What stands there."""
    if span.kind == RECORDS:
        records = np.frombuffer(data, COMMAND, span.size, span.payload)
        return Frame(span.first_seq, span.size, records, None, epoch)
    entry = _entry_decoder.decode(data[span.payload : span.end])
    return Frame(span.first_seq, span.size, None, entry, epoch)


def next_span(data: bytes, position: int) -> int | None:
    """Where the next sound frame starts, searching byte by byte for at most SEARCH_BYTES."""
    for candidate in range(position, min(len(data), position + SEARCH_BYTES)):
        if span_at(data, candidate) is not None:
            return candidate
    return None


def damage(path: Path, position: int, following: int | None) -> JournalError:
    """What to say of a segment that cannot be read on from `position`; `following`: a sound frame behind it."""
    behind = f", with sound commands after it from byte {following}" if following is not None else ""
    return JournalError(
        f"{path} is damaged at byte {position}{behind}: restore it from a backup, or cut it there (truncate -s "
        f"{position} {path}), take later segments and snapshots away, and lose what follows"
    )
