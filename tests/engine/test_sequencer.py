"""Starting again: from the journal, from a snapshot and the rest of it, after a crash at any byte."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from sequences import MAX_ORDERS, cancel_all, define, opened, orders, running

from engine import journal
from engine.core import Core
from engine.journal_reader import Reader, runs
from engine.messages import DefineAccount, Kill
from engine.segments import JournalError, segments
from engine.sequencer import apply_frame
from engine.snapshot import snapshots
from engine.words import Source


def filled(folder: Path, *, batches: int = 20, each: int = 50, at: tuple[int, ...] = ()) -> tuple[str, int]:
    """A journal with snapshots after the batches `at`; its state hash and last seq."""
    with running(folder) as sequencer:
        define(sequencer)
        for k in range(batches):
            sequencer.submit(orders(k, each))
            if k in at:
                assert sequencer.snapshot(wait=True)
        return sequencer.core.state_hash(), sequencer.last_seq


def whole_replay(folder: Path) -> str:
    """The state hash of the journal alone, replayed from its first command."""
    core = Core(max_orders=MAX_ORDERS)
    with closing(Reader(folder)) as reader:
        for frame in runs(reader.frames()):
            apply_frame(core, frame)
    return core.state_hash()


@pytest.mark.parametrize("at", [(), (0,), (7,), (19,), (3, 9), (1, 5, 12)], ids=str)
def test_a_snapshot_and_the_rest_make_the_whole(
    tmp_path: Path, at: tuple[int, ...], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(journal, "SEGMENT_BYTES", 40_000)
    expected, last = filled(tmp_path, at=at)
    assert len(snapshots(tmp_path / "snapshots")) == min(2, len(at))
    caplog.set_level("INFO")
    with running(tmp_path) as again:
        assert (again.core.state_hash(), again.last_seq) == (expected, last)
        replayed = [record.args[0] for record in caplog.records if "replayed" in record.message]  # type: ignore[index]
        assert sum(map(int, replayed)) == last - (3 + 50 * (at[-1] + 1) if at else 0)
        again.submit(orders(99, 50))
        expected = again.core.state_hash()
    assert whole_replay(tmp_path) == expected


def test_restarted_in_the_middle_again_and_again(tmp_path: Path) -> None:
    last = filled(tmp_path / "once")[1]
    for k in range(20):
        with running(tmp_path / "often") as sequencer:
            if k == 0:
                define(sequencer)
            sequencer.submit(orders(k, 50))
            if k % 3 == 1:
                sequencer.snapshot(wait=k % 2 == 0)
    with running(tmp_path / "often") as sequencer:
        assert sequencer.last_seq == last
        bids, asks = sequencer.core.depth(1, 20)
    with running(tmp_path / "once") as sequencer:
        assert all(
            np.array_equal(mine, theirs) for mine, theirs in zip(sequencer.core.depth(1, 20), (bids, asks), strict=True)
        )


def test_offsets_and_time_go_on(tmp_path: Path) -> None:
    batch = orders(1, 10)
    batch["source_partition"], batch["source_offset"] = np.arange(10) % 3, 100 + np.arange(10)
    with running(tmp_path) as sequencer:
        define(sequencer)
        sequencer.submit(batch)
        sequencer.administer(DefineAccount(account="eve"), Source.KAFKA, "", source_partition=7, source_offset=40)
        offsets = dict(sequencer.next_offsets)
        assert offsets == {0: 110, 1: 108, 2: 109, 7: 41}
        sequencer.snapshot(wait=True)
        stamped = sequencer._ts_ns
    with running(tmp_path) as again:
        assert again.next_offsets == offsets
        again._clock = lambda: 5
        again.submit(cancel_all())
        assert again._ts_ns == stamped, "a clock that was set back does not turn the journal's time back"


def test_a_crash_at_any_byte_after_a_snapshot(tmp_path: Path) -> None:
    """The journal is cut at every byte behind the snapshot: the state is that of the whole commands before the cut."""
    hashes = {}
    with running(tmp_path / "whole") as sequencer:
        define(sequencer)
        sequencer.submit(orders(1, 100))
        sequencer.snapshot(wait=True)
        hashes[sequencer.last_seq] = sequencer.core.state_hash()
        start = segments(tmp_path / "whole")[0].stat().st_size
        for k in range(3):
            sequencer.submit(orders(2 + k, 1))
            hashes[sequencer.last_seq] = sequencer.core.state_hash()
    path = segments(tmp_path / "whole")[0]
    whole = path.read_bytes()
    for size in range(start, len(whole) + 1, 9):
        shutil.copytree(tmp_path / "whole", tmp_path / "cut")
        (tmp_path / "cut" / path.name).write_bytes(whole[:size])
        with running(tmp_path / "cut") as again:
            assert again.core.state_hash() == hashes[again.last_seq]
            assert again.last_seq == 103 + (size - start) // ((len(whole) - start) // 3)
        shutil.rmtree(tmp_path / "cut")


def test_a_snapshot_ahead_of_the_journal_stops_the_start(tmp_path: Path) -> None:
    filled(tmp_path, batches=4, at=(1, 3))
    path = segments(tmp_path)[0]
    path.write_bytes(path.read_bytes()[:-60])
    with pytest.raises(JournalError, match=r"203.snapshot is ahead of the journal, which ends at command 153: .*move"):
        opened(tmp_path)
    snapshots(tmp_path / "snapshots")[0].unlink()
    with running(tmp_path) as again:
        assert again.last_seq == 153
        assert again.core.state_hash() == whole_replay(tmp_path)


def test_a_snapshot_of_another_journal_stops_the_start(tmp_path: Path) -> None:
    filled(tmp_path / "one", batches=2, at=(1,))
    filled(tmp_path / "two", batches=2)
    shutil.copytree(tmp_path / "one" / "snapshots", tmp_path / "two" / "snapshots")
    with pytest.raises(JournalError, match="belongs to another journal than the one beside it: restore"):
        opened(tmp_path / "two")
    opened(tmp_path / "one").close()


def test_damaged_snapshots_are_passed_over(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    expected, _ = filled(tmp_path, batches=6, at=(1, 3))
    newer, older = snapshots(tmp_path / "snapshots")
    for path, then in ((newer, older.name), (older, None)):
        data = bytearray(path.read_bytes())
        data[-100] ^= 1
        path.write_bytes(bytes(data))
        caplog.clear()
        caplog.set_level("INFO")
        with running(tmp_path) as again:
            assert again.core.state_hash() == expected
        text = caplog.text
        assert f"{path} is passed over: its CRC32C is wrong" in text
        assert (f"from {tmp_path / 'snapshots' / then}" in text) if then else "replayed 303 commands" in text


def test_segments_before_the_snapshot_are_not_needed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal, "SEGMENT_BYTES", 20_000)
    expected, _ = filled(tmp_path, at=(15,))
    files = segments(tmp_path)
    for path in files[:5]:
        path.unlink()
    with running(tmp_path) as again:
        assert again.core.state_hash() == expected
    shutil.rmtree(tmp_path / "snapshots")
    with pytest.raises(JournalError, match=r"restore the segments from command 1 on, or a snapshot"):
        opened(tmp_path)
    shutil.rmtree(tmp_path)
    opened(tmp_path).close()


def test_a_second_engine_cannot_start(tmp_path: Path) -> None:
    with running(tmp_path) as sequencer:
        define(sequencer)
        with pytest.raises(JournalError, match="another engine writes the journal"):
            opened(tmp_path)
        assert sequencer.last_seq == 3


def test_a_child_writes_the_state_of_its_moment(tmp_path: Path) -> None:
    """Commands that come while it writes are not in it; a second one is not begun meanwhile."""
    with running(tmp_path) as sequencer:
        define(sequencer)
        sequencer.submit(orders(1, 100))
        assert sequencer.snapshot()
        begun = sequencer.snapshot()
        sequencer.submit(orders(2, 100))
        expected = sequencer.core.state_hash()
    assert not begun
    assert [path.name for path in snapshots(tmp_path / "snapshots")] == ["00000000000000000103.snapshot"]
    with running(tmp_path) as again:
        assert again.core.state_hash() == expected


KILLED = """
import os, signal, sys, time
from pathlib import Path
from engine import snapshot
from sequences import define, opened, orders
sequencer = opened(Path(sys.argv[1]))
define(sequencer)
sequencer.submit(orders(1, 100))
snapshot.write = lambda *arguments: time.sleep(60)
sequencer.snapshot()
print("begun", flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_killed_engine_leaves_no_child_that_holds_its_journal(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(tmp_path)],
        env={**os.environ, "PYTHONPATH": f"{Path(__file__).parent}:{Path(__file__).parents[2]}"},
        stdout=subprocess.PIPE,
        check=False,
        timeout=60,
    )
    assert (done.returncode, done.stdout) == (-signal.SIGKILL, b"begun\n")
    with running(tmp_path) as again:
        assert again.last_seq == 103


