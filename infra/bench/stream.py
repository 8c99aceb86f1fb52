"""The order stream that matchers are measured on, made by the bench folder's own program."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from infra.errors import OperatorError

RECORD: Final = np.dtype(
    [
        ("op", "u1"),
        ("side", "u1"),  # 0 = buy, 1 = sell
        ("flag", "<u2"),
        ("price", "<i4"),  # ticks
        ("quantity", "<i4"),
        ("aux", "<i4"),
        ("id", "<u8"),
    ]
)
"""As the head of orderflow.py has it."""
NEW: Final = 1
CANCEL: Final = 2
REPLACE: Final = 3
HEAD_BYTES: Final = 64
BOOKS: Final = ("small", "deep")
PROGRAM: Final = "orderflow.py"
LIMIT_S: Final = 300.0


class Expected(msgspec.Struct, frozen=True):
    """What a correct price-time matcher makes of the stream."""

    trades: int
    qty: int
    resting: int


class Description(msgspec.Struct, frozen=True):
    """The stream's JSON file."""

    prefill: int
    ops: int
    max_id: int
    expected: Expected = msgspec.field(name="K")
    """Where a pure decrease keeps its place."""


class Stream(NamedTuple):
    """One book's stream."""

    book: str
    path: Path
    records: NDArray[Any]
    """RECORD: first those that fill the book, then those that are measured."""
    prefill: int
    max_id: int
    expected: Expected

    @property
    def measured(self) -> NDArray[Any]:
        return self.records[self.prefill :]

    @property
    def room(self) -> int:
        """Orders that the pool should hold: twice as many as rest, as in the prototype's deep book."""
        return max(2 * self.prefill, 1 << 14)


def make(folder: Path, book: str, count: int, seed: int, to: Path) -> Stream:
    """Runs the folder's generator, which writes its files to `to`. Raises `OperatorError` where it fails."""
    path = to / f"{book}.bin"
    command = (sys.executable, str(folder / PROGRAM), "--book", book, "--n", str(count), "--seed", str(seed))
    try:
        subprocess.run((*command, "--out", str(path)), capture_output=True, text=True, timeout=LIMIT_S, check=True)
    except subprocess.CalledProcessError as error:
        raise OperatorError(f"{PROGRAM} failed: {error.stderr.strip().splitlines()[-1]}") from None
    except subprocess.TimeoutExpired:
        raise OperatorError(f"{PROGRAM} took more than {LIMIT_S:.0f} s") from None
    described = msgspec.json.decode(path.with_suffix(".json").read_bytes(), type=Description)
    records = np.fromfile(path, RECORD, offset=HEAD_BYTES)
    return Stream(book, path, records, described.prefill, described.max_id, described.expected)
