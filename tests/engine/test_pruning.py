"""Segments of the journal that may go: none that a start of the engine or of the publisher would miss."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sequences import MAX_ORDERS, define, opened, orders, running

from engine import journal, snapshot
from engine.core import Core
from engine.disk import Disk
from engine.journal_reader import Reader, command_time
from engine.progress import Progress
from engine.pruning import Segment, prune, removable
from engine.segments import JournalError, segments

sizes = st.lists(st.integers(1, 100), min_size=1, max_size=12)


@given(sizes, st.lists(st.integers(0, 1300), max_size=4), st.integers(0, 1300), st.integers(0, 1300))
def test_only_what_nobody_needs_goes_and_no_more_than_must(
    lengths: list[int], states: list[int], committed: int, most: int
) -> None:
    """Segments of one byte a command."""
    found = [Segment(1 + sum(lengths[:number]), length) for number, length in enumerate(lengths)]
    count = removable(found, states, committed, most)
    assert 0 <= count < len(found)
    kept_from = found[count].first_seq
    if count:
        # Every snapshot's command is still there, and one of them is the publisher's to begin with.
        assert min(states) >= kept_from
        assert min(states) <= committed
        assert sum(lengths[count - 1 :]) > most, "one too many"
    within = sum(lengths[count:]) <= most
    last = count + 1 == len(found)
    needed = not states or min(states) > committed or (not last and found[count + 1].first_seq > min(states))
    assert within or last or needed


def test_a_start_goes_on_from_what_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal, "SEGMENT_BYTES", 1 << 14)
    folder = tmp_path / "journal"
    with running(folder, most_bytes=1 << 15) as sequencer:
        define(sequencer)
        for seed in range(40):
            sequencer.submit(orders(seed, 50))
            if seed in (12, 25):
                assert sequencer.snapshot(wait=True)
        whole = segments(folder)
        assert len(whole) > 10

        def pruned() -> list[Path]:
            sequencer.prune()
            assert sequencer._pruning is not None
            sequencer._pruning()
            return segments(folder)

        assert pruned() == whole, "Kafka has nothing yet"
        older, newer = sorted(int(path.stem) for path in snapshot.snapshots(folder / snapshot.FOLDER))
        with Progress(folder, sequencer.journal.identity) as progress:
            progress.committed = older - 1
            assert pruned() == whole, "the publisher would begin with the first command"
            progress.committed = older + 10
            left = pruned()
        assert sequencer.journal_bytes == sum(path.stat().st_size for path in left)
        assert len(left) < len(whole)
        assert left == whole[-len(left) :]
        assert command_time(folder, older) is not None
        # Snapshots that are newer than what Kafka has do not push out the one that the publisher begins with.
        for seed in range(40, 43):
            sequencer.submit(orders(seed, 50))
            assert sequencer.snapshot(wait=True)
        kept = [int(path.stem) for path in snapshot.snapshots(folder / snapshot.FOLDER)]
        assert older in kept
        assert len(kept) == snapshot.KEPT + 1
        assert newer not in kept
        expected = sequencer.core.state_hash()
    again = opened(folder)
    assert again.core.state_hash() == expected
    again.close()
    # The publisher's way: from the snapshot at or before what Kafka has, through the rest.
    core = Core(max_orders=MAX_ORDERS)
    place = snapshot.newest(folder / snapshot.FOLDER, core, again.journal.identity, most=older + 10)
    assert place is not None
    assert place.seq == older
    reader = Reader(folder, max_orders=MAX_ORDERS, after=place.seq)
    assert sum(frame.size for frame in reader.frames()) > 0
    reader.close()
    with pytest.raises(JournalError, match=r"begins at .*: restore the segments from command 1 on, or a snapshot"):
        next(Reader(folder).frames())


def test_a_disk_that_refuses_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Refusing(Disk):
        def remove(self, path: Path) -> None:
            raise OSError("no")

    monkeypatch.setattr(journal, "SEGMENT_BYTES", 1 << 14)
    folder = tmp_path / "journal"
    with running(folder, most_bytes=1) as sequencer:
        define(sequencer)
        for seed in range(20):
            sequencer.submit(orders(seed, 50))
        assert sequencer.snapshot(wait=True)
        before = segments(folder)
        with pytest.raises(OSError, match="no"):
            prune(folder, folder / snapshot.FOLDER, sequencer.last_seq, 1, Refusing())
        assert segments(folder) == before
        assert len(prune(folder, folder / snapshot.FOLDER, sequencer.last_seq, 1, Disk())) > 0
