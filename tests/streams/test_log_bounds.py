"""The ends of a partition whose leader changes while they are asked for."""

from __future__ import annotations

from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException, TopicPartition

from streams import consumer
from streams.consumer import _bounds


class Moving:
    """A client whose partition gets a leader after some looks for one."""

    def __init__(self, code: int, looks: int) -> None:
        self.code = code
        self.looks = looks

    def get_watermark_offsets(self, partition: TopicPartition, timeout: float) -> tuple[int, int]:
        if self.looks:
            raise KafkaException(KafkaError(self.code, "", False))
        return 3, 8

    def list_topics(self, topic: str, timeout: float) -> None:
        self.looks -= 1


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(consumer, "MOVED_S", 0.001)
    monkeypatch.setattr(consumer, "ANSWER_S", 0.2)


def found(client: Any) -> tuple[int, int]:
    return _bounds(client, TopicPartition("fills", 0))


def test_the_new_leader_is_asked() -> None:
    assert found(Moving(KafkaError.NOT_LEADER_FOR_PARTITION, 0)) == (3, 8)
    assert found(Moving(KafkaError.NOT_LEADER_FOR_PARTITION, 2)) == (3, 8)
    assert found(Moving(KafkaError.LEADER_NOT_AVAILABLE, 3)) == (3, 8)


def test_not_for_ever_and_nothing_else_is_waited_out() -> None:
    with pytest.raises(KafkaException):
        found(Moving(KafkaError.NOT_LEADER_FOR_PARTITION, 10**9))
    other = Moving(KafkaError.TOPIC_AUTHORIZATION_FAILED, 5)
    with pytest.raises(KafkaException):
        found(other)
    assert other.looks == 5
