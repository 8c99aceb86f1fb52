"""The one total order: each command gets its number and its time, is journaled, and then changes the state."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from engine import snapshot
from engine.core import Applied, Core
from engine.direct import direct
from engine.disk import Disk
from engine.jit import entry
from engine.journal import Writer
from engine.journal_reader import Reader, runs
from engine.layout import COMMAND
from engine.messages import AdministrativeCommand, AdministrativeEntry, Halt, Kill, SetPhase, Timer
from engine.metrics import ENGINE
from engine.progress import Backlog, Progress
from engine.pruning import prune
from engine.segments import Frame, JournalError, read_head, segments
from engine.snapshooter import Snapshooter
from engine.snapshot import Place
from engine.words import CommandType, Source

log = logging.getLogger(__name__)

CANCEL: Final = int(CommandType.CANCEL)
CANCEL_ALL: Final = int(CommandType.CANCEL_ALL)
URGENT: Final = (Kill, Halt, SetPhase, Timer)
"""Administrative commands that take orders out of the market: they get in on a full disk, as cancels do."""


ALL_CANCELS: Final = 1
FROM_KAFKA: Final = 2


@entry
def number(records: Any, first_seq: int, ts_ns: int) -> int:
    """Writes seq and time into COMMAND records. ALL_CANCELS where they bring no order in, FROM_KAFKA where some came
    from there."""
    found = ALL_CANCELS
    for row in range(len(records)):
        records["seq"][row] = first_seq + row
        records["ts_ns"][row] = ts_ns
        kind = records["type"][row]
        if kind != CANCEL and kind != CANCEL_ALL:
            found &= ~ALL_CANCELS
        if records["source_offset"][row] >= 0:
            found |= FROM_KAFKA
    return found


def apply_frame(core: Core, frame: Frame) -> Applied:
    """Applies what a journal frame holds, as it was applied when it was written."""
    if frame.records is not None:
        return core.apply(frame.records)
    assert frame.entry is not None
    return core.administer(frame.first_seq, frame.entry.ts_ns, frame.entry.command)


class Sequencer:
    """Owns the journal and the core. A command is in the journal before anyone hears of its outcome."""

    def __init__(
        self,
        core: Core,
        folder: Path,
        *,
        snapshots: Path | None = None,
        clock: Callable[[], int] = time.time_ns,
        shard: int = 0,
        epoch: int | None = None,
        disk: Disk | None = None,
        most_bytes: int = 0,
    ) -> None:
        """Takes the journal's lock and brings a new core to where the journal ends: by the newest good snapshot in
        `snapshots` (None: `snapshots` in the journal's folder) and the rest of the journal. `epoch`: higher than the
        journal's, of an engine that takes over; None: the journal's. `most_bytes`: of the journal, by `prune`; 0: it
        keeps everything. Raises `JournalError`."""
        self.core = core
        self.next_offsets: dict[int, int] = {}
        """Of the topic `orders`, by partition: the first record that is not in the journal."""
        self._clock = clock
        self._ts_ns = 0
        self._seq = 0
        used = self._disk = disk or Disk()
        self._most_bytes = most_bytes
        self._pruning: Callable[[], None] | None = None
        self._let_go = 0
        """Bytes of the journal that went since the start."""
        self._snapshots = snapshots or folder / snapshot.FOLDER
        self.journal = Writer(folder, max_orders=core.max_orders, shard=shard, epoch=epoch, disk=used)
        self._snapshooter = Snapshooter(core, folder, self._snapshots, used)
        self._backlog = Backlog()
        self._number = direct(number, np.zeros(0, COMMAND), 0, 0)
        ENGINE.compile()
        try:
            self._progress = Progress(folder, self.journal.identity)
            self._recover(folder)
        except BaseException:
            self.journal.close()
            raise

    # ------------------------------------------------------------------------------------------------- starting

    def _recover(self, folder: Path) -> None:
        started = time.monotonic()
        self._take_snapshot()
        before = self._seq
        reader = Reader(folder, max_orders=self.core.max_orders, after=self._seq)
        for frame in runs(reader.frames()):
            apply_frame(self.core, frame)
            self._seq = frame.last_seq
            self._note(frame)
        reader.close()
        if self._seq != self.journal.last_seq:
            raise JournalError(
                f"the journal in {folder} ends at command {self.journal.last_seq} but can be read only up to "
                f"{self._seq}: restore it from a backup"
            )
        if self._progress.committed > self._seq:
            self._progress.committed = self._seq  # the machine took the journal's end with it: its numbers come again
        self._measure(folder)
        if self.journal.cut_bytes:
            log.warning("cut %d bytes of a torn frame off the journal's end", self.journal.cut_bytes)
        if self._seq > before:
            log.info("replayed %d commands in %.1f s", self._seq - before, time.monotonic() - started)

    def _take_snapshot(self) -> None:
        files = snapshot.snapshots(self._snapshots)
        if files and int(files[0].stem) > self.journal.last_seq:
            raise JournalError(
                f"{files[0]} is ahead of the journal, which ends at command {self.journal.last_seq}: commands that "
                "were answered are missing: restore the journal's last segments, or move the snapshots that are ahead "
                "elsewhere and lose them"
            )
        place = snapshot.newest(self._snapshots, self.core, self.journal.identity)
        if place is not None:
            self._seq, self._ts_ns = place.seq, place.ts_ns
            self.next_offsets.update(place.next_offsets)

    def _measure(self, folder: Path) -> None:
        """How many bytes the journal had at the begin of each segment, and has now."""
        size = 0
        for path in segments(folder):
            self._backlog.note(read_head(path).first_seq - 1, size)
            size += path.stat().st_size
        self._backlog.note(self._seq, size)

    def _note(self, frame: Frame) -> None:
        self._ts_ns = frame.ts_ns
        if frame.records is not None:
            self._note_offsets(frame.records)
        elif frame.entry is not None and frame.entry.source_partition >= 0:
            self.next_offsets[frame.entry.source_partition] = frame.entry.source_offset + 1

    def _note_offsets(self, records: NDArray[Any]) -> None:
        for partition in np.unique(records["source_partition"]):
            if partition >= 0:
                offsets = records["source_offset"][records["source_partition"] == partition]
                self.next_offsets[int(partition)] = int(offsets.max()) + 1

    # --------------------------------------------------------------------------------------------- what it knows

    @property
    def last_seq(self) -> int:
        return self._seq

    @property
    def committed(self) -> int:
        """The last command of which all records are acknowledged by Kafka."""
        return self._progress.committed

    @property
    def journal_bytes(self) -> int:
        """Of all segments that are there."""
        return self.journal.bytes - self._let_go

    @property
    def unpublished_bytes(self) -> int:
        """Of the journal, past the last committed command; to about a MiB."""
        return self._backlog.past(self._progress.committed)

    # ------------------------------------------------------------------------------------------------ sequencing

    def _stamp(self) -> int:
        """The time now, never before the last one given."""
        now_ns = self._clock()
        if now_ns > self._ts_ns:
            self._ts_ns = now_ns
        return self._ts_ns

    def submit(self, records: NDArray[Any]) -> Applied:
        """Sequences, journals and applies COMMAND records. Raises OSError where the journal takes none of them: on a
        full disk only batches of nothing but cancels get in."""
        count = len(records)
        found = self._number(records, self._seq + 1, self._stamp())
        sequenced_ns = time.perf_counter_ns()
        self.journal.append_records(records, urgent=bool(found & ALL_CANCELS))
        journaled_ns = time.perf_counter_ns()
        self._seq += count
        self._backlog.note(self._seq, self.journal.bytes)
        if found & FROM_KAFKA:
            self._note_offsets(records)
        applied = self.core.apply(records)
        ENGINE.matched(count, sequenced_ns, journaled_ns, time.perf_counter_ns())
        return applied

    def administer(
        self,
        command: AdministrativeCommand,
        source: Source,
        actor: str,
        *,
        source_partition: int = -1,
        source_offset: int = -1,
    ) -> Applied:
        """The same for one administrative command; what ends orders gets in on a full disk."""
        entry = AdministrativeEntry(
            ts_ns=self._stamp(),
            source=source.wire,
            actor=actor,
            command=command,
            source_partition=source_partition,
            source_offset=source_offset,
        )
        self.journal.append_administrative(self._seq + 1, entry, urgent=isinstance(command, URGENT))
        self._seq += 1
        self._backlog.note(self._seq, self.journal.bytes)
        if source_partition >= 0:
            self.next_offsets[source_partition] = source_offset + 1
        return self.core.administer(self._seq, entry.ts_ns, command)

    # ------------------------------------------------------------------------------------------------ durability

    def sync(self) -> None:
        """All that was sequenced so far survives the machine from here on. Raises OSError."""
        begun_ns = time.perf_counter_ns()
        self.journal.sync()
        ENGINE.sync.note(time.perf_counter_ns() - begun_ns)

    def snapshot(self, *, wait: bool = False) -> bool:
        """Begins a snapshot of the state as it is now, written by a child process; False where the last one is not
        done. `wait`: in this process, done at return; a failure is logged."""
        place = Place(
            self.journal.shard,
            self.journal.epoch,
            self.journal.identity,
            self._seq,
            self._ts_ns,
            dict(self.next_offsets),
        )
        if self._seq == 0:
            return False
        committed = self._progress.committed
        if not wait:
            return self._snapshooter.begin(place, committed)
        self._snapshooter.wait()
        try:
            self._snapshooter.take(place, committed)
        except OSError as error:
            log.error("the snapshot at command %d was not written: %s", self._seq, error)
            return False
        return True

    def prune(self) -> None:
        """Lets old segments go, where the journal is larger than it may be, beside this thread."""
        if not self._most_bytes:
            return
        if self._pruning is not None:
            self._pruning()
        self._pruning = self._disk.aside(self._prune)

    def _prune(self) -> None:
        try:
            committed = self._progress.committed
            self._progress.sync()  # after a crash it must not say less than what went was decided by
            gone = prune(self.journal.folder, self._snapshots, committed, self._most_bytes, self._disk)
        except OSError as error:
            log.error("no segment of the journal was let go: %s", error)
            return
        if gone:
            self._let_go += sum(segment.size for segment in gone)
            log.info("let %d segments of the journal go, up to the one from command %d", len(gone), gone[-1].first_seq)

    def close(self) -> None:
        """Waits for a snapshot that is being written, and for segments that go."""
        self._snapshooter.wait()
        if self._pruning is not None:
            self._pruning()
        self._progress.close()
        self.journal.close()
