from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.streams import servers


@pytest.fixture
def topics(kafka: str) -> str:
    """Bootstrap servers of a Kafka that has the system's topics, empty."""
    servers.fresh_topics(kafka)
    return kafka


@pytest.fixture
def workers(topics: str, tmp_path: Path) -> Iterator[servers.Workers]:
    made = servers.Workers(topics, tmp_path)
    yield made
    for process in made.processes:
        process.kill()
