"""Reading the journal: from any command on, to its end and beyond as it grows."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np

from engine.segments import (
    FRAME_BYTES,
    HEAD_BYTES,
    LARGEST_FRAME,
    Frame,
    Head,
    JournalError,
    Span,
    check_follows,
    damage,
    frame_of,
    next_span,
    read_head,
    segment_path,
    segments,
    span_at,
)

READ_BYTES: Final = 8 << 20


class Reader:
    """Follows the journal, also while it is written. It keeps nothing but the place after the last whole frame, so that
    a torn frame that the writer cuts off and writes anew is read as it then stands."""

    def __init__(self, folder: Path, *, max_orders: int | None = None, after: int = 0) -> None:
        """`max_orders`: of the core that the commands are for, None where there is none. `after`: the last command that
        is not wanted."""
        self._folder = folder
        self._max_orders = max_orders
        self._next = after + 1
        self._path: Path | None = None
        self._file: Any = None
        self._offset = 0
        self._end_seq = 0
        """Last command read or passed over in the segment."""
        self._looked = False
        self.head: Head | None = None
        """Of the segment that is read, None before the first."""

    def frames(self) -> Iterator[Frame]:
        """All whole frames from where the last call ended to what is written by now. Raises `JournalError`."""
        while self._file is not None or self._open_first():
            yield from self._whole_frames()
            if not self._go_on():
                return

    def _whole_frames(self) -> Iterator[Frame]:
        assert self.head is not None
        size = READ_BYTES
        while True:
            data = self._read(size)
            position = 0
            while (span := span_at(data, position)) is not None:
                self._check_order(span)
                self._offset += span.end - position
                position = span.end
                self._end_seq += span.size
                if self._end_seq >= self._next:
                    frame = self._wanted(frame_of(data, span, self.head.epoch))
                    self._next = self._end_seq + 1
                    yield frame
            if position:
                size = READ_BYTES
            elif len(data) == size:
                size *= 2  # a frame larger than what was read
            else:
                return

    def _read(self, size: int) -> bytes:
        self._file.seek(self._offset)
        data: bytes = self._file.read(size)
        return data

    def _check_order(self, span: Span) -> None:
        if span.first_seq != self._end_seq + 1:
            raise JournalError(
                f"{self._path} goes from command {self._end_seq} to {span.first_seq} at byte {self._offset}: restore "
                "it from a backup"
            )

    def _wanted(self, frame: Frame) -> Frame:
        """Without the commands that are not wanted."""
        passed = self._next - frame.first_seq
        if passed == 0:
            return frame
        assert frame.records is not None
        return frame._replace(first_seq=self._next, size=frame.size - passed, records=frame.records[passed:])

    def _go_on(self) -> bool:
        """At the end of what can be read: whether there is more by now, in this segment or in the next, which is then
        open. At the journal's end it looks at the whole folder once: from then on segments
        come by the name of the next command."""
        assert self._path is not None
        following = segment_path(self._folder, self._end_seq + 1)
        complete = following != self._path and following.exists()
        rest = os.fstat(self._file.fileno()).st_size > self._offset
        if not complete and not rest and self._looked:
            return False
        later = [path for path in segments(self._folder) if path > self._path]
        if not later:
            self._looked = True
            return False
        data = self._read(LARGEST_FRAME + FRAME_BYTES)  # a writer may have added more before it began the later segment
        if span_at(data, 0) is not None:
            return True
        if data:
            behind = next_span(data, 1)
            raise damage(self._path, self._offset, None if behind is None else self._offset + behind)
        if later[0] != segment_path(self._folder, self._end_seq + 1):
            raise JournalError(
                f"{later[0]} comes after command {self._end_seq}: the segment between is missing: restore it "
                "from a backup"
            )
        self._open(later[0])
        return True

    def _open_first(self) -> bool:
        existing = segments(self._folder)
        if not existing:
            return False
        wanted = segment_path(self._folder, self._next)
        before = [path for path in existing if path <= wanted]
        if not before:
            raise JournalError(
                f"the journal in {self._folder} begins at {existing[0].name}: restore the segments from command "
                f"{self._next} on, or a snapshot"
            )
        self._open(before[-1])
        return True

    def _open(self, path: Path) -> None:
        head = read_head(path, self._max_orders)
        if self.head is not None:
            check_follows(path, head, self.head)
        self.close()
        self.head = head
        self._path = path
        self._file = open(path, "rb", buffering=0)  # noqa: SIM115 - closed when the next segment is opened
        self._offset = HEAD_BYTES
        self._end_seq = head.first_seq - 1

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None


def runs(frames: Iterator[Frame], *, most: int = 1 << 14) -> Iterator[Frame]:
    """The same commands, neighbouring record frames of an epoch joined up to about `most`: larger batches cost less."""
    waiting: list[Frame] = []
    count = 0
    for frame in frames:
        if waiting and (frame.records is None or frame.epoch != waiting[0].epoch or count >= most):
            yield _joined(waiting, count)
            waiting, count = [], 0
        if frame.records is None:
            yield frame
        else:
            waiting.append(frame)
            count += frame.size
    if waiting:
        yield _joined(waiting, count)


def command_time(folder: Path, seq: int) -> int | None:
    """`ts_ns` of a command, None where the journal ends before it. Raises `JournalError`."""
    reader = Reader(folder, after=seq - 1)
    try:
        for frame in reader.frames():
            return frame.ts_ns if frame.records is None else int(frame.records["ts_ns"][0])
        return None
    finally:
        reader.close()


def _joined(parts: list[Frame], count: int) -> Frame:
    # Also of one part: compiled code takes no read-only memory.
    records = np.concatenate([part.records for part in parts if part.records is not None])
    return parts[0]._replace(size=count, records=records)
