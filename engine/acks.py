"""When a record counts as written to Kafka and what goes out together: one choice for all producers of a process."""

from __future__ import annotations

from typing import Any, Final

ALL: Final = "all"
LEADER: Final = "1"
CHOICES: Final = (ALL, LEADER)

IN_FLIGHT: Final = 2
"""Requests that a broker has not answered yet. What is made meanwhile goes out together, as soon as one has been
answered: under load in large requests, and otherwise at once. For records that are made in bursts, waiting for company
by the clock (`linger.ms`) is worse both ways: one that is alone waits too, and librdkafka spins through the last part
of a millisecond, which in the publisher at 1,000 orders/s and 1.5 ms was a third of a core."""

_chosen = ALL


def choose(setting: str) -> None:
    """For producers that are made from now on. Raises `ValueError` for what is none of `CHOICES`."""
    global _chosen
    if setting not in CHOICES:
        raise ValueError(f"acks is {', '.join(CHOICES)}, not {setting}")
    _chosen = setting


def configuration() -> dict[str, Any]:
    """A producer's settings.

    `all`: when as many copies have a record as the topic's min.insync.replicas says, each record once. `1`: when the
    leader has it; what it had alone is lost with it, and a record whose answer was lost may be there twice. Records
    stay in their order either way."""
    if _chosen == ALL:
        order = {"acks": ALL, "enable.idempotence": True, "max.in.flight.requests.per.connection": IN_FLIGHT}
    else:
        order = {"acks": LEADER, "enable.idempotence": False, "max.in.flight.requests.per.connection": 1}
    return {**order, "linger.ms": 0}
