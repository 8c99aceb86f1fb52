"""What a ZeroMQ message holds, as bytes: a versioned head and an array of fixed-size records. Pure functions.

A message's last part is its payload; the parts before it (a REQ socket's empty delimiter, a client's own request
number) are the envelope, which the reply carries unchanged. JSON payloads start with `{` or `[`; all others are these
frames (docs/zeromq.md)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.layout import COMMAND, FRAME_VERSION, HEADER, MAGIC, REPLY
from engine.refusal import Refusal
from engine.words import FrameKind, Reason

MOST_COMMANDS = 1 << 16
"""In one frame."""


def is_json(payload: bytes) -> bool:
    return payload[:1] in (b"{", b"[")


def encode(kind: FrameKind, records: NDArray[Any], request_id: int = 0) -> bytes:
    head = np.zeros(1, HEADER)
    head["magic"], head["version"], head["kind"] = MAGIC, FRAME_VERSION, int(kind)
    head["record_size"], head["count"], head["request_id"] = records.dtype.itemsize, len(records), request_id
    return head.tobytes() + records.tobytes()


def _decode(payload: bytes, kind: FrameKind, record: np.dtype[Any]) -> tuple[int, NDArray[Any]]:
    size = HEADER.itemsize
    if len(payload) < size:
        raise Refusal(Reason.MALFORMED, "header", f"a frame has a head of {size} bytes, this one has {len(payload)}")
    head = np.frombuffer(payload, HEADER, 1)[0]
    if head["magic"] != MAGIC:
        raise Refusal(Reason.MALFORMED, "magic", f"a frame starts with {MAGIC.decode()}, JSON with {{ or [")
    if int(head["version"]) != FRAME_VERSION:
        text = f"version {int(head['version'])} is not spoken here, {FRAME_VERSION} is"
        raise Refusal(Reason.MALFORMED, "version", text)
    if int(head["kind"]) != int(kind):
        raise Refusal(Reason.MALFORMED, "kind", f"kind {int(head['kind'])} is not {kind.wire} ({int(kind)})")
    if int(head["record_size"]) != record.itemsize:
        text = f"a record has {record.itemsize} bytes, not {int(head['record_size'])}"
        raise Refusal(Reason.MALFORMED, "record_size", text)
    count = int(head["count"])
    if not 0 < count <= MOST_COMMANDS:
        raise Refusal(Reason.MALFORMED, "count", f"a frame holds 1 to {MOST_COMMANDS} records, not {count}")
    if len(payload) != size + count * record.itemsize:
        text = f"{count} records make {size + count * record.itemsize} bytes, the frame has {len(payload)}"
        raise Refusal(Reason.MALFORMED, "count", text)
    return int(head["request_id"]), np.frombuffer(payload, record, count, size).copy()


def decode_commands(payload: bytes) -> tuple[int, NDArray[Any]]:
    """(request id, COMMAND records). Raises `Refusal` naming the head's field."""
    return _decode(payload, FrameKind.COMMANDS, COMMAND)


def decode_replies(payload: bytes) -> tuple[int, NDArray[Any]]:
    """(request id, REPLY records). Raises `Refusal`."""
    return _decode(payload, FrameKind.REPLIES, REPLY)
