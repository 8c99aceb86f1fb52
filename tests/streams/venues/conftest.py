"""The engine, publisher and Kafka that the tests of routing share, and what each has of its own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from infra.kafka import create_topics
from streams.venues.alpaca import desk, driver
from tests.engine.doors import logged_in, open_engine
from tests.engine.test_publisher import delete_topics, publishing
from tests.streams.venues.alpaca_trading_server import alpaca_trading
from tests.streams.venues.house import Exchange, House


@pytest.fixture(scope="module")
def exchange(kafka: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Exchange]:
    delete_topics(kafka)
    create_topics(kafka, 2, 1)
    journal = tmp_path_factory.mktemp("journal")
    with (
        open_engine(journal, bootstrap=kafka) as (_, address),
        publishing(journal, kafka),
        logged_in(address) as client,
    ):
        yield Exchange(kafka, address, client)
    delete_topics(kafka)


@pytest.fixture
def house(exchange: Exchange, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[House]:
    for module, name in ((driver, "AWAY_RETRY_S"), (desk, "AGAIN_S"), (desk, "RECONCILE_S")):
        monkeypatch.setattr(module, name, 0.3)
    with alpaca_trading() as server:
        yield House(exchange, server, f"h{abs(hash(request.node.name)) % 10**9}")
