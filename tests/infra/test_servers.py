"""The embedded servers, each alone: it starts, and is set up as the system needs it."""

from __future__ import annotations

import psycopg
import redis
from confluent_kafka.admin import AdminClient, ConfigResource

from engine.topics import BOOKS, FILLS, TOPICS
from infra.kafka import create_topics


def test_kafka_gets_every_topic_once(kafka: str) -> None:
    # Under names of their own: other suites use the same broker.
    topics = [topic._replace(name=f"once-{topic.name}") for topic in TOPICS]
    assert create_topics(kafka, 3, 1, topics=topics) == len(topics)
    assert create_topics(kafka, 3, 1, topics=topics) == 0
    metadata = AdminClient({"bootstrap.servers": kafka}).list_topics(timeout=10)
    assert {t.name: len(metadata.topics[t.name].partitions) for t in topics} == {
        t.name: 1 if t.single else 3 for t in topics
    }


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
