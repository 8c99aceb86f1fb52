"""The tail that a crash in the middle of a write leaves behind."""

from __future__ import annotations

import fcntl
import random
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import numpy as np

from engine.journal import Writer
from engine.layout import COMMAND
from engine.segments import HEAD_BYTES, segments

LEAST_BYTES: Final = 9
"""Length, CRC and a byte more: shorter beginnings could be those of the frame that is written next."""
MOST_COMMANDS: Final = 20


class Torn:
    """The beginning of a frame at the end of a journal; nothing that was acknowledged is in it."""

    def __init__(self, journal: Path, chance: random.Random) -> None:
        """Appends it. Raises BlockingIOError where an engine has the journal."""
        self.segment = segments(journal)[-1]
        self.offset = self.segment.stat().st_size
        frame = _frame(chance.randint(1, MOST_COMMANDS))
        self.data = frame[: chance.randint(LEAST_BYTES, len(frame) - 1)]
        with (journal / "lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            with self.segment.open("ab") as file:
                file.write(self.data)

    @property
    def is_cut(self) -> bool:
        """Whether the segment has something else in this place now, or nothing."""
        with self.segment.open("rb") as file:
            file.seek(self.offset)
            return file.read(len(self.data)) != self.data


def _frame(commands: int) -> bytes:
    """The bytes of a whole frame, as the product's writer makes it."""
    with TemporaryDirectory() as name:
        writer = Writer(Path(name), reserve=0)
        records = np.zeros(commands, COMMAND)
        records["seq"] = np.arange(1, commands + 1)
        writer.append_records(records)
        writer.close()
        [segment] = segments(Path(name))
        return segment.read_bytes()[HEAD_BYTES:]
