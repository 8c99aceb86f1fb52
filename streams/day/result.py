"""What came of a replay: what was compared, and what differs."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final, NamedTuple

SHOWN: Final = 20
LONGEST: Final = 2_000
"""Characters of a record that are shown."""
SECOND: Final = 1_000_000_000


class Difference(NamedTuple):
    """Something that was published and that the commands do not give."""

    place: str
    """`topic/partition at offset`, or `engine after command SEQ`."""
    text: str

    def __str__(self) -> str:
        return f"{self.place}: {self.text}"


@dataclass
class DayResult:
    """`records`: topic → how many were recomputed and compared."""

    day: str
    commands: int = 0
    first_ns: int = 0
    last_ns: int = 0
    """Stamps of the first and the last command."""
    records: Counter[str] = field(default_factory=Counter)
    engine_hashes: int = 0
    record_hashes: int = 0
    unhashed: int = 0
    """Records behind the last hash of their partition."""
    differing: int = 0
    differences: list[Difference] = field(default_factory=list)
    """The first of them."""
    seconds: float = 0.0
    processor_seconds: float = 0.0
    """Of all processes that took part."""

    @property
    def ok(self) -> bool:
        return self.differing == 0

    @property
    def real_seconds(self) -> float:
        return (self.last_ns - self.first_ns) / SECOND

    @property
    def speed(self) -> float:
        """Multiple of real time."""
        return self.real_seconds / self.seconds if self.seconds else 0.0

    @property
    def commands_per_s(self) -> float:
        """Of the day, replayed in a second."""
        return self.commands / self.seconds if self.seconds else 0.0

    def differs(self, place: str, text: str) -> None:
        self.differing += 1
        if len(self.differences) < SHOWN:
            self.differences.append(Difference(place, text))

    def absorb(self, other: DayResult) -> None:
        """Takes what another part of the same replay has found."""
        self.records += other.records
        self.record_hashes += other.record_hashes
        self.unhashed += other.unhashed
        self.processor_seconds += other.processor_seconds
        self.differing += other.differing
        self.differences += other.differences[: SHOWN - len(self.differences)]

    def report(self) -> str:
        """For people."""
        counts = ", ".join(f"{name} {count:,}" for name, count in sorted(self.records.items()))
        span = f"from {_time(self.first_ns)} to {_time(self.last_ns)} UTC"
        lines = [
            f"day        {self.day}: {self.commands:,} commands {span}",
            f"rebuilt    {counts or 'nothing'}",
            f"compared   each of these records; {self.engine_hashes:,} hashes of the engine's state, "
            f"{self.record_hashes:,} of topics' partitions",
            f"unhashed   {self.unhashed:,} records behind the last hash of their partition",
            f"speed      {self.real_seconds:,.1f} s of the journal's time in {self.seconds:.1f} s: "
            f"{self.speed:.1f} × real time, {self.commands_per_s:,.0f} commands/s",
            f"processor  {self.processor_seconds:.1f} s",
            "verified   bit-identical" if self.ok else f"DIFFERS    {self.differing:,}",
        ]
        lines += [f"  {difference}" for difference in self.differences]
        if self.differing > len(self.differences):
            lines.append(f"  … and {self.differing - len(self.differences):,} more")
        return "\n".join(lines)


def shown(value: bytes | None) -> str:
    """A record, cut where it is long."""
    if value is None:
        return "no record"
    text = value.decode(errors="replace")
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"


def _time(ts_ns: int) -> str:
    return datetime.fromtimestamp(ts_ns / SECOND, UTC).strftime("%Y-%m-%d %H:%M:%S")
