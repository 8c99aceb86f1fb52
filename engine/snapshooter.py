"""Taking snapshots beside the hot thread: a forked child has the state as it was at that moment, and writes it down.

What the hot thread pays is the fork itself (its page tables are copied) and, while the child writes, a copy of each
page that it changes first; docs/durability.md has the figures. The journal is brought to the disk before the snapshot
gets its name, so that a snapshot is never ahead of it.
"""

from __future__ import annotations

import contextlib
import ctypes
import logging
import os
import signal
import warnings
from pathlib import Path
from typing import Final

from engine import snapshot
from engine.core import Core
from engine.disk import Disk
from engine.segments import segments
from engine.snapshot import Place

log = logging.getLogger(__name__)

PARENT_DEATH_SIGNAL: Final = 1
"""prctl(2)."""
MOST_DESCRIPTORS: Final = 1 << 20
NICE: Final = 10

_libc: Final = ctypes.CDLL(None)


class Snapshooter:
    """Writes snapshots of a core into a folder."""

    def __init__(self, core: Core, journal: Path, folder: Path, disk: Disk) -> None:
        self._core = core
        self._journal = journal
        self._folder = folder
        self._disk = disk
        self._child = 0

    def take(self, place: Place, committed: int = 0) -> None:
        """Writes one in this process; `committed` as for `snapshot.publish`. Raises OSError."""
        unfinished = snapshot.write(self._folder, self._core, place, self._disk)
        for path in segments(self._journal)[-2:]:  # older ones are on the disk since the one after them was begun
            descriptor = self._disk.open(path)
            try:
                self._disk.sync(descriptor)
            finally:
                self._disk.close(descriptor)
        self._disk.sync_folder(self._journal)
        path = snapshot.publish(unfinished, self._disk, committed)
        log.info("wrote the state at command %d to %s", place.seq, path)

    def begin(self, place: Place, committed: int = 0) -> bool:
        """Leaves it to a child. False where the last one is still at it."""
        if not self.finished():
            return False
        parent = os.getpid()
        with warnings.catch_warnings():
            # Python warns of forks beside other threads, whose locks stay locked in the child: it takes none of them.
            warnings.simplefilter("ignore", DeprecationWarning)
            self._child = os.fork()
        if self._child == 0:
            self._write_and_exit(place, parent, committed)
        return True

    def _write_and_exit(self, place: Place, parent: int, committed: int) -> None:
        """The child: lets go of the parent's locks and ports, so that a next engine can start if the parent dies."""
        code = 1
        try:
            os.closerange(3, MOST_DESCRIPTORS)
            _libc.prctl(PARENT_DEATH_SIGNAL, signal.SIGKILL)
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, signal.SIG_IGN)
            os.sched_setaffinity(0, range(os.cpu_count() or 1))  # the parent may be alone on its processor
            os.nice(NICE)
            if os.getppid() == parent:
                self.take(place, committed)
                code = 0
        except BaseException:
            log.exception("the snapshot at command %d failed", place.seq)
        finally:
            os._exit(code)

    def finished(self) -> bool:
        """Whether no child is at work."""
        if self._child == 0:
            return True
        child, status = os.waitpid(self._child, os.WNOHANG)
        if child:
            self._end(status)
        return bool(child)

    def wait(self) -> None:
        """Until no child is at work."""
        if self._child:
            self._end(os.waitpid(self._child, 0)[1])

    def stop(self) -> None:
        """Ends the child, if one is at work: what it began has no name."""
        if self._child:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._child, signal.SIGKILL)
            os.waitpid(self._child, 0)
            self._child = 0

    def _end(self, status: int) -> None:
        self._child = 0
        if os.waitstatus_to_exitcode(status) != 0:
            log.error("a snapshot was not written (the disk may be full): the next start replays more of the journal")
