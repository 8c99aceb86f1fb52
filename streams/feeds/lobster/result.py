"""What a replayed day amounted to."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from engine.words import Outcome, Reason
from streams.feeds.lobster.plan import Plan
from streams.feeds.lobster.translation import Counts

LEAST_COMPARED: Final = 0.99


@dataclass
class Result:
    """Counts of a replay; `report` says them, `ok` whether the engine's book was the file's."""

    symbol: str
    source: str
    engine: str
    plan: Plan
    dated: bool
    """Whether the file's name told the day."""
    compared: int = 0
    equal: int = 0
    first_unequal: int | None = None
    stopped: bool = False
    """By the user, before the end."""
    commands: int = 0
    """Commands and prints that were answered."""
    refused: Counter[str] = field(default_factory=Counter)
    """Those of them that the engine refused, by reason."""
    printed: int = 0
    seconds: float = 0.0

    def judge(self, expected: NDArray[np.int64], found: NDArray[np.int64]) -> None:
        """Counts the rows whose levels are equal, prices and sizes of both sides; both are (rows, 2, levels, 2)."""
        equal = (expected == found).all(axis=(1, 2, 3))
        self.compared = len(equal)
        self.equal = int(equal.sum())
        if self.equal < self.compared:
            self.first_unequal = int((~equal).argmax())

    def count(self, replies: NDArray[Any]) -> bool:
        """Counts REPLY records; whether all were accepted."""
        refused = replies[replies["outcome"] != int(Outcome.ACCEPTED)]
        self.commands += len(replies)
        self.refused.update(Reason(int(reason)).wire for reason in refused["reason"])
        return len(refused) == 0

    def count_one(self, accepted: bool, reason: str | None) -> bool:
        """Counts one reply in words; whether it was accepted."""
        self.commands += 1
        if not accepted:
            self.refused[reason or ""] += 1
        return accepted

    @property
    def excluded(self) -> dict[str, int]:
        """Rows that were not compared, by reason."""
        missing = self.plan.rows - self.compared
        return {"not reached before it was stopped": missing} if missing else {}

    @property
    def counts(self) -> Counts:
        return self.plan.counted(self.compared)

    @property
    def ok(self) -> bool:
        enough = self.compared >= LEAST_COMPARED * self.plan.rows
        return enough and self.equal == self.compared and self.counts.contradictions == 0

    def report(self) -> str:
        plan, counts = self.plan, self.counts
        share = 100 * self.compared / plan.rows
        excluded = "".join(f", {reason}: {n:,}" for reason, n in self.excluded.items())
        refused = "".join(f", {reason}: {n:,}" for reason, n in self.refused.items())
        rate = f" ({self.compared / self.seconds:,.0f} rows/s)" if self.seconds else ""
        rows = [
            f"LOBSTER replay of {self.source} as {self.symbol} {self.engine}",
            f"  rows in file        {plan.rows:,}",
            f"  rows compared       {self.compared:,} ({share:.2f} %): the engine's best levels with the file's",
            f"  rows equal          {self.equal:,}",
            f"  rows excluded       {sum(self.excluded.values()):,}{excluded}",
            f"  levels seeded       {counts.levels_seeded:,} at the window's far edge, {plan.levels_opened} to open",
            f"  levels dropped      {counts.levels_dropped:,} when they left the window",
            f"  out of queue order  {counts.displaced:,} executions of another order than the first of its queue",
            f"  contradictions      {counts.contradictions:,} messages that do not fit the file's own book",
            f"  hidden executions   {self.printed:,} of {len(plan.prints):,} printed on the tape",
            f"  commands            {self.commands:,}, refused {sum(self.refused.values()):,}{refused}",
            f"  time                {self.seconds:.1f} s{rate}",
        ]
        if not self.dated:
            rows.append("  day                 not in the file's name: events carry their time of arrival only")
        if self.first_unequal is not None:
            rows.append(f"  first difference    after row {self.first_unequal + 1:,}")
        rows.append(f"  result              {self._verdict()}")
        return "\n".join(rows)

    def _verdict(self) -> str:
        if self.ok:
            return "every row compared is equal"
        if self.stopped and self.equal == self.compared:
            return "stopped before the end; every row compared is equal"
        return "NOT EQUAL"
