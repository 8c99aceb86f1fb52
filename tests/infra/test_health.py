"""Servers that a setting names and that are not there."""

from __future__ import annotations

import pytest

from infra import health, redis
from infra.errors import OperatorError


@pytest.mark.parametrize(
    ("setting", "value", "said"),
    [
        ("kafka_bootstrap", "127.0.0.1:9", "Kafka at 127.0.0.1:9 does not answer"),
        (
            "postgres_dsn",
            "postgresql://me:hush@127.0.0.1:9/hft",
            "Postgres at postgresql://me@127.0.0.1:9/hft does not answer",
        ),
        ("redis_url", "redis://:hush@127.0.0.1:9/0", "Redis at redis://127.0.0.1:9/0 does not answer"),
    ],
)
def test_a_named_server_that_is_not_there(setting: str, value: str, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "PATIENCE_S", 0.0)
    require = {"kafka_bootstrap": health.require_kafka, "postgres_dsn": health.require_postgres}
    with pytest.raises(OperatorError) as failure:
        require.get(setting, health.require_redis)(value)
    assert str(failure.value) == f"{said}: start it, or set HFT_{setting.upper()} (empty starts our own)"


class LateRedis:
    """Answers when it is asked for the third time."""

    refusal = ""

    def __init__(self, url: str) -> None:
        self._asked = 0

    def __call__(self) -> bool:
        self._asked += 1
        return self._asked > 2


def test_a_server_that_starts_beside_us_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redis, "Probe", LateRedis)
    with pytest.raises(OperatorError, match="does not answer"):
        health.require_redis("redis://127.0.0.1:9/0", 0.0)
    health.require_redis("redis://127.0.0.1:9/0", 60.0)


def test_who_waits_without_end_says_what_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redis, "Probe", LateRedis)
    monkeypatch.setattr(health, "NOTICE_S", 0.0)
    said: list[str] = []
    health.require_redis("redis://:hush@127.0.0.1:9/0", float("inf"), said.append)
    waiting = "waiting: Redis at redis://127.0.0.1:9/0 does not answer: start it, or set HFT_REDIS_URL"
    assert said == [f"{waiting} (empty starts our own)"] * 2


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://me:hush@host:5432/db?sslmode=require", "postgresql://me@host:5432/db"),
        ("host=h dbname=d password=hush user=me", "host=h dbname=d user=me"),
        ("rediss://:hush@host:6380/1", "rediss://host:6380/1"),
    ],
)
def test_no_password_is_shown(url: str, shown: str) -> None:
    assert health.without_password(url) == shown
