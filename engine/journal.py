"""The journal: every sequenced command, in order, on disk before its reply.

A folder of segments (`engine.segments`). A frame is written with one `write`, so what a crash tears is the tail, which
the next start cuts off. The writer holds blocks of the disk beyond the journal's end: new orders are taken only while
that reserve is whole, so that on a full disk there is room for cancels, and nobody else can take it.
"""

from __future__ import annotations

import errno
import logging
import os
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import msgspec
from numpy.typing import NDArray

from engine.disk import Disk
from engine.messages import AdministrativeEntry
from engine.segments import (
    ADMINISTRATIVE,
    FRAME_BYTES,
    HEAD_BYTES,
    RECORDS,
    Head,
    JournalError,
    check_follows,
    damage,
    frame_bytes,
    head_bytes,
    next_span,
    read_head,
    segment_path,
    segments,
    span_at,
)

log = logging.getLogger(__name__)

SEGMENT_BYTES: Final = 64 << 20
RESERVE_BYTES: Final = 16 << 20
"""For cancels on a full disk: room for 80,000 of them in frames of one."""
STEP_BYTES: Final = 16 << 20
"""Blocks are taken in steps of this, beyond the reserve."""


class DiskFailed(RuntimeError):
    """The disk did not keep what was written. Trying again makes nothing good: the engine ends, and its next start
    reads what is there."""


