"""The journal: what was appended is read back, a torn tail is cut, a damaged middle stops the start."""

from __future__ import annotations

import errno
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from engine import journal, journal_reader
from engine.disk import Disk
from engine.journal import DiskFailed, Writer
from engine.journal_reader import Reader, runs
from engine.layout import COMMAND
from engine.messages import AdministrativeEntry, DefineAccount
from engine.segments import HEAD_BYTES, Frame, JournalError, segment_path, segments


def records(first: int, count: int) -> np.ndarray:
    made = np.zeros(count, COMMAND)
    made["seq"] = np.arange(first, first + count)
    return made


def written(folder: Path, frames: int = 10, each: int = 3) -> int:
    """Fills a journal; returns its last seq."""
    writer = Writer(folder, reserve=0)
    seq = 0
    for _ in range(frames):
        writer.append_records(records(seq + 1, each))
        seq += each
    entry = AdministrativeEntry(ts_ns=7, source="system", actor="me", command=DefineAccount(account="a"))
    writer.append_administrative(seq + 1, entry)
    writer.close()
    return seq + 1


def read(folder: Path, **more: int) -> list[Frame]:
    with closing(Reader(folder, **more)) as reader:
        return list(reader.frames())


def read_seqs(folder: Path, **more: int) -> list[int]:
    return [seq for frame in read(folder, **more) for seq in range(frame.first_seq, frame.last_seq + 1)]


def test_reads_back_what_was_written(tmp_path: Path) -> None:
    last = written(tmp_path)
    assert read_seqs(tmp_path) == list(range(1, last + 1))


def test_rolls_to_a_new_segment_and_reads_across(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal, "SEGMENT_BYTES", 2000)
    last = written(tmp_path, frames=50)
    assert len(segments(tmp_path)) > 5
    assert read_seqs(tmp_path) == list(range(1, last + 1))


def test_frames_larger_than_one_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal_reader, "READ_BYTES", 100)
    last = written(tmp_path, each=20)
    assert read_seqs(tmp_path) == list(range(1, last + 1))


def test_a_reader_follows_the_writer(tmp_path: Path) -> None:
    reader = Reader(tmp_path)
    assert list(reader.frames()) == []
    writer = Writer(tmp_path)
    for seq in range(1, 6):
        writer.append_records(records(seq, 1))
        assert [frame.first_seq for frame in reader.frames()] == [seq]
    writer.close()
    reader.close()


@pytest.mark.parametrize("lost", [1, 10, 200, 400])
def test_a_torn_tail_is_cut_and_writing_goes_on(tmp_path: Path, lost: int) -> None:
    last = written(tmp_path)
    path = segments(tmp_path)[-1]
    path.write_bytes(path.read_bytes()[:-lost])
    writer = Writer(tmp_path)
    kept = read_seqs(tmp_path)
    assert writer.cut_bytes > 0
    assert kept == list(range(1, len(kept) + 1))
    assert len(kept) < last
    writer.append_records(records(len(kept) + 1, 2))
    writer.close()
    assert read_seqs(tmp_path) == list(range(1, len(kept) + 3))


def test_what_is_no_journal_is_not_touched(tmp_path: Path) -> None:
    path = tmp_path / "00000000000000000001.journal"
    path.write_bytes(b"something else")
    with pytest.raises(JournalError, match="is no journal"):
        Writer(tmp_path)
    assert path.read_bytes() == b"something else"


class NoNewFiles(Disk):
    """A disk that is full at the moment of a roll."""

    full = False

    def open(self, path: Path) -> int:
        if self.full:
            raise OSError(errno.ENOSPC, "No space left on device")
        return super().open(path)


