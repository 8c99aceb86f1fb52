from __future__ import annotations

import pytest

from tests.streams import servers


@pytest.fixture
def topics(kafka: str) -> str:
    """Bootstrap servers of a Kafka that has the system's topics, empty."""
    servers.fresh_topics(kafka)
    return kafka
