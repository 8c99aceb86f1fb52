"""What a ZeroMQ message holds, as bytes: a versioned head and an array of fixed-size records. Pure functions.

A message's last part is its payload; the parts before it (a REQ socket's empty delimiter, a client's own request
number) are the envelope, which the reply carries unchanged. JSON payloads start with `{` or `[`; all others are these
frames (docs/zeromq.md)."""

from __future__ import annotations

import struct
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.layout import BOOK, COMMAND, FRAME_VERSION, HEADER, HEARTBEAT, MAGIC, REPLY, REPORT, TRADE
from engine.refusal import Refusal
from engine.words import FrameKind, Reason

MOST_COMMANDS = 1 << 16
"""In one frame."""


def is_json(payload: bytes) -> bool:
    return payload[:1] in (b"{", b"[")


_head: Final = struct.Struct("<3sBBBHIIQ")
assert _head.size == HEADER.itemsize


class Head(NamedTuple):
    """The fields of a frame's head that say more than what the frame is."""

    request_id: int
    """Of a request and its reply; of a stream: the number of its first record."""
    second: int
    """Since the epoch. Commands: the last one in which they may be taken, 0 = any. Streams: when numbering began."""


def encode(kind: FrameKind, records: NDArray[Any], request_id: int = 0, *, second: int = 0) -> bytes:
    head = _head.pack(MAGIC, FRAME_VERSION, int(kind), 0, records.dtype.itemsize, len(records), second, request_id)
    return head + records.tobytes()


def _decode(payload: bytes, kind: FrameKind, record: np.dtype[Any]) -> tuple[Head, NDArray[Any]]:
    size = HEADER.itemsize
    if len(payload) < size:
        raise Refusal(Reason.MALFORMED, "header", f"a frame has a head of {size} bytes, this one has {len(payload)}")
    magic, version, number, flags, record_size, count, second, request_id = _head.unpack_from(payload)
    if magic != MAGIC:
        raise Refusal(Reason.MALFORMED, "magic", f"a frame starts with {MAGIC.decode()}, JSON with {{ or [")
    if version != FRAME_VERSION:
        text = f"version {version} is not spoken here, {FRAME_VERSION} is"
        raise Refusal(Reason.MALFORMED, "version", text)
    if number != kind:
        raise Refusal(Reason.MALFORMED, "kind", f"kind {number} is not {kind.wire} ({int(kind)})")
    if flags:
        raise Refusal(Reason.MALFORMED, "flags", f"the head's flags are 0, not {flags}")
    if record_size != record.itemsize:
        text = f"a record has {record.itemsize} bytes, not {record_size}"
        raise Refusal(Reason.MALFORMED, "record_size", text)
    if not 0 < count <= MOST_COMMANDS:
        raise Refusal(Reason.MALFORMED, "count", f"a frame holds 1 to {MOST_COMMANDS} records, not {count}")
    if len(payload) != size + count * record_size:
        text = f"{count} records make {size + count * record_size} bytes, the frame has {len(payload)}"
        raise Refusal(Reason.MALFORMED, "count", text)
    return Head(request_id, second), np.frombuffer(bytearray(payload), record, offset=size)


def decode_commands(payload: bytes) -> tuple[Head, NDArray[Any]]:
    """COMMAND records. Raises `Refusal` naming the head's field."""
    return _decode(payload, FrameKind.COMMANDS, COMMAND)


def decode_replies(payload: bytes) -> tuple[Head, NDArray[Any]]:
    """REPLY records. Raises `Refusal`."""
    return _decode(payload, FrameKind.REPLIES, REPLY)


def decode_reports(payload: bytes) -> tuple[Head, NDArray[Any]]:
    """REPORT records of a drop copy. Raises `Refusal`."""
    return _decode(payload, FrameKind.REPORTS, REPORT)


def decode_trades(payload: bytes) -> tuple[Head, NDArray[Any]]:
    """TRADE records of the tape. Raises `Refusal`."""
    return _decode(payload, FrameKind.TRADES, TRADE)


def decode_book(payload: bytes) -> tuple[Head, NDArray[Any]]:
    """One BOOK record. Raises `Refusal`."""
    return _decode(payload, FrameKind.BOOK, BOOK)


def decode_heartbeat(payload: bytes) -> tuple[Head, NDArray[Any]]:
    """A heartbeat's one record. Raises `Refusal`."""
    return _decode(payload, FrameKind.HEARTBEAT, HEARTBEAT)
