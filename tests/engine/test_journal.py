"""The journal: what was appended is read back, a torn tail is cut, a damaged middle stops the start."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from engine import journal
from engine.journal import JournalError, Reader, Writer, runs, segments
from engine.layout import COMMAND
from engine.messages import AdministrativeEntry, DefineAccount


def records(first: int, count: int) -> np.ndarray:
    made = np.zeros(count, COMMAND)
    made["seq"] = np.arange(first, first + count)
    return made


def written(folder: Path, frames: int = 10, each: int = 3) -> int:
    """Fills a journal; returns its last seq."""
    writer = Writer(folder)
    seq = 0
    for _ in range(frames):
        writer.append_records(records(seq + 1, each))
        seq += each
    entry = AdministrativeEntry(ts_ns=7, source="system", actor="me", command=DefineAccount(account="a"))
    writer.append_administrative(seq + 1, entry)
    writer.close()
    return seq + 1


def read_seqs(folder: Path) -> list[int]:
    reader = Reader(folder)
    seqs = [seq for frame in reader.frames() for seq in range(frame.first_seq, frame.last_seq + 1)]
    reader.close()
    return seqs


def test_reads_back_what_was_written(tmp_path: Path) -> None:
    last = written(tmp_path)
    assert read_seqs(tmp_path) == list(range(1, last + 1))


def test_rolls_to_a_new_segment_and_reads_across(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal, "SEGMENT_BYTES", 2000)
    last = written(tmp_path, frames=50)
    assert len(segments(tmp_path)) > 5
    assert read_seqs(tmp_path) == list(range(1, last + 1))


def test_frames_larger_than_one_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal, "READ_BYTES", 100)
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


def test_a_segment_that_could_not_be_begun_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The disk is full at the moment of a roll: what was acknowledged stays, and the next command goes in."""
    monkeypatch.setattr(journal, "SEGMENT_BYTES", 100)
    writer = Writer(tmp_path)
    writer.append_records(records(1, 1))
    with monkeypatch.context() as full:
        full.setattr(Path, "write_bytes", no_space)
        with pytest.raises(OSError, match="No space"):
            writer.append_records(records(2, 1))
    writer.append_records(records(2, 1))
    writer.close()
    Writer(tmp_path).close()
    assert read_seqs(tmp_path) == [1, 2]


def no_space(path: Path, data: bytes) -> int:
    raise OSError(28, "No space left on device")


def test_a_reader_survives_the_cutting_of_a_torn_frame(tmp_path: Path) -> None:
    """The writer dies within a frame that a reader has begun to see; the next one cuts it off and writes another."""
    writer = Writer(tmp_path)
    writer.append_records(records(1, 2))
    writer.close()
    path = segments(tmp_path)[-1]
    whole = path.read_bytes()
    path.write_bytes(whole + whole[journal.SEGMENT_HEAD.itemsize :][:150])
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
        list(Reader(tmp_path, max_orders=2000).frames())


def test_a_damaged_middle_stops_the_start_and_says_where(tmp_path: Path) -> None:
    written(tmp_path)
    path = segments(tmp_path)[-1]
    data = bytearray(path.read_bytes())
    data[journal.SEGMENT_HEAD.itemsize + 100] ^= 1
    path.write_bytes(bytes(data))
    with pytest.raises(JournalError, match=f"damaged at byte {journal.SEGMENT_HEAD.itemsize}.*truncate -s"):
        Writer(tmp_path)


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
