"""The one total order: each command gets its number and its time, is journaled, and then changes the state."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.core import Applied, Core
from engine.journal import Frame, Reader, Writer, runs
from engine.messages import AdministrativeCommand, AdministrativeEntry
from engine.words import Source

log = logging.getLogger(__name__)


def apply_frame(core: Core, frame: Frame) -> Applied:
    """Applies what a journal frame holds, as it was applied when it was written."""
    if frame.records is not None:
        return core.apply(frame.records)
    assert frame.entry is not None
    return core.administer(frame.first_seq, frame.entry.ts_ns, frame.entry.command)


class Sequencer:
    """Owns the journal and the core. A command is in the journal before anyone hears of its outcome."""

    def __init__(self, core: Core, folder: Path, *, clock: Callable[[], int] = time.time_ns) -> None:
        """Takes the journal's lock and brings the core to where the journal ends. Raises `JournalError`."""
        self.core = core
        self.journal = Writer(folder, max_orders=core.max_orders)
        self.next_offsets: dict[int, int] = {}
        """Of the topic `orders`, by partition: the first record that is not in the journal."""
        self._clock = clock
        self._ts_ns = 0
        self._seq = 0
        self._recover(folder)

    def _recover(self, folder: Path) -> None:
        started = time.monotonic()
        reader = Reader(folder, max_orders=self.core.max_orders)
        for frame in runs(reader.frames()):
            if frame.first_seq != self._seq + 1:
                raise RuntimeError(f"the journal goes from command {self._seq} to {frame.first_seq}")
            apply_frame(self.core, frame)
            self._seq = frame.last_seq
            self._note_offsets(frame)
        reader.close()
        if self.journal.cut_bytes:
            log.warning("cut %d bytes of a torn frame off the journal's end", self.journal.cut_bytes)
        if self._seq:
            log.info("replayed %d commands in %.1f s", self._seq, time.monotonic() - started)

    def _note_offsets(self, frame: Frame) -> None:
        if frame.entry is not None:
            self._ts_ns = frame.entry.ts_ns
            if frame.entry.source_partition >= 0:
                self.next_offsets[frame.entry.source_partition] = frame.entry.source_offset + 1
            return
        assert frame.records is not None
        self._ts_ns = int(frame.records["ts_ns"][-1])
        self._note_record_offsets(frame.records)

    def _note_record_offsets(self, records: NDArray[Any]) -> None:
        for partition in np.unique(records["source_partition"]):
            if partition >= 0:
                offsets = records["source_offset"][records["source_partition"] == partition]
                self.next_offsets[int(partition)] = int(offsets.max()) + 1

    @property
    def last_seq(self) -> int:
        return self._seq

    def _stamp(self) -> int:
        """The time now, never before the last one given."""
        self._ts_ns = max(self._ts_ns, self._clock())
        return self._ts_ns

    def submit(self, records: NDArray[Any]) -> Applied:
        """Sequences, journals and applies COMMAND records. Raises OSError where the journal takes none of them."""
        count = len(records)
        records["seq"] = np.arange(self._seq + 1, self._seq + 1 + count, dtype=np.uint64)
        records["ts_ns"] = self._stamp()
        self.journal.append_records(records)
        self._seq += count
        if int(records["source_offset"].max()) >= 0:
            self._note_record_offsets(records)
        return self.core.apply(records)

    def administer(
        self,
        command: AdministrativeCommand,
        source: Source,
        actor: str,
        *,
        source_partition: int = -1,
        source_offset: int = -1,
    ) -> Applied:
        """The same for one administrative command."""
        entry = AdministrativeEntry(
            ts_ns=self._stamp(),
            source=source.wire,
            actor=actor,
            command=command,
            source_partition=source_partition,
            source_offset=source_offset,
        )
        self.journal.append_administrative(self._seq + 1, entry)
        self._seq += 1
        if source_partition >= 0:
            self.next_offsets[source_partition] = source_offset + 1
        return self.core.administer(self._seq, entry.ts_ns, command)

    def close(self) -> None:
        self.journal.close()
