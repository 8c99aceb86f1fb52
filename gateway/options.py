"""What a gateway is told when it is made."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from gateway.system import ProcessState


class Options(NamedTuple):
    engine_address: str
    bootstrap: str
    dsn: str
    redis_url: str
    secret: str
    """Signs tokens; the same in every gateway and the engine."""
    page: Path
    """Folder of the built web page."""
    token_minutes: int
    """How long an access token is good."""
    session_hours: int
    """How long a login can be gone on with after its last refresh."""
    audit_folder: Path
    """Where what the topic `audit` does not have yet is kept."""
    name: str = "gateway"
    """Of this gateway among others: the writer of its audit chain."""
    orders_per_second: int = 1_000
    """Orders and their changes, of one user."""
    requests_per_second: int = 100
    """Of one user on each other route."""
    origins: frozenset[str] = frozenset()
    """Of pages elsewhere that may use the API."""
    processes: Callable[[], list[ProcessState]] = list
