"""Every change that the journal and the snapshots make to files, in one small object.

A test puts another in its place and decides what fails: a write that is torn, a disk that is full, a machine that
stops between a rename and the fsync of its folder. Reading needs no such seam: it changes nothing.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Final

KEEP_SIZE: Final = 1
"""fallocate(2): blocks beyond the end of the file, whose size stays."""

_libc: Final = ctypes.CDLL(None, use_errno=True)


class Disk:
    """The files of the machine. Every method raises OSError where the system refuses."""

    def make_folder(self, path: Path) -> None:
        path.mkdir(parents=True, exist_ok=True)

    def lock(self, path: Path) -> int:
        """Raises BlockingIOError where another process holds it. Held until `close`, or the end of this process."""
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(descriptor)
            raise
        return descriptor

    def open(self, path: Path) -> int:
        """A descriptor that appends; the file is made where there is none."""
        return os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)

    def write(self, descriptor: int, data: bytes | memoryview) -> int:
        """Bytes taken, which may be fewer than given."""
        return os.write(descriptor, data)

    def reserve(self, descriptor: int, start: int, length: int) -> bool:
        """Takes blocks for bytes that are yet to be written. False where the file system knows no such thing."""
        while _libc.fallocate(descriptor, KEEP_SIZE, ctypes.c_long(start), ctypes.c_long(length)) != 0:
            code = ctypes.get_errno()
            if code in (errno.EOPNOTSUPP, errno.ENOSYS):
                return False
            if code != errno.EINTR:
                raise OSError(code, os.strerror(code))
        return True

    def size(self, descriptor: int) -> int:
        """Bytes."""
        return os.fstat(descriptor).st_size

    def truncate(self, descriptor: int, size: int) -> None:
        """Also gives back what is reserved beyond `size`."""
        os.ftruncate(descriptor, size)

    def sync(self, descriptor: int) -> None:
        """What was written survives the machine from here on."""
        os.fdatasync(descriptor)

    def rename(self, path: Path, new: Path) -> None:
        os.rename(path, new)

    def remove(self, path: Path) -> None:
        path.unlink()

    def sync_folder(self, path: Path) -> None:
        """Names given in the folder survive the machine from here on."""
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def close(self, descriptor: int) -> None:
        os.close(descriptor)

    def aside(self, work: Callable[[], None]) -> Callable[[], None]:
        """Begins work that the caller need not wait for. Returns what waits for its end."""
        thread = threading.Thread(target=work, name="disk")
        thread.start()
        return thread.join


def write_all(disk: Disk, descriptor: int, data: bytes | memoryview) -> None:
    """Raises OSError where the disk takes only a part."""
    view = memoryview(data)
    while view:
        taken = disk.write(descriptor, view)
        if taken == 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        view = view[taken:]
