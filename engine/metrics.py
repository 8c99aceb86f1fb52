"""What the engine and the publisher tell Prometheus (docs/metrics.md has all of it).

The engine's thread notes a batch, never a command, in one compiled call. What takes longer is copied once a second
by that same thread, so that who asks never looks at something that is being changed."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from prometheus_client import Counter, Gauge

from engine import durations
from engine.direct import direct
from engine.durations import SLOTS
from engine.jit import compiled, entry
from engine.legs import LEGS

if TYPE_CHECKING:
    from engine.batch import Batch
    from engine.sequencer import Sequencer

STEP_SECONDS: Final = 1.0
"""How often the engine's gauges are set."""

_note: Final = compiled(durations.note)


@entry
def _note_batch(
    cells: Any, commands: int, arrived_ns: int, sequenced_ns: int, journaled_ns: int, matched_ns: int
) -> None:
    _note(cells[0], sequenced_ns - arrived_ns, commands)
    _note(cells[1], journaled_ns - sequenced_ns, commands)
    _note(cells[2], matched_ns - journaled_ns, commands)
    _note(cells[3], matched_ns - arrived_ns, commands)


class EngineMetrics:
    """Of the engine's thread. `arrived_ns` is when the batch that is being made came in, by the monotonic clock."""

    def __init__(self) -> None:
        legs = ("ingress_to_sequenced", "sequenced_to_journaled", "journaled_to_matched", "ingress_to_matched")
        self._cells = np.zeros((len(legs), SLOTS + 1), np.int64)
        for leg, cells in zip(legs, self._cells, strict=True):
            LEGS.series(leg, cells)
        self.arrived_ns = 0
        self.sync = LEGS.series("journaled_to_synced")
        self.commands = 0
        self.batches = 0
        self._note_batch: Any = _note_batch

    def compile(self) -> None:
        """Before somebody waits."""
        self._note_batch = direct(_note_batch, self._cells, 0, 0, 0, 0, 0)

    def matched(self, commands: int, sequenced_ns: int, journaled_ns: int, matched_ns: int) -> None:
        """A batch went through; times by the monotonic clock."""
        self._note_batch(self._cells, commands, self.arrived_ns or sequenced_ns, sequenced_ns, journaled_ns, matched_ns)
        self.commands += commands
        self.batches += 1


ENGINE: Final = EngineMetrics()


def _free_bytes(folder: Path) -> float:
    """What the disk that `folder` is on has left; NaN where the folder is not there."""
    try:
        disk = os.statvfs(folder)
    except OSError:
        return float("nan")
    return float(disk.f_bavail * disk.f_frsize)


class EngineGauges:
    """Made by the engine's process alone, so that no other one tells zeros of it."""

    def __init__(self, journal: Path) -> None:
        """`journal`: its folder; how much room its disk has is looked up when it is asked for."""
        self._due = 0.0
        self._commands = Counter("hft_engine_commands", "Order commands sequenced since the process started.")
        self._batches = Counter("hft_engine_batches", "Batches of commands sequenced since the process started.")
        self._counted = (0, 0)
        self._last_seq = Gauge("hft_engine_last_seq", "The last command that was sequenced.")
        self._committed_seq = Gauge(
            "hft_engine_committed_seq", "The last command of which Kafka has acknowledged every record."
        )
        self._journal = Gauge("hft_journal_bytes", "Size of the journal.")
        self._unpublished = Gauge(
            "hft_journal_unpublished_bytes", "Of the journal, what Kafka has not acknowledged; to about a MiB."
        )
        self._held = Gauge("hft_engine_held_replies", "Batches whose replies wait for Kafka's acknowledgement.")
        self._full = Gauge("hft_engine_journal_full", "1 while the disk takes no more of the journal, else 0.")
        self._behind = Gauge("hft_engine_busy", "1 while new orders are refused since Kafka is too far behind, else 0.")
        Gauge("hft_journal_free_bytes", "Room that is left on the journal's disk.").set_function(
            lambda: _free_bytes(journal)
        )

    def step(self, now: float, sequencer: Sequencer, batch: Batch) -> None:
        """Sets them, once in STEP_SECONDS; called by the engine's thread."""
        if now < self._due:
            return
        self._due = now + STEP_SECONDS
        commands, batches = self._counted
        self._counted = (ENGINE.commands, ENGINE.batches)
        self._commands.inc(ENGINE.commands - commands)
        self._batches.inc(ENGINE.batches - batches)
        self._last_seq.set(sequencer.last_seq)
        self._committed_seq.set(sequencer.committed)
        self._journal.set(sequencer.journal_bytes)
        self._unpublished.set(sequencer.unpublished_bytes)
        self._held.set(batch.held)
        self._full.set(batch.disk_is_full)
        self._behind.set(batch.is_behind)


class PublisherGauges:
    """Made by the publisher's process alone."""

    def __init__(self, last_seq: Callable[[], int], waiting: Callable[[], int]) -> None:
        Gauge("hft_publisher_last_seq", "The last command that the publisher has read.").set_function(last_seq)
        Gauge("hft_publisher_queue_records", "Records sent to Kafka that it has not acknowledged yet.").set_function(
            waiting
        )
