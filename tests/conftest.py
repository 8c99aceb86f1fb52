"""Real servers, and the whole system (`system`): each is started at its first use, once in a test run.

They listen on loopback, on free ports, with their data in pytest's temporary folder, and die with the test run. A test
that writes to them uses names of its own: for topics, a database, a Redis database number.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from infra import jars, postgres
from infra import kafka as kafka_server
from infra import redis as redis_server
from infra.ports import free_ports
from infra.settings import Settings
from tests import timescale
from tests.system import START_LIMIT_S, System, running, running_system

SHARED = ("system", "kafka", "postgres_dsn", "redis_url")
"""Fixtures that take seconds to make: with several workers (`-n`), the tests of one stay together in one of them."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--timescaledb", action="store_true", help="a real TimescaleDB in place of the embedded Postgres")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    groups: dict[str, list[pytest.Item]] = {"system": [], "servers": []}
    for item in items:
        fixtures = getattr(item, "fixturenames", ())
        if {"system", "market"} & set(fixtures):
            item.add_marker(pytest.mark.timeout(START_LIMIT_S + 200))
        used = [name for name in SHARED if name in fixtures]
        together = "system" if "system" in used else "servers" if used else item.nodeid.partition("::")[0]
        item.add_marker(pytest.mark.xdist_group(together))
        groups.setdefault(together, []).append(item)
    # What takes longest comes first: otherwise one process would be left alone with it at the end.
    slow = [name for name in groups if name in ("system", "servers") or name.startswith("tests/integration/")]
    items[:] = [item for name in (*slow, *(name for name in groups if name not in slow)) for item in groups[name]]


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Long texts, such as signed tokens, are no names: they are others in each worker, and all must agree on each."""
    return argname if isinstance(val, str | bytes) and len(val) > 100 else None


def pytest_collection_finish(session: pytest.Session) -> None:
    """Without the groups each worker would start servers of its own, and the suite would take twice as long."""
    if getattr(session.config.option, "loadgroup", False) and not all("@" in item.nodeid for item in session.items):
        raise pytest.UsageError("pytest-xdist does not group the tests: it does not fit this pytest")


@pytest.fixture(scope="session")
def kafka_jars() -> list[Path]:
    """Kafka's class path, from the shared cache."""
    return jars.class_path(Settings().cache.expanduser())


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory, kafka_jars: list[Path]) -> Iterator[str]:
    """Bootstrap servers of a real Kafka without topics (`infra.kafka.create_topics` makes the system's)."""
    folder = tmp_path_factory.mktemp("kafka")
    (port,) = free_ports(1, pairs=True)
    program = kafka_server.program(folder, port, kafka_jars, log_file=folder / "kafka.log")
    with running(program):
        yield f"127.0.0.1:{port}"


@pytest.fixture(scope="session")
def postgres_dsn(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[str]:
    """DSN of a real, empty Postgres database; its role may create further ones."""
    folder = tmp_path_factory.mktemp("postgres")
    if request.config.getoption("--timescaledb"):
        missing = timescale.why_not()
        if missing is not None:
            pytest.skip(missing)
        with timescale.running(folder) as dsn:
            yield dsn
        return
    (port,) = free_ports(1)
    with running(postgres.program(folder, port, log_file=folder.parent / "postgres.log")):
        yield postgres.dsn(port)


@pytest.fixture(scope="session")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """URL of a real, empty Redis."""
    folder = tmp_path_factory.mktemp("redis")
    (port,) = free_ports(1)
    with running(redis_server.program(folder, port, log_file=folder / "redis.log")):
        yield f"redis://127.0.0.1:{port}/0"


@pytest.fixture(scope="session")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """The whole system, without a market: nobody trades but the test."""
    with running_system(tmp_path_factory.mktemp("system") / "var") as system:
        yield system
