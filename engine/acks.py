"""When a record counts as written to Kafka: one choice for every producer of a process, made where it starts."""

from __future__ import annotations

from typing import Any, Final

ALL: Final = "all"
LEADER: Final = "1"
CHOICES: Final = (ALL, LEADER)

_chosen = ALL


def choose(setting: str) -> None:
    """For producers that are made from now on. Raises `ValueError` for what is none of `CHOICES`."""
    global _chosen
    if setting not in CHOICES:
        raise ValueError(f"acks is {', '.join(CHOICES)}, not {setting}")
    _chosen = setting


def configuration() -> dict[str, Any]:
    """The producer's part of it.

    `all`: when as many copies have a record as the topic's min.insync.replicas says, each record once. `1`: when the
    leader has it; what it had alone is lost with it, and a record whose answer was lost may be there twice. Records
    stay in their order either way."""
    if _chosen == ALL:
        return {"acks": ALL, "enable.idempotence": True}
    return {"acks": LEADER, "enable.idempotence": False, "max.in.flight.requests.per.connection": 1}
