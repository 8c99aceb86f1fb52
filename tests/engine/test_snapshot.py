"""A snapshot holds the whole state, bit by bit and without its empty pages, or is not taken for one."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np
import pytest
from sequences import AAPL, MAX_ORDERS, define, orders, running

from engine import snapshot
from engine.core import Core
from engine.disk import Disk
from engine.snapshot import Place, SnapshotError
from engine.words import Source

PLACE = Place(shard=0, epoch=1, identity=7, seq=0, ts_ns=5, next_offsets={3: 14})


def traded(folder: Path, instruments: int = 1) -> tuple[Core, Place]:
    """A core in which something happened, and where it stands."""
    with running(folder) as sequencer:
        define(sequencer)
        for number in range(1, instruments):
            listing = msgspec.structs.replace(AAPL, symbol=f"S{number}", lot_size=Decimal("0.10"))
            sequencer.administer(listing, Source.SYSTEM, "test")
        sequencer.submit(orders(1, 400))
        return sequencer.core, PLACE._replace(seq=sequencer.last_seq)


def written(folder: Path, core: Core, place: Place) -> Path:
    core.last_seq = place.seq
    return snapshot.publish(snapshot.write(folder, core, place, Disk()), Disk())


@pytest.mark.parametrize("instruments", [1, 70], ids=["as allocated", "more instruments than there was room for"])
def test_the_same_bits_come_back(tmp_path: Path, instruments: int) -> None:
    core, place = traded(tmp_path, instruments)
    path = written(tmp_path / "s", core, place)
    again = Core(max_orders=MAX_ORDERS)
    assert snapshot.load(path, again) == place
    assert again.state_hash() == core.state_hash()
    for (name, mine), (_, theirs) in zip(snapshot._walk(core.engine), snapshot._walk(again.engine), strict=True):
        assert mine.dtype == theirs.dtype, name
        assert mine.tobytes() == theirs.tobytes(), name
    assert [repr(entry[:2]) for entry in again.instruments] == [repr(entry[:2]) for entry in core.instruments]
    assert [entry.account for entry in again.accounts] == ["ann", "bob"]
    # They also go on alike: memory that is seen in two ways is still one memory.
    batch = orders(2, 300)
    batch["seq"] = np.arange(core.last_seq + 1, core.last_seq + 301)
    batch["ts_ns"] = 10**18
    assert core.apply(batch.copy()).reports.tobytes() == again.apply(batch.copy()).reports.tobytes()
    assert again.state_hash() == core.state_hash()


def test_empty_pages_are_not_stored(tmp_path: Path) -> None:
    core, place = traded(tmp_path)
    size = sum(array.nbytes for _, array in snapshot._walk(core.engine))
    assert written(tmp_path / "s", core, place).stat().st_size < size / 50


def test_the_last_two_are_kept_and_rubbish_is_swept(tmp_path: Path) -> None:
    core, place = traded(tmp_path / "journal")
    folder = tmp_path / "s"
    folder.mkdir()
    (folder / "00000000000000000001.new").write_bytes(b"left by a crash")
    for seq in (10, 20, 30):
        written(folder, core, place._replace(seq=seq))
    assert sorted(path.name for path in folder.iterdir()) == [f"{seq:020d}.snapshot" for seq in (20, 30)]


def test_cut_anywhere_or_changed_anywhere_it_is_no_snapshot(tmp_path: Path) -> None:
    core, place = traded(tmp_path)
    path = written(tmp_path / "s", core, place)
    whole = path.read_bytes()
    random = np.random.default_rng(1)
    places = [*range(64), *random.integers(64, len(whole), 60).tolist(), len(whole) - 1]
    fresh = Core(max_orders=MAX_ORDERS)
    before = fresh.state_hash()
    for at in places:
        for data in (whole[:at], whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :], whole + whole[:at] + b"x"):
            path.write_bytes(data)
            with pytest.raises(SnapshotError):
                snapshot.load(path, fresh)
    assert fresh.state_hash() == before
    path.write_bytes(whole)
    snapshot.load(path, fresh)


def test_a_snapshot_of_another_size_of_core_is_none(tmp_path: Path) -> None:
    core, place = traded(tmp_path)
    path = written(tmp_path / "s", core, place)
    with pytest.raises(SnapshotError, match=f"with room for {MAX_ORDERS} orders"):
        snapshot.load(path, Core(max_orders=MAX_ORDERS + 1))


class Small(NamedTuple):
    """A state of two arrays."""

    one: Any
    two: Any


@pytest.mark.parametrize(
    "engine",
    [
        Small(np.zeros((4, 4))[:, :2], np.zeros(1)),
        (lambda base: Small(base, base[:4]))(np.zeros(8)),
        (lambda base: Small(base, base[4:]))(np.zeros(8)),
    ],
    ids=["not contiguous", "the first half of the other", "the second half of the other"],
)
def test_a_state_that_could_not_be_brought_back_is_not_written(engine: Small) -> None:
    with pytest.raises(TypeError, match=r"is not contiguous|share memory in part"):
        snapshot._arrays(engine)


class Crash(Exception):
    """The machine stops."""


class CrashingDisk(Disk):
    """Stops before the operation number `at`, or within it where it is a write."""

    def __init__(self, at: int) -> None:
        self.left = at

    def _step(self) -> None:
        self.left -= 1
        if self.left < 0:
            raise Crash

    def write(self, descriptor: int, data: bytes | memoryview) -> int:
        if self.left == 0:
            super().write(descriptor, memoryview(data)[: len(data) // 2])
        self._step()
        return super().write(descriptor, data)

    def sync(self, descriptor: int) -> None:
        self._step()
        super().sync(descriptor)

    def rename(self, path: Path, new: Path) -> None:
        self._step()
        super().rename(path, new)

    def remove(self, path: Path) -> None:
        self._step()
        super().remove(path)

    def sync_folder(self, path: Path) -> None:
        self._step()
        super().sync_folder(path)


def test_a_crash_at_any_step_leaves_the_older_or_the_newer(tmp_path: Path) -> None:
    core, place = traded(tmp_path / "journal")
    seen = []
    for at in range(100):
        folder = tmp_path / str(at)
        for seq in (1, 2):
            written(folder, core, place._replace(seq=seq))
        disk = CrashingDisk(at)
        core.last_seq = place.seq
        try:
            snapshot.publish(snapshot.write(folder, core, place, disk), disk)
            done = True
        except Crash:
            done = False
        again = Core(max_orders=MAX_ORDERS)
        found = snapshot.newest(folder, again, place.identity)
        assert found is not None
        assert again.engine.clients.records.tobytes() == core.engine.clients.records.tobytes()
        seen.append(found.seq)
        if done:
            break
    assert seen == sorted(seen)
    assert set(seen) == {2, place.seq}
