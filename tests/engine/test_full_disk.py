"""A full disk: new orders are refused, cancels still get in, and nothing of what was answered is lost.

On a real full file system (a small tmpfs, which root may mount), and on a disk that says it is full."""

from __future__ import annotations

import errno
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import pytest
from sequences import cancel_all, define, opened, orders, running

from engine import journal
from engine.disk import Disk
from engine.layout import COMMAND
from engine.messages import DefineAccount, Kill
from engine.segments import segments
from engine.sequencer import Sequencer
from engine.snapshot import snapshots
from engine.words import Source


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 24 MiB."""
    if os.geteuid() != 0:
        pytest.skip("a full disk of our own takes a mount, and a mount takes root")
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", tmp_path], capture_output=True, text=True, check=False
    )
    if mounted.returncode != 0:
        pytest.skip(f"no tmpfs can be mounted here: {mounted.stderr.strip()}")
    try:
        yield tmp_path
    finally:
        subprocess.run(["umount", tmp_path], check=True)


def fill(folder: Path) -> None:
    """Another program takes what is left, to the last byte."""
    with open(folder / "filler", "ab", buffering=0) as file:
        for size in (1 << 20, 1 << 12, 1):
            with pytest.raises(OSError, match="No space left on device"):
                append_for_ever(file, bytes(size))


def append_for_ever(file: BinaryIO, data: bytes) -> None:
    while True:
        file.write(data)


def order_until_full(sequencer: Sequencer, seed: int) -> int:
    """Submits batches of 1,000 until one is not taken; how many were."""
    for k in range(1000):
        try:
            sequencer.submit(orders(seed + k, 1000))
        except OSError:
            return k
    raise AssertionError("the disk was never full")


def test_cancels_get_in_where_orders_do_not(small_disk: Path) -> None:
    folder = small_disk / "journal"
    with running(folder) as sequencer:
        define(sequencer)
        sequencer.submit(orders(1, 100))
        fill(small_disk)
        order_until_full(sequencer, 1000)
        before, state = sequencer.last_seq, sequencer.core.state_hash()
        with pytest.raises(OSError, match="No space left on device"):
            sequencer.administer(DefineAccount(account="eve"), Source.SYSTEM, "x" * 1_000_000)
        assert (sequencer.last_seq, sequencer.core.state_hash()) == (before, state)
        fill(small_disk)
        for k in range(2000):
            sequencer.submit(cancel_all(1 + k % 2))
        sequencer.administer(Kill(account="ann"), Source.SYSTEM, "test")
        assert not sequencer.snapshot(wait=True)
        sequencer.sync()
        expected, last = sequencer.core.state_hash(), sequencer.last_seq
        assert last == before + 2001
    assert snapshots(folder / "snapshots") == []
    with running(folder) as again:
        assert (again.core.state_hash(), again.last_seq) == (expected, last)
        again.submit(cancel_all())
        order_until_full(again, 3000)
        (small_disk / "filler").unlink()
        again.submit(orders(3, 1000))
        assert again.snapshot(wait=True)


class FullDisk(Disk):
    """Gives `room` bytes of blocks to whoever reserves them."""

    def __init__(self, room: int) -> None:
        self.room = room
        self.end = 0

    def reserve(self, descriptor: int, start: int, length: int) -> bool:
        wanted = max(0, start + length - self.end)
        if wanted > self.room:
            raise OSError(errno.ENOSPC, "No space left on device")
        self.room -= wanted
        self.end += wanted
        return super().reserve(descriptor, start, length)


def test_the_reserve_is_for_cancels_alone(tmp_path: Path) -> None:
    disk = FullDisk(journal.RESERVE_BYTES + (1 << 20))
    with running(tmp_path, disk=disk) as sequencer:
        define(sequencer)
        assert order_until_full(sequencer, 1000) == (1 << 20) // (1000 * COMMAND.itemsize)
        orders_end = segments(tmp_path)[0].stat().st_size
        for _ in range(1000):
            sequencer.submit(cancel_all())
        assert segments(tmp_path)[0].stat().st_size > orders_end + 1000 * cancel_all().nbytes
        with pytest.raises(OSError, match="No space"):
            sequencer.submit(orders(1001, 1))
        assert disk.room < 1 << 20


class NoReserve(Disk):
    def reserve(self, descriptor: int, start: int, length: int) -> bool:
        return False


def test_a_file_system_that_reserves_nothing_is_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with running(tmp_path, disk=NoReserve()) as sequencer:
        define(sequencer)
        sequencer.submit(orders(1, 10))
    assert [r.message for r in caplog.records] == [
        f"{tmp_path} cannot reserve room: on a full disk cancels fail as new orders do"
    ]
    opened(tmp_path).close()
