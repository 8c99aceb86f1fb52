"""A place to measure the real parts in: an engine, a publisher and a Kafka of its own, on free ports, in a temporary
folder, all gone at the end."""

from __future__ import annotations

import secrets
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final, NamedTuple

from engine.client import Client
from engine.tokens import EVERY_ACCOUNT, Identity, issue
from infra import kafka_security
from infra.folders import Folders
from infra.ports import free_ports
from infra.process import Process, Program
from infra.services import SERVICES, program
from infra.settings import Settings, load

TOKEN_SECONDS: Final = 3600
NO_KAFKA: Final = "127.0.0.1:9"
"""Where none listens: the engine goes on without."""


class Sandbox(NamedTuple):
    settings: Settings
    folders: Folders
    address: str
    """Of the engine: ipc."""
    stack: ExitStack

    @property
    def token(self) -> str:
        """For every account, and to administer."""
        identity = Identity("bench", "admin", (EVERY_ACCOUNT,))
        return issue(self.settings.jwt_secret, identity, now_s=int(time.time()), lifetime_s=TOKEN_SECONDS)

    def client(self) -> Client:
        """Logged in; closed with the sandbox."""
        return self.stack.enter_context(Client(self.address, self.token, timeout_s=60.0))

    def start(self, started: Program) -> Process:
        """Starts a program and waits until it is ready."""
        process = Process(started)
        self.stack.callback(process.stop)
        process.wait_ready()
        return process

    def engine(self, **environment: str) -> Program:
        """The engine as `hft up` starts it, but for the address; `environment`: more of it."""
        mark = self.folders.mark("engine")

        def forget() -> None:
            mark.unlink(missing_ok=True)

        return Program(
            name="engine",
            command=(sys.executable, "-m", "infra.bench.engine_child", self.address, str(mark)),
            log=self.folders.log("engine"),
            environment={**self.settings.environment(), **environment},
            prepare=forget,
            probe=mark.exists,
            start_limit_s=SERVICES["engine"].start_limit_s,
        )

    def publisher(self) -> Program:
        return program("publisher", self.settings, self.folders)

    def sink(self, name: str) -> Program:
        """`sink-postgres` or `sink-redis`."""
        return program(name, self.settings, self.folders)


def _start_kafka(settings: Settings, where: Folders, stack: ExitStack) -> None:
    from infra import jars, kafka

    class_path = jars.class_path(settings.cache.expanduser())
    broker = Process(
        kafka.program(
            where.kafka, settings.kafka_port, class_path, log_file=where.log("kafka"), java_setting=settings.java
        )
    )
    stack.callback(broker.stop)
    broker.wait_ready()
    kafka.create_topics(settings.bootstrap, settings.partitions, 1)


def _start_postgres(settings: Settings, where: Folders, stack: ExitStack) -> None:
    from infra import postgres

    server = Process(postgres.program(where.postgres, settings.postgres_port, log_file=where.log("postgres")))
    stack.callback(server.stop)
    server.wait_ready()


def _start_redis(settings: Settings, where: Folders, stack: ExitStack) -> None:
    from infra import redis

    server = Process(redis.program(where.redis, settings.redis_port, log_file=where.log("redis")))
    stack.callback(server.stop)
    server.wait_ready()


@contextmanager
def sandbox(*, kafka: bool, postgres: bool = False, redis: bool = False, **changes: object) -> Iterator[Sandbox]:
    """`kafka`, `postgres`, `redis`: whether one is started; Kafka with the system's topics, Postgres without tables.
    `changes` are settings."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="hft-bench-")))
        ports = free_ports(6, pairs=True)
        settings = load(
            var=folder,
            zeromq_port=ports[0],
            market_data_port=ports[1],
            kafka_port=ports[2],
            postgres_port=ports[3],
            redis_port=ports[4],
            gateway_port=ports[5],
            kafka_bootstrap="" if kafka else NO_KAFKA,
            jwt_secret=secrets.token_hex(32),
            jwt_secret_file="",
            **kafka_security.NONE,
            **changes,
        )
        kafka_security.choose(lambda: settings)
        where = Folders(folder)
        for needed in (where.logs, where.run, where.secrets):
            needed.mkdir(parents=True, exist_ok=True)
        if kafka:
            _start_kafka(settings, where, stack)
        if postgres:
            _start_postgres(settings, where, stack)
        if redis:
            _start_redis(settings, where, stack)
        yield Sandbox(settings, where, f"ipc://{folder / 'engine.ipc'}", stack)