def test_a_segment_that_could_not_be_begun_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was acknowledged stays, urgent commands go to the old segment, and the next command goes in."""
    monkeypatch.setattr(journal, "SEGMENT_BYTES", 100)
    disk = NoNewFiles()
    writer = Writer(tmp_path, disk=disk)
    writer.append_records(records(1, 1))
    disk.full = True
    with pytest.raises(OSError, match="No space"):
        writer.append_records(records(2, 1))
    writer.append_records(records(2, 1), urgent=True)
    disk.full = False
    writer.append_records(records(3, 1))
    writer.close()
    Writer(tmp_path).close()
    assert [path.name for path in segments(tmp_path)] == [segment_path(tmp_path, k).name for k in (1, 3)]
    assert read_seqs(tmp_path) == [1, 2, 3]


def test_a_reader_survives_the_cutting_of_a_torn_frame(tmp_path: Path) -> None:
    """The writer dies within a frame that a reader has begun to see; the next one cuts it off and writes another."""
    writer = Writer(tmp_path)
    writer.append_records(records(1, 2))
    writer.close()
    path = segments(tmp_path)[-1]
    whole = path.read_bytes()
    path.write_bytes(whole + whole[HEAD_BYTES:][:150])
    reader = Reader(tmp_path)
    assert [frame.last_seq for frame in reader.frames()] == [2]
    writer = Writer(tmp_path)
    for seq in range(3, 40):
        writer.append_records(records(seq, 1))
    writer.close()
    assert [frame.first_seq for frame in reader.frames()] == list(range(3, 40))
    reader.close()


def test_the_room_for_orders_is_part_of_the_journal(tmp_path: Path) -> None:
    writer = Writer(tmp_path, max_orders=1000)
    writer.append_records(records(1, 1))
    writer.close()
    with pytest.raises(JournalError, match="HFT_MAX_ORDERS=1000"):
        Writer(tmp_path, max_orders=2000)
    with pytest.raises(JournalError, match="HFT_MAX_ORDERS=1000"):
        read(tmp_path, max_orders=2000)


def test_a_damaged_middle_stops_the_start_and_says_where(tmp_path: Path) -> None:
    written(tmp_path)
    path = segments(tmp_path)[-1]
    data = bytearray(path.read_bytes())
    data[HEAD_BYTES + 100] ^= 1
    path.write_bytes(bytes(data))
    with pytest.raises(JournalError, match=f"damaged at byte {HEAD_BYTES}.*truncate -s"):
        Writer(tmp_path)


def test_damage_in_an_older_segment_stops_the_reading_and_says_where(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal, "SEGMENT_BYTES", 2000)
    written(tmp_path, frames=50)
    path = segments(tmp_path)[2]
    data = bytearray(path.read_bytes())
    data[HEAD_BYTES + 100] ^= 1
    path.write_bytes(bytes(data))
    Writer(tmp_path).close()
    with pytest.raises(JournalError, match=rf"{path} is damaged at byte {HEAD_BYTES}, .*truncate -s {HEAD_BYTES}"):
        read_seqs(tmp_path)
    path.write_bytes(bytes(data)[:HEAD_BYTES])
    with pytest.raises(JournalError, match="the segment between is missing"):
        read_seqs(tmp_path)


def test_a_missing_segment_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal, "SEGMENT_BYTES", 2000)
    last = written(tmp_path, frames=50)
    files = segments(tmp_path)
    files[2].rename(tmp_path / "away")
    with pytest.raises(JournalError, match="the segment between is missing"):
        read_seqs(tmp_path)
    files[0].unlink()
    with pytest.raises(JournalError, match=f"begins at {files[1].name}: restore the segments from command 1 on"):
        read_seqs(tmp_path)
    begin = int(files[3].stem)
    assert read_seqs(tmp_path, after=begin - 1) == list(range(begin, last + 1))


def test_a_head_of_another_version_journal_or_name(tmp_path: Path) -> None:
    for folder in (tmp_path / "one", tmp_path / "two"):
        written(folder)
    path = segments(tmp_path / "one")[0]
    whole = path.read_bytes()
    path.write_bytes(whole[:8] + b"\1\0\0\0" + whole[12:40])
    with pytest.raises(JournalError, match="is a journal of version 1, this program reads 2: go on with the program"):
        Writer(tmp_path / "one")
    path.write_bytes(whole[:20] + b"\7" + whole[21:])
    with pytest.raises(JournalError, match=r"is damaged at byte 0 \(its head\)"):
        Writer(tmp_path / "one")
    path.write_bytes(whole)
    path.rename(segment_path(tmp_path / "one", 5))
    with pytest.raises(JournalError, match="begins with command 1: give it the name"):
        Writer(tmp_path / "one")
    segment_path(tmp_path / "one", 5).rename(path)
    writer = Writer(tmp_path / "two", epoch=2)
    writer.close()
    segments(tmp_path / "two")[1].rename(tmp_path / "one" / segments(tmp_path / "two")[1].name)
    with pytest.raises(JournalError, match="belongs to another journal than the segment before it"):
        Writer(tmp_path / "one")


def test_who_takes_over_writes_with_a_higher_epoch(tmp_path: Path) -> None:
    written(tmp_path, frames=2)
    with pytest.raises(JournalError, match=r"epoch 1 .*: epoch 0 may not write to it"):
        Writer(tmp_path, epoch=0)
    writer = Writer(tmp_path, epoch=4)
    assert (writer.epoch, writer.last_seq) == (4, 7)
    writer.append_records(records(8, 2))
    writer.append_records(records(10, 1))
    writer.close()
    writer = Writer(tmp_path)
    assert (writer.epoch, writer.last_seq) == (4, 10)
    writer.close()
    joined = [(frame.first_seq, frame.size, frame.epoch) for frame in runs(iter(read(tmp_path)))]
    assert joined == [(1, 6, 1), (7, 1, 1), (8, 3, 4)]
    with pytest.raises(JournalError, match=r"an engine with epoch 4 has taken .*: epoch 3 may not write"):
        Writer(tmp_path, epoch=3)
    with pytest.raises(JournalError, match="is of shard 0, not of 2"):
        Writer(tmp_path, shard=2)


@pytest.mark.parametrize("after", [0, 1, 2, 3, 16, 30, 31])
def test_reading_begins_after_any_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, after: int) -> None:
    monkeypatch.setattr(journal, "SEGMENT_BYTES", 3000)
    last = written(tmp_path)
    frames = read(tmp_path, after=after)
    seqs = [seq for frame in frames for seq in range(frame.first_seq, frame.last_seq + 1)]
    assert seqs == list(range(after + 1, last + 1))
    held = [seq for frame in frames if frame.records is not None for seq in frame.records["seq"].tolist()]
    assert held == [seq for seq in seqs if seq < last]


def test_a_crash_at_any_byte(tmp_path: Path) -> None:
    """Whatever part of the last write is there: all frames before it stay, and the next command follows them."""
    written(tmp_path / "whole", frames=3, each=2)
    whole = segments(tmp_path / "whole")[0].read_bytes()
    ends = [HEAD_BYTES + k * (24 + 2 * COMMAND.itemsize) for k in range(4)] + [len(whole)]
    lasts = [0, 2, 4, 6, 7]
    folder = tmp_path / "cut"
    folder.mkdir()
    for size in range(HEAD_BYTES, len(whole) + 1):
        segment_path(folder, 1).write_bytes(whole[:size])
        last, end = max((last, end) for last, end in zip(lasts, ends, strict=True) if end <= size)
        writer = Writer(folder, reserve=0)
        assert (writer.last_seq, writer.cut_bytes) == (last, size - end)
        writer.append_records(records(last + 1, 1))
        writer.close()
        assert read_seqs(folder) == list(range(1, last + 2))


class Torn(Disk):
    """A disk that takes only `room` bytes more."""

    room = 1 << 30
    cuts = True

    def write(self, descriptor: int, data: bytes | memoryview) -> int:
        taken = super().write(descriptor, memoryview(data)[: self.room])
        self.room -= taken
        return taken

    def truncate(self, descriptor: int, size: int) -> None:
        if not self.cuts:
            raise OSError(errno.EIO, "input/output error")
        super().truncate(descriptor, size)


def test_a_frame_that_was_taken_in_part_is_taken_back(tmp_path: Path) -> None:
    disk = Torn()
    writer = Writer(tmp_path, disk=disk)
    writer.append_records(records(1, 1))
    disk.room = 100
    with pytest.raises(OSError, match="only a part"):
        writer.append_records(records(2, 1))
    disk.room = 1 << 30
    writer.append_records(records(2, 1))
    disk.room, disk.cuts = 100, False
    with pytest.raises(OSError, match="input/output"):
        writer.append_records(records(3, 1))
    disk.room, disk.cuts = 1 << 30, True
    with pytest.raises(OSError, match="restart the engine"):
        writer.append_records(records(3, 1))
    writer.close()
    writer = Writer(tmp_path)
    assert (writer.last_seq, writer.cut_bytes) == (2, 100)
    writer.close()


class FailingSync(Disk):
    failing = False

    def sync(self, descriptor: int) -> None:
        if self.failing:
            raise OSError(errno.EIO, "input/output error")
        super().sync(descriptor)


def test_a_segment_that_cannot_be_brought_to_the_disk_ends_the_engine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No OSError, which the batch would answer with `busy` for ever."""
    monkeypatch.setattr(journal, "SEGMENT_BYTES", 100)
    disk = FailingSync()
    writer = Writer(tmp_path, disk=disk)
    writer.append_records(records(1, 1))
    disk.failing = True
    with pytest.raises(DiskFailed, match="input/output"):
        writer.append_records(records(2, 1))
    with pytest.raises(OSError, match="input/output"):
        writer.close()
    assert [path.name for path in segments(tmp_path)] == [f"{1:020d}.journal"]