class Writer:
    """Appends to the journal. Holds a lock on the folder, so that there is one writer."""

    def __init__(
        self,
        folder: Path,
        *,
        max_orders: int = 0,
        shard: int = 0,
        epoch: int | None = None,
        disk: Disk | None = None,
        reserve: int = RESERVE_BYTES,
    ) -> None:
        """Cuts off a torn tail. `epoch`: of an engine that takes over, higher than the journal's; None: the journal's
        own, 1 in a new one. Raises `JournalError` where another process writes or the last segment is damaged."""
        self._disk = disk or Disk()
        self._disk.make_folder(folder)
        self.folder = folder
        self.cut_bytes = 0
        """Of a torn frame at the end, which the start cut off."""
        self.last_seq = 0
        self.bytes = 0
        """Of all segments."""
        self._descriptor = -1
        self._size = 0
        self._reserve = reserve
        self._reserved = 0
        """Blocks of the segment are taken up to this byte."""
        self._limit = 0
        """Up to this byte frames are written to the segment without a look at anything else."""
        self._broken = False
        self._finishing: Callable[[], None] | None = None
        """Waits for what `_finish` has begun."""
        self._unsynced: OSError | None = None
        """Why something written may not have reached the disk: no later sync can make that good."""
        try:
            self._lock = self._disk.lock(folder / "lock")
        except BlockingIOError:
            raise JournalError(f"another engine writes the journal in {folder}") from None
        try:
            self._open(max_orders, shard, epoch)
        except BaseException:
            self._disk.close(self._lock)
            raise

    def _open(self, max_orders: int, shard: int, epoch: int | None) -> None:
        existing = segments(self.folder)
        heads = [read_head(path, max_orders) for path in existing]
        for path, head, before in zip(existing[1:], heads[1:], heads, strict=False):
            check_follows(path, head, before)
        for path in self.folder.glob("*.new"):
            self._disk.remove(path)
        if not existing:
            self._head = Head(shard, 1 if epoch is None else epoch, 0, max_orders, secrets.randbits(63))
            return
        self._head = heads[-1]
        if self._head.shard != shard:
            raise JournalError(f"the journal in {self.folder} is of shard {self._head.shard}, not of {shard}")
        if epoch is not None and epoch < self._head.epoch:
            raise JournalError(
                f"an engine with epoch {self._head.epoch} has taken the journal in {self.folder} over: epoch {epoch} "
                "may not write to it any more"
            )
        self._descriptor = self._disk.open(existing[-1])
        self._cut_torn_tail(existing[-1])
        self.bytes = sum(path.stat().st_size for path in existing)
        self._sync_older(existing[-3:-1])
        if epoch is not None and epoch > self._head.epoch:
            self._head = self._head._replace(epoch=epoch)
            self._roll(self.last_seq + 1)

    def _sync_older(self, paths: list[Path]) -> None:
        """A writer that died had perhaps not brought these, and the last segment's name, to the disk: `sync` speaks for
        them, too."""
        for path in paths:
            descriptor = self._disk.open(path)
            try:
                self._disk.sync(descriptor)
            finally:
                self._disk.close(descriptor)
        self._disk.sync_folder(self.folder)

    def _cut_torn_tail(self, path: Path) -> None:
        """Finds where the last segment ends."""
        data = path.read_bytes()
        self.last_seq = self._head.first_seq - 1
        position = HEAD_BYTES
        while (span := span_at(data, position)) is not None:
            if span.first_seq != self.last_seq + 1:
                raise JournalError(f"{path} goes from command {self.last_seq} to {span.first_seq} at byte {position}")
            self.last_seq += span.size
            position = span.end
        if position < len(data):
            following = next_span(data, position + 1)
            if following is not None:
                raise damage(path, position, following)
            self._disk.truncate(self._descriptor, position)
            self.cut_bytes = len(data) - position
        self._size = position

    @property
    def shard(self) -> int:
        return self._head.shard

    @property
    def epoch(self) -> int:
        return self._head.epoch

    @property
    def identity(self) -> int:
        """Of this journal, in the heads of all its segments."""
        return self._head.identity

    @property
    def max_orders(self) -> int:
        return self._head.max_orders

    # ------------------------------------------------------------------------------------------------ appending

    def append_records(self, records: NDArray[Any], *, urgent: bool = False) -> None:
        """Writes sequenced COMMAND records as one frame. `urgent`: may use the reserve. Raises OSError where the disk
        does not take it; then nothing of it is in the journal."""
        self._append(RECORDS, int(records["seq"][0]), len(records), records.tobytes(), urgent)

    def append_administrative(self, seq: int, entry: AdministrativeEntry, *, urgent: bool = False) -> None:
        """The same for one administrative command."""
        self._append(ADMINISTRATIVE, seq, 1, msgspec.json.encode(entry), urgent)

    def _append(self, kind: int, first_seq: int, count: int, payload: bytes, urgent: bool) -> None:
        if self._size + FRAME_BYTES + len(payload) > self._limit:
            self._make_room(first_seq, FRAME_BYTES + len(payload), urgent)
        data = frame_bytes(kind, first_seq, count, payload)
        written = 0
        try:
            written = self._disk.write(self._descriptor, data)
        finally:
            if written != len(data):
                self._cut_back()
        if written != len(data):
            raise OSError(errno.ENOSPC, "the disk took only a part of the journal's frame")
        self._size += written
        self.bytes += written
        self.last_seq = first_seq + count - 1

    def _make_room(self, first_seq: int, length: int, urgent: bool) -> None:
        """Begins a segment where one is needed, and takes the blocks."""
        self._limit = 0
        if self._broken:
            raise OSError(errno.EIO, "the journal could not be cut back to its last whole frame: restart the engine")
        if self._descriptor < 0 or self._size >= SEGMENT_BYTES:
            try:
                self._roll(first_seq)
            except OSError:
                if self._descriptor < 0 or not urgent:
                    raise  # otherwise the reserve of the full segment takes it
        self._take_room(length, urgent)
        self._limit = min(SEGMENT_BYTES, self._reserved - self._reserve) if self._reserve else SEGMENT_BYTES

    def _take_room(self, length: int, urgent: bool) -> None:
        """Makes sure of the blocks for what is to be written and, unless it is urgent, for the reserve behind it."""
        needed = self._size + length + (0 if urgent else self._reserve)
        if needed <= self._reserved or self._reserve == 0:
            return
        for wanted in (needed + STEP_BYTES, needed):
            try:
                if not self._disk.reserve(self._descriptor, self._size, wanted - self._size):
                    log.warning("%s cannot reserve room: on a full disk cancels fail as new orders do", self.folder)
                    self._reserve = 0
            except OSError as error:
                if error.errno != errno.ENOSPC or wanted == needed:
                    raise
                continue
            self._reserved = wanted
            return

    def _cut_back(self) -> None:
        """Takes a part of a frame away again. Where even that fails, nothing may be written behind it."""
        self._broken = True
        self._limit = 0
        if self._disk.size(self._descriptor) != self._size:
            self._disk.truncate(self._descriptor, self._size)
            self._reserved = self._size
        self._broken = False

    def _roll(self, first_seq: int) -> None:
        """Starts a segment. It has its name only once its head and the whole segment before it are on the disk, so that
        a crash of the machine cannot leave a hole between two segments; and it is written to only then. Raises OSError
        where there is no room, `DiskFailed` where the segment before cannot be brought to the disk."""
        try:
            self.sync()
        except OSError as error:
            raise DiskFailed(f"the journal's segment cannot be brought to the disk: {error}") from error
        path = segment_path(self.folder, first_seq)
        unfinished = path.with_suffix(".new")
        head = self._head._replace(first_seq=first_seq)
        data = head_bytes(head)
        descriptor = self._disk.open(unfinished)
        try:
            self._disk.truncate(descriptor, 0)
            if self._disk.write(descriptor, data) != len(data):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            if self._reserve:
                self._disk.reserve(descriptor, 0, len(data) + self._reserve)
            self._disk.sync(descriptor)
            self._disk.rename(unfinished, path)
        except BaseException:
            self._disk.close(descriptor)
            raise
        before, size = self._descriptor, self._size
        self._descriptor, self._size, self._head = descriptor, len(data), head
        self._reserved = self._size + self._reserve
        self.bytes += len(data)
        self._finish(before, size)

    def _finish(self, descriptor: int, size: int) -> None:
        """Gives the reserve of the segment before back, and brings the new one's name to the disk, while the writer
        goes on."""

        def work() -> None:
            try:
                if descriptor >= 0:
                    self._disk.truncate(descriptor, size)
                    self._disk.close(descriptor)
                self._disk.sync_folder(self.folder)
            except OSError as error:
                self._unsynced = error

        self._wait()
        self._finishing = self._disk.aside(work)

    def _wait(self) -> None:
        if self._finishing is not None:
            self._finishing()
            self._finishing = None

    def sync(self) -> None:
        """Everything written so far survives the machine from here on. Raises OSError; after a failure always, as
        what the system has dropped then is not written by trying again."""
        self._wait()
        if self._unsynced is not None:
            raise self._unsynced
        try:
            if self._descriptor >= 0:
                self._disk.sync(self._descriptor)
        except OSError as error:
            self._unsynced = error
            raise

    def close(self) -> None:
        """Raises OSError where what was written cannot be brought to the disk."""
        try:
            self.sync()
        finally:
            if self._descriptor >= 0:
                self._disk.close(self._descriptor)
                self._descriptor = -1
            self._disk.close(self._lock)
