"""The disk quota: its parts add up, and one that is too small for what is in flight is told how much to be."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka.admin import ConfigResource
from hypothesis import given
from hypothesis import strategies as st

from engine.topics import BOOKS, CORPORATE_ACTIONS, FILLS, TOPICS
from infra import quota
from infra.errors import OperatorError
from infra.kafka import admin_client, create_topics, keep_within
from infra.quota import Division, Kept
from infra.services import SERVICES
from infra.settings import Settings


def least(gigabytes: float, partitions: int, unpublished: int) -> float | None:
    """What a quota that is refused is told to be at least; None where it is not."""
    try:
        quota.divide(gigabytes, partitions, unpublished)
    except OperatorError as refused:
        [number] = re.findall(r"take (\d+) or more", str(refused))
        return float(number)
    return None


@given(st.floats(1, 100_000), st.integers(1, 64), st.integers(1, 65_536))
def test_the_parts_are_no_more_than_the_whole(gigabytes: float, partitions: int, unpublished: int) -> None:
    for _ in ("the journal's", "the topics'"):
        told = least(gigabytes, partitions, unpublished)
        if told is not None:
            assert told > gigabytes
            gigabytes = told
    found = quota.divide(gigabytes, partitions, unpublished)
    on_disk = sum(
        (kept.retention + kept.segment) * (1 if topic.single else partitions)
        for topic in TOPICS
        if (kept := found.topics.get(topic.name)) is not None
    )
    assert found.journal + on_disk + found.tables <= gigabytes * quota.GIGABYTE
    assert all(kept.segment >= quota.MEBIBYTE for kept in found.topics.values())


def test_every_topic_that_grows_has_a_part() -> None:
    grows = {topic.name for topic in TOPICS if topic.cleanup == "delete"} - {CORPORATE_ACTIONS.name}
    assert quota.divide(1000, 4, 4096).topics.keys() == grows


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {"disk_quota_gb": 10},
            "HFT_DISK_QUOTA_GB=10 leaves the journal 2.5 GB, and HFT_MAX_UNPUBLISHED_MB=4096 of it may wait for Kafka: "
            "take 19 or more, or fewer megabytes",
        ),
        (
            {"disk_quota_gb": 2, "max_unpublished_mb": 100, "partitions": 12},
            "HFT_DISK_QUOTA_GB=2 is too small for 12 partitions of each topic (HFT_PARTITIONS): take 14 or more",
        ),
        (
            {"disk_quota_gb": 100, "snapshot_seconds": 0},
            "HFT_DISK_QUOTA_GB lets go of what is in a snapshot, and HFT_SNAPSHOT_SECONDS=0 takes none",
        ),
    ],
)
def test_too_small_a_quota_is_refused(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(OperatorError) as refused:
        quota.division(Settings(_env_file=None, **changes))  # type: ignore[call-arg]
    assert str(refused.value) == said


def test_engine_and_sink_are_told_their_parts(tmp_path: Path) -> None:
    from infra.folders import folders

    def told(**changes: Any) -> tuple[int, int]:
        settings = Settings(_env_file=None, jwt_secret="x" * 40, **changes)  # type: ignore[call-arg]
        where = folders(tmp_path)
        engine, sink = (SERVICES[name].arguments(settings, where) for name in ("engine", "sink-postgres"))
        return engine["most_journal"], sink["most_bytes"]

    assert told() == (0, 0)
    found = quota.division(Settings(_env_file=None, disk_quota_gb=100))  # type: ignore[call-arg]
    assert isinstance(found, Division)
    assert told(disk_quota_gb=100) == (found.journal, found.tables) == (25 * 10**9, 25 * 10**9)


def test_topics_are_told_theirs(kafka: str) -> None:
    topics = [topic._replace(name=f"quota-{topic.name}") for topic in (FILLS, BOOKS)]
    create_topics(kafka, 1, 1, topics=topics)
    admin = admin_client(kafka)
    for retention in (10_000_000, 20_000_000):  # a second time, too
        keep_within(kafka, {"quota-fills": Kept(retention, 5_000_000)})
        resource = ConfigResource(ConfigResource.Type.TOPIC, "quota-fills")
        [future] = admin.describe_configs([resource]).values()
        found = {name: entry.value for name, entry in future.result(30).items()}
        assert (found["retention.bytes"], found["segment.bytes"]) == (str(retention), "5000000")
        assert (found["cleanup.policy"], found["retention.ms"]) == ("delete", "-1")
    with pytest.raises(OperatorError, match=r"^topic quota-absent cannot be kept within the quota: "):
        keep_within(kafka, {"quota-absent": Kept(10_000_000, 5_000_000)})
