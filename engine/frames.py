"""What a ZeroMQ message holds, as bytes: a versioned head and an array of fixed-size records. Pure functions.

A message's last part is its payload; the parts before it (a REQ socket's empty delimiter, a client's own request
number) are the envelope, which the reply carries unchanged. JSON payloads start with `{` or `[`; all others are these
frames (docs/zeromq.md)."""

from __future__ import annotations

import struct
from typing import Any, Final

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from engine.layout import BOOK, COMMAND, FRAME_VERSION, HEADER, HEARTBEAT, MAGIC, REPLY, REPORT, TRADE
from engine.refusal import Refusal
from engine.words import FrameKind, Reason

MOST_COMMANDS = 1 << 16
"""In one frame."""


def is_json(payload: bytes) -> bool:
    return payload.startswith((b"{", b"["))


_head: Final = struct.Struct("<8sIIQ")
"""A start, the number of records, second, request id."""
_start: Final = struct.Struct("<3sBBBH")
"""Magic, version, kind, flags, size of a record: the same bytes in all frames of a kind."""
assert _head.size == HEADER.itemsize


def _start_of(kind: FrameKind, record: np.dtype[Any]) -> bytes:
    return _start.pack(MAGIC, FRAME_VERSION, int(kind), 0, record.itemsize)


_RECORDS: Final = (COMMAND, REPLY, REPORT, TRADE, BOOK, HEARTBEAT)
_STARTS: Final = (b"", *map(_start_of, FrameKind, _RECORDS))
"""By kind."""


class Head(Struct, frozen=True, gc=False):
    """The fields of a frame's head that say more than what the frame is."""

    request_id: int
    """Of a request and its reply; of a stream: the number of its first record."""
    second: int
    """Since the epoch. Commands: the last one in which they may be taken, 0 = any. Streams: when numbering began."""


def encode(kind: FrameKind, records: NDArray[Any], request_id: int = 0, *, second: int = 0) -> bytes:
    return _head.pack(_STARTS[kind], len(records), second, request_id) + records.tobytes()


def _decode(payload: bytes, kind: FrameKind, record: np.dtype[Any]) -> tuple[Head, NDArray[Any]]:
    if len(payload) < _head.size:
        text = f"a frame has a head of {_head.size} bytes, this one has {len(payload)}"
        raise Refusal(Reason.MALFORMED, "header", text)
    start, count, second, request_id = _head.unpack_from(payload)
    if start != _STARTS[kind]:
        raise _refused_start(start, kind, record)
    if not 0 < count <= MOST_COMMANDS:
        raise Refusal(Reason.MALFORMED, "count", f"a frame holds 1 to {MOST_COMMANDS} records, not {count}")
    if len(payload) != _head.size + count * record.itemsize:
        text = f"{count} records make {_head.size + count * record.itemsize} bytes, the frame has {len(payload)}"
        raise Refusal(Reason.MALFORMED, "count", text)
    return Head(request_id, second), np.frombuffer(bytearray(payload), record, -1, _head.size)


def _refused_start(start: bytes, kind: FrameKind, record: np.dtype[Any]) -> Refusal:
    """What is wrong with a start that is not the kind's."""
    magic, version, number, flags, record_size = _start.unpack(start)
    if magic != MAGIC:
        return Refusal(Reason.MALFORMED, "magic", f"a frame starts with {MAGIC.decode()}, JSON with {{ or [")
    if version != FRAME_VERSION:
        return Refusal(Reason.MALFORMED, "version", f"version {version} is not spoken here, {FRAME_VERSION} is")
    if number != kind:
        return Refusal(Reason.MALFORMED, "kind", f"kind {number} is not {kind.wire} ({int(kind)})")
    if flags:
        return Refusal(Reason.MALFORMED, "flags", f"the head's flags are 0, not {flags}")
    return Refusal(Reason.MALFORMED, "record_size", f"a record has {record.itemsize} bytes, not {record_size}")


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
