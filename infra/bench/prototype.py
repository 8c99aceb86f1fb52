"""The throw-away matcher of the bench folder, run as the separate program that it is."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from infra.bench.stream import Stream
from infra.errors import OperatorError

PROGRAM: Final = "prototype_matcher.py"
FLAGS: Final = ("aos", "inline", "hash")
HASH_BITS: Final = {"small": 16, "deep": 18}
"""Places of its id table: what its README measured with."""
LIMIT_S: Final = 300.0


class Speed(msgspec.Struct, frozen=True):
    ops_s: float


class Latency(msgspec.Struct, frozen=True):
    """Nanoseconds."""

    p50: float
    p99: float
    p999: float


class Prototype(NamedTuple):
    """The program, for one stream."""

    folder: Path
    stream: Stream

    def speed(self) -> float:
        """Operations a second of one run."""
        return msgspec.json.decode(self._run(), type=Speed).ops_s

    def latency(self) -> Latency:
        """Of single operations, in one run."""
        return msgspec.json.decode(self._run("lat"), type=Latency)

    def _run(self, *more: str) -> str:
        bits = max(HASH_BITS[self.stream.book], (2 * self.stream.prefill).bit_length())
        command = (sys.executable, str(self.folder / PROGRAM), str(self.stream.path), self.stream.book, *FLAGS, *more)
        environment = {**os.environ, "HASH_BITS": str(bits)}
        try:
            done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=LIMIT_S, check=True)
        except subprocess.CalledProcessError as error:
            raise OperatorError(f"{PROGRAM} failed: {error.stderr.strip().splitlines()[-1]}") from None
        except subprocess.TimeoutExpired:
            raise OperatorError(f"{PROGRAM} took more than {LIMIT_S:.0f} s") from None
        return done.stdout
