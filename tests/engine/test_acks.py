"""When a record counts as written: the choice, on real producers."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
from confluent_kafka import Message, Producer

from engine import acks
from infra import services
from tests.streams.servers import fresh_topics
from tests.system import settings_for


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    yield
    acks.choose(acks.ALL)


@pytest.mark.parametrize(
    ("choice", "settings"),
    [
        (None, {"acks": "all", "enable.idempotence": True, "max.in.flight.requests.per.connection": 2}),
        (acks.LEADER, {"acks": "1", "enable.idempotence": False, "max.in.flight.requests.per.connection": 1}),
    ],
)
def test_all_unless_chosen_otherwise_in_order_and_never_by_the_clock(
    choice: str | None, settings: dict[str, object]
) -> None:
    if choice is not None:
        acks.choose(choice)
    assert acks.configuration() == {**settings, "linger.ms": 0}


@pytest.mark.parametrize("wrong", ["0", "", "some"])
def test_what_is_no_choice_is_refused(wrong: str) -> None:
    with pytest.raises(ValueError, match="acks is all, 1"):
        acks.choose(wrong)


@pytest.mark.parametrize("choice", acks.CHOICES)
def test_a_service_starts_with_what_the_setting_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, choice: str
) -> None:
    seen: list[object] = []
    module = ModuleType("a_service")
    module.run = lambda ready: seen.append(acks.configuration()["acks"])  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "a_service", module)
    service = services.Service("a_service", services.STAGE_STREAMS, lambda settings, where: {})
    monkeypatch.setattr(services, "SERVICES", {"a-service": service})
    monkeypatch.setattr(services.metrics, "serve", lambda *_: None)  # a process tells its metrics once
    services.run("a-service", settings_for(tmp_path, {"acks": choice}), lambda: None)
    assert seen == [choice]


@pytest.mark.parametrize("choice", acks.CHOICES)
def test_a_producer_takes_it(kafka: str, choice: str) -> None:
    fresh_topics(kafka)
    acks.choose(choice)
    producer = Producer({"bootstrap.servers": kafka, **acks.configuration()})
    offsets: list[int | None] = []

    def delivered(error: object, message: Message) -> None:
        assert error is None
        offsets.append(message.offset())

    for _ in range(3):
        producer.produce("fills", b"x", partition=0, on_delivery=delivered)
    assert producer.flush(30) == 0
    assert offsets == [0, 1, 2]
