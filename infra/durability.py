"""`python -m infra.durability FOLDER`: what each level of durability costs on the disk that FOLDER is on.

Writes a journal of its own into a new folder there, and takes it away again."""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path
from typing import Final

import numpy as np

from engine.journal import Writer
from engine.layout import COMMAND

FRAMES: Final = 2000
GROUP: Final = 100
"""Frames of the second measure that share one sync."""


def measure(folder: Path, frames: int = FRAMES) -> str:
    """Times `frames` writes of one command each, and as many syncs. Returns a table with microseconds."""
    with tempfile.TemporaryDirectory(dir=folder, prefix="durability-") as scratch:
        writer = Writer(Path(scratch))
        record = np.zeros(1, COMMAND)
        writes, syncs, groups = [], [], []
        for seq in range(1, frames + 1):
            record["seq"] = seq
            begun = time.perf_counter_ns()
            writer.append_records(record)
            written = time.perf_counter_ns()
            writer.sync()
            writes.append(written - begun)
            syncs.append(time.perf_counter_ns() - written)
        for group in range(max(1, frames // GROUP)):
            for k in range(GROUP):
                record["seq"] = frames + group * GROUP + k + 1
                writer.append_records(record)
            begun = time.perf_counter_ns()
            writer.sync()
            groups.append(time.perf_counter_ns() - begun)
        writer.close()
    lines = [f"{'microseconds':<32} {'p50':>10} {'p99':>10} {'p99.9':>10}"]
    for name, taken in (
        ("journaled: write of a frame", writes),
        ("synced: fdatasync of one frame", syncs),
        (f"synced: fdatasync of {GROUP} frames", groups),
    ):
        p50, p99, p999 = np.percentile(np.array(taken) / 1000, (50, 99, 99.9))
        lines.append(f"{name:<32} {p50:>10.1f} {p99:>10.1f} {p999:>10.1f}")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.stdout.write(measure(Path(sys.argv[1] if len(sys.argv) > 1 else ".")) + "\n")
