"""The table of topics is whole, and its names are ones that Kafka takes and other people read."""

from __future__ import annotations

import re

import jsonschema
import msgspec
import pytest

from engine import topics
from engine.messages import Record
from engine.topics import TOPICS, Topic

EXPECTED = (
    *("orders", "commands", "order-events", "fills", "trades", "books", "positions", "pnl"),
    *("candles", "order-flow", "alerts"),
    *("instruments", "accounts", "corporate-actions", "ledger-state", "topic-versions", "state-hashes", "audit"),
    *("signals", "strategy-events", "strategy-state", "dead-letters"),
)


def test_the_names_that_other_people_read_are_there() -> None:
    assert [topic.name for topic in TOPICS] == list(EXPECTED)


def test_every_topic_is_in_the_tables() -> None:
    declared = [value for value in vars(topics).values() if isinstance(value, Topic)]
    assert list(TOPICS) == declared
    assert {topic.name: topic for topic in TOPICS} == topics.BY_NAME
    assert len(topics.BY_NAME) == len(TOPICS), "no name twice"


@pytest.mark.parametrize("topic", TOPICS, ids=lambda topic: topic.name)
def test_topic(topic: Topic) -> None:
    assert re.fullmatch(r"[a-z][a-z-]{0,200}", topic.name)
    assert topic.cleanup in ("delete", "compact")
    assert topic.retention_ms == -1 or topic.retention_ms > 0
    assert topic.key
    jsonschema.Draft202012Validator.check_schema(msgspec.json.schema(topic.record))
    if topic is not topics.ORDERS:
        assert issubclass(topic.record, Record), "every record that we write carries `v`"
