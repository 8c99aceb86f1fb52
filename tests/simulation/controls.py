"""The simulation can fail: each control switches one guard of the product off."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Final
from unittest.mock import patch

import engine.snapshot
from engine.core import Core
from engine.ingress import Ingress
from engine.journal import Writer
from engine.sequencer import Sequencer
from engine.tails import Tails
from tests.simulation.disk import FaultyDisk


@contextmanager
def journal_before_reply() -> Iterator[None]:
    """A frame waits in memory until the next one comes."""
    append = Writer._append

    def later(self: Any, *frame: Any) -> None:
        held, self.held = getattr(self, "held", None), frame
        if held is not None:
            append(self, *held)

    with patch.object(Writer, "_append", later):
        yield


@contextmanager
def torn_tail_cut() -> Iterator[None]:
    """A frame that a crash left in part stays where it is."""
    cut = Writer._cut_torn_tail

    def leave(self: Any, path: Any) -> None:
        with patch.object(FaultyDisk, "truncate", lambda disk, descriptor, size: None):
            cut(self, path)

    with patch.object(Writer, "_cut_torn_tail", leave):
        yield


@contextmanager
def journal_offsets() -> Iterator[None]:
    """The topic `orders` is read from its beginning, whatever the journal holds."""
    begin = Ingress.__init__

    def from_the_beginning(self: Ingress, bootstrap: str, next_offsets: dict[int, int]) -> None:
        begin(self, bootstrap, {})

    with patch.object(Ingress, "__init__", from_the_beginning):
        yield


@contextmanager
def resume_position() -> Iterator[None]:
    """The publisher does not look at what its topics hold."""
    read = Tails.read

    def nothing(self: Tails, topics: list[str]) -> Any:
        found = read(self, topics)
        return None if found is None else (found[0], {})

    with patch.object(Tails, "read", nothing):
        yield


@contextmanager
def snapshot_hash_check() -> Iterator[None]:
    """A whole snapshot is believed, whatever state it makes."""
    restore = engine.snapshot._restore

    def believe(core: Core, description: Any, arrays: Any) -> None:
        with patch.object(core, "state_hash", lambda: description.state_hash):
            restore(core, description, arrays)

    with patch.object(engine.snapshot, "_restore", believe):
        yield


@contextmanager
def sync_before_reply() -> Iterator[None]:
    """`synced` is said without an fdatasync."""
    with patch.object(Sequencer, "sync", lambda self: None):
        yield


GUARDS: Final[dict[Callable[[], AbstractContextManager[None]], str]] = {
    journal_before_reply: "acknowledged_is_there",
    torn_tail_cut: "the_journal_is_sound",
    journal_offsets: "no_kafka_record_doubled",
    resume_position: "no_event_doubled",
    snapshot_hash_check: "replay_is_live",
    sync_before_reply: "synced_survives_the_machine",
}
"""Guard → the invariant that it keeps."""
