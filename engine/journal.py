"""The journal: every sequenced command, in order, on disk before its reply.

A folder of segment files, each named by its first sequence number. A segment starts with a 40-byte head (magic,
version, shard, epoch, first seq, room for orders); then frames: a 24-byte head (payload length, CRC32C of the rest,
first seq, number of commands, kind) and the payload, either COMMAND records or one administrative command as JSON. A
frame is written with one `write`, so what a crash tears is the tail, which the next start cuts off.
"""

from __future__ import annotations

import fcntl
import os
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

import google_crc32c
import msgspec
import numpy as np
from numpy.typing import NDArray

from engine.layout import COMMAND
from engine.messages import AdministrativeEntry

SEGMENT_HEAD: Final = np.dtype(
    [
        ("magic", "S8"),
        ("version", "<u4"),
        ("shard", "<u4"),
        ("epoch", "<u8"),
        ("first_seq", "<u8"),
        ("max_orders", "<u8"),
    ]
)
HEAD_START: Final = struct.Struct("<II")
HEAD_REST: Final = struct.Struct("<QII")
HEAD_BYTES: Final = HEAD_START.size + HEAD_REST.size
MAGIC: Final = b"HFTJRNL"
VERSION: Final = 1
RECORDS: Final = 1
ADMINISTRATIVE: Final = 2
SEGMENT_BYTES: Final = 256 << 20
LARGEST_FRAME: Final = 64 << 20
READ_BYTES: Final = 8 << 20
SUFFIX: Final = ".journal"

_entry_decoder: Final = msgspec.json.Decoder(AdministrativeEntry)


class JournalError(RuntimeError):
    """The journal cannot be used as it is; the text says where it is wrong and what can be done."""


class Frame(NamedTuple):
    """One frame: either `records` or `entry` is set."""

    first_seq: int
    size: int
    """Number of commands."""
    records: NDArray[Any] | None
    entry: AdministrativeEntry | None

    @property
    def last_seq(self) -> int:
        return self.first_seq + self.size - 1


def segments(folder: Path) -> list[Path]:
    """The segment files, oldest first."""
    return sorted(folder.glob(f"*{SUFFIX}"))


def _frame_bytes(kind: int, first_seq: int, count: int, payload: bytes) -> bytes:
    rest = HEAD_REST.pack(first_seq, count, kind) + payload
    return HEAD_START.pack(len(payload), google_crc32c.value(rest)) + rest


def _parse(data: bytes, position: int) -> tuple[Frame, int] | None:
    """The frame at `position` and where the next one starts; None where it is not there whole and sound."""
    start = position + HEAD_BYTES
    if start > len(data):
        return None
    length, crc = HEAD_START.unpack_from(data, position)
    first_seq, count, kind = HEAD_REST.unpack_from(data, position + HEAD_START.size)
    end = start + length
    if end > len(data) or length > LARGEST_FRAME or count == 0:
        return None
    if google_crc32c.value(data[position + HEAD_START.size : end]) != crc:
        return None
    if kind == RECORDS:
        return Frame(first_seq, count, np.frombuffer(data, COMMAND, count, start), None), end
    return Frame(first_seq, count, None, _entry_decoder.decode(data[start:end])), end


class Writer:
    """Appends to the journal. Holds a lock on the folder, so that there is one writer."""

    def __init__(self, folder: Path, *, max_orders: int = 0, shard: int = 0, epoch: int = 1) -> None:
        """Cuts off a torn tail. Raises `JournalError` where another process writes or the middle is damaged."""
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.max_orders = max_orders
        """Of the core that the journal is for: which orders find room is part of what happened."""
        self.shard = shard
        self.epoch = epoch
        self._lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._lock)
            raise JournalError(f"another engine writes the journal in {folder}") from None
        self._descriptor = -1
        self._size = 0
        self.cut_bytes = self._cut_torn_tail()
        existing = segments(folder)
        if existing:
            check_head(existing[-1], max_orders)
            self._descriptor = os.open(existing[-1], os.O_WRONLY | os.O_APPEND)
            self._size = existing[-1].stat().st_size

    def _cut_torn_tail(self) -> int:
        """Bytes cut off the last segment."""
        existing = segments(self.folder)
        if not existing:
            return 0
        last = existing[-1]
        data = last.read_bytes()
        check_head(last, None)
        position = SEGMENT_HEAD.itemsize
        while (parsed := _parse(data, position)) is not None:
            position = parsed[1]
        if position == len(data):
            return 0
        following = _next_sound_frame(data, position + 1)
        if following is not None:
            raise JournalError(
                f"{last} is damaged at byte {position}, with sound commands after it from byte {following}: restore "
                f"it from a backup, or cut it there (truncate -s {position} {last}) and lose what follows"
            )
        os.truncate(last, position)
        return len(data) - position

    def _roll(self, first_seq: int) -> None:
        """Starts a segment. It has its name only once its head is whole, and is written to only then."""
        path = self.folder / f"{first_seq:020d}{SUFFIX}"
        unfinished = path.with_suffix(".new")
        head = np.zeros(1, SEGMENT_HEAD)
        head["magic"], head["version"], head["max_orders"] = MAGIC, VERSION, self.max_orders
        head["shard"], head["epoch"], head["first_seq"] = self.shard, self.epoch, first_seq
        unfinished.write_bytes(head.tobytes())
        descriptor = os.open(unfinished, os.O_WRONLY | os.O_APPEND)
        os.fsync(descriptor)
        os.rename(unfinished, path)
        before, self._descriptor, self._size = self._descriptor, descriptor, SEGMENT_HEAD.itemsize
        if before >= 0:
            os.fdatasync(before)
            os.close(before)

    def _write(self, data: bytes) -> None:
        written = os.write(self._descriptor, data)
        if written != len(data):
            os.ftruncate(self._descriptor, self._size)
            raise OSError(28, "the disk took only a part of the journal's frame")
        self._size += len(data)

    def _append(self, kind: int, first_seq: int, count: int, payload: bytes) -> None:
        if self._descriptor < 0 or self._size >= SEGMENT_BYTES:
            self._roll(first_seq)
        self._write(_frame_bytes(kind, first_seq, count, payload))

    def append_records(self, records: NDArray[Any]) -> None:
        """Writes sequenced COMMAND records as one frame. Raises OSError where the disk does not take it."""
        self._append(RECORDS, int(records["seq"][0]), len(records), records.tobytes())

    def append_administrative(self, seq: int, entry: AdministrativeEntry) -> None:
        self._append(ADMINISTRATIVE, seq, 1, msgspec.json.encode(entry))

    def close(self) -> None:
        if self._descriptor >= 0:
            os.fdatasync(self._descriptor)
            os.close(self._descriptor)
            self._descriptor = -1
        os.close(self._lock)


