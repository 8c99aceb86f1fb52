"""Which segments of the journal may go, so that it keeps within its part of the disk.

Only what nobody will need: the engine and the publisher each start with a snapshot and read on from there, so whole
segments may go that lie before both snapshots. The command that a snapshot is of stays, since a start looks at it.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from engine.disk import Disk
from engine.segments import segments
from engine.snapshot import snapshots


class Segment(NamedTuple):
    first_seq: int
    size: int
    """Bytes."""


def removable(found: Sequence[Segment], states: Sequence[int], committed: int, most: int) -> int:
    """How many of the oldest segments may go, so that what stays has at most `most` bytes, or comes as near as it may.

    `found`: oldest first; `states`: the commands that snapshots are of; `committed`: the last command that Kafka surely
    has, with all before it."""
    # Whoever starts takes the newest that is good: an older one is there in case that it is not.
    needed = min(states, default=0)
    if needed > committed:
        return 0  # the publisher would have to begin with the first command
    size = sum(segment.size for segment in found)
    count = 0
    # The last segment is being written to.
    while size > most and count + 1 < len(found) and found[count + 1].first_seq <= needed:
        size -= found[count].size
        count += 1
    return count


def prune(folder: Path, states: Path, committed: int, most: int, disk: Disk) -> list[Segment]:
    """Removes what may go, and brings that to the disk; what went. `states`: the snapshots' folder. Raises
    `OSError`."""
    paths = segments(folder)
    found = [Segment(int(path.stem), path.stat().st_size) for path in paths]
    count = removable(found, [int(path.stem) for path in snapshots(states)], committed, most)
    for path in paths[:count]:  # the oldest first: what a crash leaves has no hole
        disk.remove(path)
    if count:
        disk.sync_folder(folder)
    return found[:count]
