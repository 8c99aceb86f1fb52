"""How far a sink is behind: pure numbers, and when a person should be told."""

from __future__ import annotations

from typing import Final

FAR_RECORDS: Final = 100_000
FAR_S: Final = 30.0
SAY_AGAIN_S: Final = 60.0


class Lag:
    """`records` are in Kafka and not yet in the store; `seconds` is the age of the newest one that is in the store, or
    0 where all are."""

    def __init__(self) -> None:
        self.records = 0
        self.seconds = 0.0
        self._said_at: float | None = None

    def note(self, behind: int, newest_ms: int, now_s: float) -> str | None:
        """Takes what is known after a batch was stored: records still to come, the newest stored record's time and the
        present time, both since the epoch. A line to log where the sink is far behind, or no longer is."""
        self.records = behind
        self.seconds = max(0.0, now_s - newest_ms / 1000) if behind else 0.0
        far = behind >= FAR_RECORDS or (behind > 0 and self.seconds >= FAR_S)
        if far and (self._said_at is None or now_s - self._said_at >= SAY_AGAIN_S):
            self._said_at = now_s
            return f"{behind:,} records behind, {self.seconds:.0f} s"
        if not behind and self._said_at is not None:
            self._said_at = None
            return "caught up"
        return None
