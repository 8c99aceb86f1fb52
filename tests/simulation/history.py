"""What the running engine was, and what a replay of its journal is."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from engine.core import Core
from engine.journal_reader import Reader
from engine.layout import REPORT
from engine.messages import AdministrativeEntry
from engine.segments import Frame
from engine.sequencer import apply_frame
from tests.simulation.traffic import administrative_content, content

NO_REPORTS: Final = np.zeros(0, REPORT)


class History:
    """Of the processes that lived: the state's hash after their batches, and the reports of each command."""

    def __init__(self) -> None:
        self.hashes: dict[int, str] = {}
        """By the last seq."""
        self.reports: dict[int, bytes] = {}
        """By seq."""

    def follow(self, reports: NDArray[Any]) -> None:
        for seq in np.unique(reports["seq"]).tolist():
            self.reports[seq] = reports[reports["seq"] == seq].tobytes()

    def forget(self, last_seq: int) -> None:
        """What came after is gone, with the machine."""
        self.hashes = {seq: told for seq, told in self.hashes.items() if seq <= last_seq}
        self.reports = {seq: told for seq, told in self.reports.items() if seq <= last_seq}


class Replay:
    """The journal from its first command, without snapshots."""

    def __init__(self, folder: Path, max_orders: int, wanted: Collection[int]) -> None:
        """`wanted`: the commands after which the state's hash is taken."""
        self.core = Core(max_orders=max_orders)
        self.frames: list[Frame] = []
        self.hashes: dict[int, str] = {}
        self.seqs: list[int] = []
        self.times: list[int] = []
        self.contents: dict[int, bytes] = {}
        """By seq: what was sent."""
        self.sources: dict[tuple[int, int], list[int]] = {}
        """(partition, offset) of `orders` → seqs of the commands."""
        self.entries: dict[int, AdministrativeEntry] = {}
        told = [NO_REPORTS]
        with closing(Reader(folder, max_orders=max_orders)) as reader:
            for frame in reader.frames():
                if frame.records is not None:  # compiled code takes no read-only memory
                    frame = frame._replace(records=frame.records.copy())
                told.append(apply_frame(self.core, frame).reports.copy())
                if frame.last_seq in wanted:
                    self.hashes[frame.last_seq] = self.core.state_hash()
                self._note(frame)
        self.reports = np.concatenate(told)

    def _note(self, frame: Frame) -> None:
        self.frames.append(frame)
        if frame.entry is not None:
            entry = frame.entry
            self.entries[frame.first_seq] = entry
            self.seqs.append(frame.first_seq)
            self.times.append(entry.ts_ns)
            self.contents[frame.first_seq] = administrative_content(entry.command)
            self._note_source(frame.first_seq, entry.source_partition, entry.source_offset)
            return
        assert frame.records is not None
        seqs = frame.records["seq"].tolist()
        self.seqs += seqs
        self.times += frame.records["ts_ns"].tolist()
        self.contents.update(zip(seqs, content(frame.records), strict=True))
        places = (frame.records["source_partition"].tolist(), frame.records["source_offset"].tolist())
        for seq, partition, offset in zip(seqs, *places, strict=True):
            self._note_source(seq, partition, offset)

    def _note_source(self, seq: int, partition: int, offset: int) -> None:
        if partition >= 0:
            self.sources.setdefault((partition, offset), []).append(seq)

    @property
    def last_seq(self) -> int:
        return self.seqs[-1] if self.seqs else 0
