"""A run of faults under load: what it did, what it found, and its line of the summary."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from tests.faults.evidence import Evidence, collect
from tests.faults.invariants import Violation, told, violations
from tests.faults.load import Taken
from tests.faults.settings import SEED
from tests.system import System

PATIENCE_S: Final = 60.0
"""A system that does nothing more for this long will not catch up."""

figures: Final[list[str]] = []
"""Lines of the summary."""


@dataclass
class Run:
    name: str
    taken: Taken = field(default_factory=Taken)
    engine_kills: int = 0
    publisher_kills: int = 0
    kafka_kills: int = 0

    def look(self, system: System, patience_s: float = PATIENCE_S) -> list[Violation]:
        """The violations, once the system has caught up; notes the figures."""
        evidence = collect(system, self.taken, patience_s=patience_s)
        found = violations(evidence)
        figures.append(self._line(evidence, found))
        return found

    def _line(self, evidence: Evidence, found: list[Violation]) -> str:
        def count(*names: str) -> int:
            return sum(violation.invariant in names for violation in found)

        kills = f"{self.engine_kills} of the engine, {self.publisher_kills} of the publisher"
        lost = count("no_acknowledged_order_lost", "no_command_missing", "no_kafka_record_lost")
        doubled = count(
            "no_order_doubled",
            "no_command_doubled",
            "no_event_doubled",
            "no_fill_doubled",
            "no_kafka_record_doubled",
        )
        return (
            f"{self.name}: kills {kills}, {self.kafka_kills} of Kafka; orders {self.taken.sent}, "
            f"repeated frames {self.taken.repeated}, acknowledged {len(evidence.acknowledged)} by ZeroMQ and "
            f"{len(evidence.delivered)} by Kafka, commands {evidence.live.last_seq}; lost {lost}, doubled {doubled}"
        )

    def prove(self, system: System) -> None:
        """Fails, with the names of the invariants, where one does not hold."""
        assert self.taken.acknowledged, "no order was acknowledged: the run proves nothing"
        assert self.taken.delivered, "Kafka took no order: the run proves nothing"
        found = self.look(system)
        assert not found, f"HFT_SEED={SEED}\n{told(found)}"
