"""The embedded servers, each alone: it starts, and is set up as the system needs it."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest
import redis
from confluent_kafka.admin import AdminClient, ConfigResource

from engine.topics import BOOKS, FILLS, TOPICS
from infra.errors import OperatorError
from infra.kafka import configuration, create_topics


def test_kafka_gets_every_topic_once(kafka: str) -> None:
    # Under names of their own: other suites use the same broker.
    topics = [topic._replace(name=f"once-{topic.name}") for topic in TOPICS]
    assert create_topics(kafka, 3, 1, topics=topics) == len(topics)
    assert create_topics(kafka, 3, 1, topics=topics) == 0
    metadata = AdminClient({"bootstrap.servers": kafka}).list_topics(timeout=10)
    assert {t.name: len(metadata.topics[t.name].partitions) for t in topics} == {
        t.name: 1 if t.single else 3 for t in topics
    }


def test_more_copies_in_sync_than_there_are_is_one_line() -> None:
    with pytest.raises(OperatorError, match=r"^HFT_MIN_INSYNC_REPLICAS is 2, but there are 1 copies "):
        create_topics("127.0.0.1:9", 1, 1, min_insync_replicas=2)


def test_three_brokers_share_a_quorum_and_keep_kafkas_own_topics_on_all(tmp_path: Path) -> None:
    alone = configuration(tmp_path, 9000)
    assert (alone["node.id"], alone["default.replication.factor"], alone["min.insync.replicas"]) == ("1", "1", "1")
    quorum = (9000, 9100, 9200)
    found = [configuration(tmp_path, port, quorum) for port in quorum]
    assert [each["node.id"] for each in found] == ["1", "2", "3"]
    assert {each["controller.quorum.voters"] for each in found} == {
        "1@127.0.0.1:9001,2@127.0.0.1:9101,3@127.0.0.1:9201"
    }
    assert {each["offsets.topic.replication.factor"] for each in found} == {"3"}
    assert {each["min.insync.replicas"] for each in found} == {"2"}


def test_kafka_keeps_what_compacts_and_what_expires_apart(kafka: str) -> None:
    topics = [topic._replace(name=f"kept-{topic.name}") for topic in (FILLS, BOOKS)]
    create_topics(kafka, 1, 1, topics=topics)
    resources = [ConfigResource(ConfigResource.Type.TOPIC, topic.name) for topic in topics]
    admin = AdminClient({"bootstrap.servers": kafka})
    described = admin.describe_configs(resources)
    policy = {resource.name: future.result(10)["cleanup.policy"].value for resource, future in described.items()}
    assert policy == {"kept-fills": "delete", "kept-books": "compact"}


def test_postgres_role_is_not_a_superuser(postgres_dsn: str) -> None:
    with psycopg.connect(postgres_dsn) as connection:
        row = connection.execute(
            "SELECT current_database(), usesuper FROM pg_user WHERE usename = current_user"
        ).fetchone()
    assert row == ("hft", False)


def test_redis_answers(redis_url: str) -> None:
    with redis.Redis.from_url(redis_url) as client:
        assert client.ping()
