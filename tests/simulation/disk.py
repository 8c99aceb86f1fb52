"""A disk that crashes, tears, fills up and forgets.

The files are real ones, in a folder that is thrown away: what reads them needs no seam. Beside them stands what would
be left of each after the machine has crashed: its bytes at the last sync, the names at the last sync of the folder.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Final

from engine.disk import Disk
from tests.simulation.faults import Crash, Faults, MachineCrash

LONGEST_LIFE: Final = 160
"""Changes to the disk between a start and the crash that is set for it."""
MACHINE: Final = 0.25
"""Of the crashes, those of the whole machine."""
NOT_MODELLED: Final = ("lock", "progress")


class File:
    """An inode: what of it is on the disk for sure, and the blocks it has."""

    def __init__(self) -> None:
        self.durable = b""
        self.blocks = 0
        """Bytes that can be written without asking for more room."""
        self.removed: bytes | None = None
        """Its last contents, once it has no name."""


class FaultyDisk(Disk):
    """One machine's disk, over all the processes that live on it."""

    def __init__(self, faults: Faults) -> None:
        self.faults = faults
        self.dead = False
        self._end: type[Crash] = Crash
        self.room: int | None = None
        """Bytes of free blocks; None: plenty."""
        self.disturbed = False
        """Whether a write has failed since the flag was put down: then a cancel may be refused, too."""
        self._left = 0
        self._files: dict[Path, File] = {}
        self._open: dict[int, tuple[Path, File]] = {}
        self._locks: set[int] = set()
        self._durable_names: dict[Path, File] = {}
        self._changes: list[tuple[Path, Callable[[dict[Path, File]], object]]] = []
        """Of the names in a folder, since the folder was last brought to the disk."""

    # -------------------------------------------------------------------------------------------------- crashes

    def live(self) -> None:
        """A process begins; how long it lives is drawn."""
        self.dead = False
        self._left = self.faults.chance.randint(1, LONGEST_LIFE)

    def _crash(self, kind: str) -> None:
        self.dead = True
        self.faults.note(kind)
        self._end = MachineCrash if self.faults.chance.random() < MACHINE else Crash
        raise self._end

    def _comes(self) -> bool:
        """Whether the crash that was set comes at this change."""
        if self.dead:
            raise self._end
        if not self.faults.on:
            return False
        self._left -= 1
        return self._left <= 0

    def _around(self, kind: str, change: Callable[[], None]) -> None:
        if not self._comes():
            change()
            return
        if self.faults.chance.random() < 0.5:
            change()
        self._crash(kind)

    def end_process(self) -> None:
        """What the system does when a process ends: descriptors are closed, locks fall."""
        self.dead, self._end = True, Crash
        for descriptor in (*self._open, *self._locks):
            os.close(descriptor)
        self._open.clear()
        self._locks.clear()

    def end_machine(self, folders: list[Path]) -> None:
        """Power off and on again: names and bytes go back to what was synced, and any part of what came after."""
        chance = self.faults.chance
        contents = {id(file): self._contents(path, file) for path, file in self._files.items()}
        names = dict(self._durable_names)
        kept = chance.choice((0, len(self._changes), chance.randint(0, len(self._changes))))
        for _, change in self._changes[:kept]:
            change(names)
        if names != self._files:
            self.faults.note("unsynced names lost")
        survivors = {}
        for path, file in names.items():
            now = contents.get(id(file), file.removed or b"")
            then = self._survives(file.durable, now)
            if len(then) < len(now):
                self.faults.note("unsynced bytes lost")
            survivors[path] = then
        for folder in folders:
            for path in folder.iterdir() if folder.is_dir() else ():
                if path.is_file() and path.name not in NOT_MODELLED:
                    path.unlink()
        had = sum(file.blocks for file in self._files.values())
        self._files, self._changes = {}, []
        for path, data in survivors.items():
            path.write_bytes(data)
            self._files[path] = file = File()
            file.durable, file.blocks = data, len(data)
        self._durable_names = dict(self._files)
        if self.room is not None:  # what was only reserved is free
            self.room += max(0, had - sum(len(data) for data in survivors.values()))

    def _survives(self, durable: bytes, now: bytes) -> bytes:
        chance = self.faults.chance
        if not now.startswith(durable):  # it was cut since
            return chance.choice((durable, now))
        return now[: chance.choice((len(durable), len(now), chance.randint(len(durable), len(now))))]

    def _contents(self, path: Path, file: File) -> bytes:
        return path.read_bytes() if file.removed is None else file.removed

    # ---------------------------------------------------------------------------------------------------- blocks

    def fill(self) -> None:
        """Another program takes all that is free."""
        self.room = 0

    def empty(self) -> None:
        self.room = None

    def _take(self, file: File, end: int) -> int:
        """Gives a file blocks up to byte `end`, or as far as there are; where they end."""
        wanted = max(0, end - file.blocks)
        if self.room is not None:
            wanted = min(wanted, self.room)
            self.room -= wanted
        file.blocks += wanted
        return min(end, file.blocks)

    def _give_back(self, file: File, size: int) -> None:
        if self.room is not None:
            self.room += max(0, file.blocks - size)
        file.blocks = min(file.blocks, size)

    def reserve(self, descriptor: int, start: int, length: int) -> bool:
        if self.dead:
            raise self._end
        file = self._open[descriptor][1]
        missing = max(0, start + length - file.blocks)
        if self.room is not None and missing > self.room:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self._take(file, start + length)
        return True

    # ------------------------------------------------------------------------------------------------- the files

    def lock(self, path: Path) -> int:
        descriptor = super().lock(path)
        self._locks.add(descriptor)
        return descriptor

    def open(self, path: Path) -> int:
        if self.dead:
            raise self._end
        descriptor = super().open(path)
        file = self._files.get(path)
        if file is None:
            file = self._files[path] = File()
            made = file
            self._changes.append((path.parent, lambda names: names.update({path: made})))
        self._open[descriptor] = path, file
        return descriptor

    def write(self, descriptor: int, data: bytes | memoryview) -> int:
        chance, view = self.faults.chance, memoryview(data)
        if self._comes():
            kind = chance.choice(("before", "within", "after"))
            part = {"before": 0, "within": chance.randint(1, max(1, len(view) - 1)), "after": len(view)}[kind]
            super().write(descriptor, view[:part])
            self._crash(f"crash {kind} a write")
        if self.faults.strikes("failed write", 0.004):
            self.disturbed = True
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        if len(view) > 1 and self.faults.strikes("short write", 0.008):
            self.disturbed = True
            view = view[: chance.randint(1, len(view) - 1)]
        start = self.size(descriptor)
        taken = self._take(self._open[descriptor][1], start + len(view)) - start
        if taken <= 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return super().write(descriptor, view[:taken])

    def size(self, descriptor: int) -> int:
        if self.dead:
            raise self._end
        return super().size(descriptor)

    def truncate(self, descriptor: int, size: int) -> None:
        def cut() -> None:
            super(FaultyDisk, self).truncate(descriptor, size)
            self._give_back(self._open[descriptor][1], size)

        self._around("crash at a truncation", cut)

    def sync(self, descriptor: int) -> None:
        if self.faults.strikes("failed sync", 0.01):
            raise OSError(errno.EIO, os.strerror(errno.EIO))

        def bring() -> None:
            path, file = self._open[descriptor]
            current = next((name for name, other in self._files.items() if other is file), path)
            file.durable = self._contents(current, file)

        self._around("crash at a sync", bring)

    def rename(self, path: Path, new: Path) -> None:
        def move() -> None:
            super(FaultyDisk, self).rename(path, new)
            file = self._files[new] = self._files.pop(path)

            def again(names: dict[Path, File]) -> None:
                names.pop(path, None)
                names[new] = file

            self._changes.append((path.parent, again))
            if self.faults.chance.random() < 0.2:  # the moments after a name was given are the tender ones
                self._left = min(self._left, self.faults.chance.randint(1, 8))

        self._around("crash at a change of names", move)

    def remove(self, path: Path) -> None:
        def unlink() -> None:
            file = self._files.pop(path)
            file.removed = path.read_bytes()
            super(FaultyDisk, self).remove(path)
            self._give_back(file, 0)
            self._changes.append((path.parent, lambda names: names.pop(path, None)))

        self._around("crash at a change of names", unlink)

    def sync_folder(self, path: Path) -> None:
        def bring() -> None:
            for folder, change in self._changes:
                if folder == path:
                    change(self._durable_names)
            self._changes = [(folder, change) for folder, change in self._changes if folder != path]

        self._around("crash at a change of names", bring)

    def close(self, descriptor: int) -> None:
        if self.dead:
            raise self._end
        self._open.pop(descriptor, None)
        self._locks.discard(descriptor)
        super().close(descriptor)

    def aside(self, work: Callable[[], None]) -> Callable[[], None]:
        """At once, or only when somebody waits for it; never, where the process ends before."""
        if self.faults.chance.random() < 0.5:
            work()
            return lambda: None
        return work

    # --------------------------------------------------------------------------------------- a hand in the files

    def replace(self, path: Path, data: bytes) -> None:
        """Other contents, by nobody's doing: a bit that fell over, another program's file."""
        path.write_bytes(data)
        self._files[path].durable = data

    def forget(self, paths: list[Path]) -> None:
        """The operator moves files away, and sees to it that they stay away."""
        for path in paths:
            path.unlink()
            self._files.pop(path, None)
            self._durable_names.pop(path, None)
        self._durable_names = dict(self._files)
        self._changes.clear()