def check_head(path: Path, max_orders: int | None) -> None:
    """Raises `JournalError` where the file is no journal, or one for another number of orders than `max_orders`."""
    with open(path, "rb") as file:
        data = file.read(SEGMENT_HEAD.itemsize)
    if len(data) < SEGMENT_HEAD.itemsize or not data.startswith(MAGIC):
        raise JournalError(f"{path} is no journal")
    head = np.frombuffer(data, SEGMENT_HEAD)[0]
    if int(head["version"]) != VERSION:
        raise JournalError(f"{path} is a journal of version {int(head['version'])}, this program reads {VERSION}")
    if max_orders is not None and int(head["max_orders"]) != max_orders:
        raise JournalError(
            f"the journal in {path.parent} was begun with room for {int(head['max_orders'])} orders, which is part of "
            f"what it replays to: set HFT_MAX_ORDERS={int(head['max_orders'])}, or start with another HFT_VAR"
        )


def _next_sound_frame(data: bytes, position: int) -> int | None:
    """Where the next sound frame starts, searching byte by byte for at most 1 MiB."""
    for candidate in range(position, min(len(data), position + (1 << 20))):
        length = int.from_bytes(data[candidate : candidate + 4], "little")
        if 0 < length <= LARGEST_FRAME and candidate + HEAD_BYTES + length <= len(data):
            try:
                if _parse(data, candidate) is not None:
                    return candidate
            except msgspec.MsgspecError:
                continue
    return None


class Reader:
    """Follows the journal, also while it is written. It keeps nothing but the place after the last whole frame, so that
    a torn frame that the writer cuts off and writes anew is read as it then stands."""

    def __init__(self, folder: Path, *, max_orders: int | None = None) -> None:
        """`max_orders`: of the core that the commands are for, None where there is none."""
        self._folder = folder
        self._max_orders = max_orders
        self._path: Path | None = None
        self._file: Any = None
        self._offset = 0

    def frames(self) -> Iterator[Frame]:
        """All whole frames from where the last call ended to what is written by now. Raises `JournalError`."""
        while self._file is not None or self._open_next():
            yield from self._whole_frames()
            if not self._segment_is_done():
                return

    def _whole_frames(self) -> Iterator[Frame]:
        size = READ_BYTES
        while True:
            self._file.seek(self._offset)
            data = self._file.read(size)
            position = 0
            while (parsed := _parse(data, position)) is not None:
                frame, end = parsed
                self._offset += end - position
                position = end
                yield frame
            if position:
                size = READ_BYTES
            elif len(data) == size:
                size *= 2  # a frame larger than what was read
            else:
                return

    def _segment_is_done(self) -> bool:
        """Whether a later segment is there, so that this one is read to its end; then the later one is opened."""
        if segments(self._folder)[-1] == self._path:
            return False
        if os.fstat(self._file.fileno()).st_size == self._offset:
            return self._open_next()
        self._file.seek(self._offset)
        if _parse(self._file.read(LARGEST_FRAME), 0) is None:
            raise JournalError(f"{self._path} is damaged at byte {self._offset}")
        return True

    def _open_next(self) -> bool:
        later = [p for p in segments(self._folder) if self._path is None or p.name > self._path.name]
        if not later:
            return False
        check_head(later[0], self._max_orders)
        self.close()
        self._path = later[0]
        self._file = open(self._path, "rb", buffering=0)  # noqa: SIM115 - closed when the next segment is opened
        self._offset = SEGMENT_HEAD.itemsize
        return True

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None


def runs(frames: Iterator[Frame], *, most: int = 1 << 14) -> Iterator[Frame]:
    """The same commands, neighbouring record frames joined up to about `most`: larger batches cost less."""
    waiting: list[NDArray[Any]] = []
    count = 0
    for frame in frames:
        if frame.records is not None:
            waiting.append(frame.records)
            count += frame.size
        if waiting and (frame.records is None or count >= most):
            yield _joined(waiting)
            waiting, count = [], 0
        if frame.records is None:
            yield frame
    if waiting:
        yield _joined(waiting)


def _joined(parts: list[NDArray[Any]]) -> Frame:
    records = np.concatenate(parts)
    return Frame(int(records["seq"][0]), len(records), records, None)
