"""The Kafka and Postgres of a system for as long as a backup or restore takes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from infra import health, jars, kafka, postgres
from infra.folders import Folders
from infra.ports import check, wanted_ports
from infra.services import STAGE_SERVERS
from infra.settings import Settings
from infra.state import RunLock, ServiceState, holder
from infra.supervisor import Supervisor

OURS = ("Kafka", "Kafka's controller", "Postgres")


def _unwatched(states: list[ServiceState]) -> None:
    """Nobody is told."""


@contextmanager
def running(settings: Settings, where: Folders) -> Iterator[None]:
    """Those that run, or the embedded ones, started for this and stopped at the end; nobody starts the system
    meanwhile. Raises `OperatorError`."""
    if holder(where) is not None:
        health.require_kafka(settings.bootstrap)
        health.require_postgres(settings.dsn)
        yield
        return
    with alone(settings, where):
        yield


@contextmanager
def alone(settings: Settings, where: Folders) -> Iterator[None]:
    """The same where the system does not run. Raises `OperatorError` where it does."""
    where.create()
    lock = RunLock.take(where)
    supervisor = Supervisor(_unwatched)
    try:
        check(want for want in wanted_ports(settings) if want.who in OURS)
        if settings.kafka_bootstrap:
            health.require_kafka(settings.bootstrap)
        else:
            class_path = jars.class_path(settings.cache.expanduser(), mirror=settings.maven_mirror)
            supervisor.start(
                kafka.program(
                    where.kafka,
                    settings.kafka_port,
                    class_path,
                    log_file=where.log("kafka"),
                    java_setting=settings.java,
                ),
                STAGE_SERVERS,
            )
        if settings.postgres_dsn:
            health.require_postgres(settings.dsn)
        else:
            supervisor.start(
                postgres.program(where.postgres, settings.postgres_port, log_file=where.log("postgres")),
                STAGE_SERVERS,
            )
        yield
    finally:
        supervisor.stop()
        lock.release()