def test_a_failed_sync_is_never_made_good_by_another(tmp_path: Path) -> None:
    """The system may have dropped what it could not write: a later success says nothing of it."""
    disk = FailingSync()
    writer = Writer(tmp_path, disk=disk)
    writer.append_records(records(1, 1))
    writer.sync()
    disk.failing = True
    with pytest.raises(OSError, match="input/output"):
        writer.sync()
    disk.failing = False
    with pytest.raises(OSError, match="input/output"):
        writer.sync()
    with pytest.raises(OSError, match="input/output"):
        writer.close()
    Writer(tmp_path).close()


class Recorded(Disk):
    """What a machine crash could not take any more."""

    def __init__(self) -> None:
        self.synced: set[str] = set()

    def sync(self, descriptor: int) -> None:
        self.synced.add(Path(f"/proc/self/fd/{descriptor}").resolve().name)
        super().sync(descriptor)

    def sync_folder(self, path: Path) -> None:
        self.synced.add(path.name)
        super().sync_folder(path)


def test_a_sync_speaks_for_what_a_dead_writer_had_left_unsynced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal, "SEGMENT_BYTES", 2000)
    written(tmp_path, frames=20)
    disk = Recorded()
    Writer(tmp_path, disk=disk).close()
    assert disk.synced == {tmp_path.name, *(path.name for path in segments(tmp_path)[-3:])}


def test_one_writer_at_a_time(tmp_path: Path) -> None:
    writer = Writer(tmp_path)
    with pytest.raises(JournalError, match="another engine"):
        Writer(tmp_path)
    writer.close()
    Writer(tmp_path).close()


def test_runs_join_neighbours_up_to_a_size(tmp_path: Path) -> None:
    written(tmp_path, frames=10, each=3)
    reader = Reader(tmp_path)
    assert [frame.size for frame in runs(reader.frames(), most=12)] == [12, 12, 6, 1]
    reader.close()
