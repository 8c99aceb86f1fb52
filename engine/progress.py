"""How far the journal is published: one number that the publisher writes and the engine reads, in a mapped file.

The file is no truth, only a saving: where it is lost or older, less counts as published than is.
"""

from __future__ import annotations

import mmap
from collections import deque
from pathlib import Path
from types import TracebackType
from typing import Final

import numpy as np

NAME: Final = "progress"
STEP_BYTES: Final = 1 << 20


class Progress:
    """`progress` in the journal's folder: the journal's identity, and the last committed command."""

    def __init__(self, folder: Path, identity: int) -> None:
        """`identity`: of the journal; what the file says of another one does not count."""
        folder.mkdir(parents=True, exist_ok=True)
        with open(folder / NAME, "a+b") as file:
            if file.seek(0, 2) < 16:
                file.write(bytes(16))  # not a hole: storing into one on a full disk would end the process
                file.flush()
            self._map = mmap.mmap(file.fileno(), 16)
        # 64-bit words: the processor stores and loads each at once, so that a reader sees the old or the new number.
        self._words: np.ndarray[tuple[int], np.dtype[np.uint64]] = np.frombuffer(self._map, "<u8")
        self._identity = identity

    @property
    def committed(self) -> int:
        """The last command of which all records are acknowledged by Kafka (acks=all), as those before it are."""
        return int(self._words[1]) if int(self._words[0]) == self._identity else 0

    @committed.setter
    def committed(self, seq: int) -> None:
        if int(self._words[0]) != self._identity:
            self._words[1] = 0
            self._words[0] = self._identity
        self._words[1] = seq

    def sync(self) -> None:
        """What the file says survives the machine from here on. Raises OSError."""
        self._map.flush()

    def close(self) -> None:
        del self._words
        self._map.close()

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()


class Backlog:
    """How many bytes of the journal lie behind a command, to about STEP_BYTES (never too few)."""

    def __init__(self) -> None:
        self._marks: deque[tuple[int, int]] = deque([(0, 0)])
        """(last seq, bytes of the journal up to it), ascending."""
        self._seq = 0
        self._bytes = 0

    def note(self, seq: int, size: int) -> None:
        """The journal has `size` bytes and ends with command `seq`."""
        self._seq, self._bytes = seq, size
        if size - self._marks[-1][1] >= STEP_BYTES:
            self._marks.append((seq, size))

    def past(self, seq: int) -> int:
        """Bytes of the commands after `seq`, which is never less than at the call before."""
        if seq >= self._seq:
            return 0
        while len(self._marks) > 1 and self._marks[1][0] <= seq:
            self._marks.popleft()
        return self._bytes - self._marks[0][1]
