"""`hft setup`: what services need before they start, where `hft up` does not start them: topics, schema, secret."""

from __future__ import annotations

from collections.abc import Callable

from infra import health, kafka, quota
from infra.errors import OperatorError
from infra.folders import folders
from infra.migrations import migrate
from infra.secrets import jwt_secret
from infra.settings import Settings


def setup(settings: Settings, say: Callable[[str], None], wait_s: float | None = None) -> None:
    """Waits for your Kafka, Postgres and Redis, up to `wait_s` for each, and says what for; then creates what is
    missing. Doing it again changes nothing.

    Raises `OperatorError` where a server is not named, does not answer, or refuses."""
    for value, variable in (
        (settings.kafka_bootstrap, "HFT_KAFKA_BOOTSTRAP"),
        (settings.postgres_dsn, "HFT_POSTGRES_DSN"),
        (settings.redis_url, "HFT_REDIS_URL"),
    ):
        if not value:
            raise OperatorError(f"{variable} is not set: hft setup is for servers of your own")
    division = quota.division(settings)
    where = folders(settings.var)
    where.create()
    jwt_secret(settings.jwt_secret, where.secrets, create=True)
    health.require_kafka(settings.kafka_bootstrap, wait_s, say)
    created = kafka.create_topics(
        settings.bootstrap,
        settings.partitions,
        settings.replication_factor,
        min_insync_replicas=settings.min_insync_replicas,
    )
    if division is not None:
        kafka.keep_within(settings.bootstrap, division.topics)
    say(f"topics: {created} created" if created else "topics: all there")
    health.require_postgres(settings.postgres_dsn, wait_s, say)
    schema = migrate(settings.dsn, history_days=settings.history_days)
    say(f"schema: {schema.applied} migrations applied, version {schema.version}; {schema.kind}")
    health.require_redis(settings.redis_url, wait_s, say)
    say("Redis: answers")
