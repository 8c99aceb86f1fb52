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
    origins: frozenset[str] = frozenset()
    """Of pages elsewhere that may use the API."""
    processes: Callable[[], list[ProcessState]] = list
