"""The journal's part of a backup: snapshots, then segments up to the last whole frame, also while they are written."""

from __future__ import annotations

from pathlib import Path
from typing import Final, NamedTuple

from engine import progress, revocations
from engine.segments import HEAD_BYTES, Head, JournalError, damage, frame_of, read_head, segments, span_at
from engine.snapshot import FOLDER as SNAPSHOTS
from engine.snapshot import snapshots
from infra.backup.parts import Parts
from infra.errors import OperatorError

BESIDE: Final = (progress.NAME, revocations.FILE)
"""Small files beside the segments. `progress` never says more than what Kafka has, so it comes before the topics."""


class Point(NamedTuple):
    """Where a copied journal ends."""

    head: Head
    seq: int
    ts_ns: int


def copy_beside(journal: Path, parts: Parts) -> None:
    for name in BESIDE:
        if (journal / name).exists():
            parts.put(f"journal/{name}", (journal / name).read_bytes())


def copy(journal: Path, parts: Parts) -> Point:
    """Snapshots come first: none is ahead of the segments then. Raises `OperatorError`, `JournalError`."""
    for path in snapshots(journal / SNAPSHOTS):
        try:
            file = path.open("rb")
        except FileNotFoundError:
            continue  # a newer one has taken its place
        with file, parts.writing(f"journal/{SNAPSHOTS}/{path.name}") as out:
            while data := file.read(1 << 20):
                out.write(data)
    paths = segments(journal)
    if not paths:
        raise OperatorError(f"there is no journal in {journal}: HFT_VAR names the system's folder")
    point = Point(read_head(paths[0]), 0, 0)
    for path in paths:
        point = _copy_segment(path, point, parts, last=path is paths[-1])
    return point


def _copy_segment(path: Path, before: Point, parts: Parts, *, last: bool) -> Point:
    """Up to its last whole frame: behind it lies what is just being written."""
    head = read_head(path)
    data = path.read_bytes()
    if before.seq and head.first_seq != before.seq + 1:
        raise JournalError(
            f"{path} comes after command {before.seq}: the segment between is missing: restore it from a backup"
        )
    position, found = HEAD_BYTES, None
    while (span := span_at(data, position)) is not None:
        position, found = span.end, span
    if not last and position != len(data):
        raise damage(path, position, None)
    parts.put(f"journal/{path.name}", data[:position])
    if found is None:
        return before._replace(head=head)
    frame = frame_of(data, found, head.epoch)
    return Point(head, frame.last_seq, frame.ts_ns)