def test_what_is_not_published_yet(tmp_path: Path) -> None:
    with running(tmp_path) as sequencer:
        assert sequencer.unpublished_bytes == 0
        define(sequencer)
        for k in range(200):
            sequencer.submit(orders(k, 100))
        size = sequencer.journal.bytes
        assert sequencer.unpublished_bytes == size
        sequencer._progress.committed = sequencer.last_seq // 2
        assert size // 2 <= sequencer.unpublished_bytes <= size // 2 + (2 << 20)
        middle = sequencer.unpublished_bytes
    with running(tmp_path) as again:
        assert again.committed == again.last_seq // 2
        assert again.unpublished_bytes >= middle
        again._progress.committed = again.last_seq
        assert again.unpublished_bytes == 0
        again.administer(Kill(account="ann"), Source.SYSTEM, "test")
        assert again.unpublished_bytes > 0
    shutil.rmtree(tmp_path)
    with running(tmp_path) as fresh:
        assert fresh.committed == 0


def test_what_the_machine_took_from_the_journal_is_not_committed(tmp_path: Path) -> None:
    """Its numbers are given again, to commands that Kafka has not got."""
    with running(tmp_path) as sequencer:
        define(sequencer)
        sequencer._progress.committed = sequencer.last_seq + 10
    with running(tmp_path) as again:
        assert again.committed == again.last_seq
