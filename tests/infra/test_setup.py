"""`hft setup` on servers that somebody else runs."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest

from engine.topics import TOPICS
from infra.errors import OperatorError
from infra.kafka import admin_client
from infra.settings import Settings
from infra.setup import setup


def test_it_creates_what_is_missing_and_nothing_the_second_time(
    tmp_path: Path, kafka: str, postgres_dsn: str, redis_url: str
) -> None:
    with psycopg.connect(postgres_dsn, autocommit=True) as connection:
        connection.execute("CREATE DATABASE set_up")
    settings = Settings(
        _env_file=None,  # type: ignore[call-arg]
        var=tmp_path / "var",
        kafka_bootstrap=kafka,
        postgres_dsn=postgres_dsn.rpartition("/")[0] + "/set_up",
        redis_url=redis_url,
    )
    said: list[str] = []
    setup(settings, said.append)
    assert {topic.name for topic in TOPICS} <= admin_client(kafka).list_topics(timeout=10).topics.keys()
    assert (tmp_path / "var/secrets/jwt").stat().st_mode & 0o077 == 0
    said.clear()
    setup(settings, said.append)
    assert said[0] == "topics: all there"
    assert said[1].startswith("schema: 0 migrations applied")


def test_it_asks_for_the_servers_by_name(tmp_path: Path) -> None:
    with pytest.raises(OperatorError, match="HFT_KAFKA_BOOTSTRAP is not set"):
        setup(Settings(_env_file=None, var=tmp_path), str)  # type: ignore[call-arg]
