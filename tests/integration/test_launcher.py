"""`hft up` and what works beside it, with everything real."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest

from engine.client import Client
from engine.messages import DefineAccount, NewOrder
from infra import kafka, postgres, redis
from infra.folders import Folders
from infra.ports import free_ports
from tests.system import START_LIMIT_S, System, running, running_system, settings_for

NAMES = [
    "kafka",
    "postgres",
    "redis",
    "engine",
    "schedule",
    "publisher",
    "streams",
    "sink-postgres",
    "sink-redis",
    "hashes",
    "audit",
    "gateway",
]


def hft(environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    command = (sys.executable, "-m", "infra.cli", *arguments)
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=START_LIMIT_S, check=False)


def wait_for(condition: Callable[[], bool]) -> None:
    for _ in range(1200):
        if condition():
            return
        time.sleep(0.05)
    pytest.fail("waited in vain")


def test_status_shows_every_process(system: System) -> None:
    answer = hft(system.environment, "status")
    assert answer.returncode == 0, answer.stdout
    *table, latency, behind, audit, phase = answer.stdout.splitlines()[1:]
    rows = [line.split() for line in table]
    assert [row[0] for row in rows] == NAMES
    assert latency.startswith("latency: ")
    assert behind.startswith("behind: ")
    assert audit.startswith("audit: ")
    assert phase.startswith("healthy: ")
    assert {row[2] for row in rows} == {"ready"}


def test_a_second_up_is_one_line(system: System) -> None:
    answer = hft(system.environment, "up")
    assert answer.returncode == 1
    assert answer.stdout == ""
    assert answer.stderr.startswith(f"hft: already running (pid {system.state.pid}, ")
    assert "HFT_VAR" in answer.stderr
    assert answer.stderr.count("\n") == 1


@pytest.mark.parametrize("mode", [(), ("--detach",)], ids=["in front", "detached"])
def test_a_taken_port_is_one_line(tmp_path: Path, mode: tuple[str, ...]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        settings = settings_for(tmp_path / "var", {"postgres_port": port})
        answer = hft({**os.environ, **settings.environment()}, "up", *mode)
    assert answer.returncode == 1
    assert f"port {port} is taken by " in answer.stderr
    assert answer.stderr.endswith("Postgres wants it: set HFT_POSTGRES_PORT\n")
    assert answer.stderr.count("\n") == 1


def test_a_token_of_the_command_line_opens_the_engine(system: System) -> None:
    token = hft(system.environment, "token", "--account", "demo", "--name", "me").stdout.strip()
    client = Client(system.settings.zeromq, token)
    session = client.connect()
    client.close()
    assert (session.actor, session.role, session.accounts) == ("me", "trader", ["demo"])


def test_what_dies_is_restarted(system: System) -> None:
    before = system.service("sink-redis")
    system.kill("sink-redis")
    wait_for(lambda: system.service("sink-redis").restarts == before.restarts + 1)
    wait_for(lambda: system.state.phase == "healthy")
    assert system.service("sink-redis").pid != before.pid


def rest_an_order(system: System) -> str:
    """An order that stays on the book; its id."""
    client = Client(system.settings.zeromq, system.token(role="service"))
    client.connect()
    client.administer(DefineAccount(account="keeper", deposit=Decimal(1000)))
    order = NewOrder(
        account="keeper",
        symbol="AAPL",
        side="buy",
        quantity=Decimal(1),
        limit_price=Decimal("2.00"),
        client_order_id="k1",
    )
    (reply,) = client.submit([order])
    client.close()
    assert reply.order_id is not None
    return reply.order_id


def still_working(system: System, order_id: str) -> bool:
    client = Client(system.settings.zeromq, system.token(role="service"))
    client.connect()
    found = client.status("keeper", order_id=order_id)
    client.close()
    return found is not None and (found.order_status, found.leaves_quantity) == ("new", "1")


def kill_launcher(system: System) -> None:
    os.kill(system.state.pid, signal.SIGKILL)
    wait_for(lambda: not system.processes())


@pytest.mark.faults
def test_a_new_start_continues_also_after_kill_9(tmp_path: Path) -> None:
    with running_system(tmp_path / "var") as first:
        order_id = rest_an_order(first)
        assert still_working(first, order_id)
    with pytest.raises(AssertionError, match="SIGKILL"), running_system(tmp_path / "var") as second:
        kill_launcher(second)
    with running_system(tmp_path / "var") as third:
        assert still_working(third, order_id)


def test_servers_of_others_are_used_and_left_alone(tmp_path: Path, kafka_jars: list[Path]) -> None:
    (kafka_port,) = free_ports(1, pairs=True)
    postgres_port, redis_port = free_ports(2)
    theirs = Folders(tmp_path / "theirs")
    theirs.create()
    with (
        running(kafka.program(theirs.kafka, kafka_port, kafka_jars, log_file=theirs.log("kafka"))) as their_kafka,
        running(postgres.program(theirs.postgres, postgres_port, log_file=theirs.log("postgres"))) as their_postgres,
        running(redis.program(theirs.redis, redis_port, log_file=theirs.log("redis"))) as their_redis,
    ):
        named = {
            "kafka_bootstrap": f"127.0.0.1:{kafka_port}",
            "postgres_dsn": postgres.dsn(postgres_port),
            "redis_url": f"redis://127.0.0.1:{redis_port}/0",
        }
        with running_system(tmp_path / "var", **named) as system:
            states = {service.name: service.state for service in system.state.services}
            assert [states[name] for name in NAMES] == ["external"] * 3 + ["ready"] * (len(NAMES) - 3)
            assert hft(system.environment, "status").returncode == 0
        assert [process.ready() for process in (their_kafka, their_postgres, their_redis)] == [True] * 3


def test_detached_until_down(tmp_path: Path) -> None:
    settings = settings_for(tmp_path / "var", {})
    environment = {**os.environ, **settings.environment()}
    up = hft(environment, "up", "--detach")
    try:
        assert up.returncode == 0, up.stderr
        assert f"healthy: {settings.gateway}" in up.stdout
        assert hft(environment, "status").returncode == 0
        logs = hft(environment, "logs", "engine")
        assert logs.returncode == 0
        assert "ready" in logs.stdout
    finally:
        down = hft(environment, "down")
    assert down.returncode == 0, down.stderr
    assert System(settings, Folders(settings.var)).processes() == []
    assert hft(environment, "status").returncode == 1
