"""Helpers around the real servers: fresh topics, our processes, waiting for a condition."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import msgspec
import psycopg
from confluent_kafka import KafkaException, TopicPartition
from psycopg.conninfo import make_conninfo
from psycopg.sql import SQL, Identifier

from engine import topics
from infra import kafka, migrations
from streams.consumer import log_bounds, read_to_end

LIMIT_S = 90.0
PARTITIONS = 4


def wait_for(condition: Callable[[], Any], what: str, limit_s: float = LIMIT_S) -> Any:
    """The condition's first true value; fails after `limit_s`."""
    limit = time.monotonic() + limit_s
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < limit, f"waited {limit_s:.0f} s for {what}"
        time.sleep(0.05)


@contextmanager
def fresh_database(postgres_dsn: str, name: str) -> Iterator[str]:
    """DSN of a database with our schema and nothing in it, which is gone at the end."""
    with psycopg.connect(postgres_dsn, autocommit=True) as server:
        server.execute(SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(Identifier(name)))
        server.execute(SQL("CREATE DATABASE {}").format(Identifier(name)))
        own = make_conninfo(postgres_dsn, dbname=name)
        migrations.migrate(own)
        yield own
        server.execute(SQL("DROP DATABASE {} WITH (FORCE)").format(Identifier(name)))


def fresh_topics(bootstrap: str) -> None:
    """All topics of the system, empty."""
    admin = kafka.admin_client(bootstrap)
    existing = [topic.name for topic in topics.TOPICS if topic.name in admin.list_topics(timeout=10).topics]
    if existing:
        for future in admin.delete_topics(existing).values():
            future.result(30)
        wait_for(lambda: not set(existing) & admin.list_topics(timeout=10).topics.keys(), "the topics to be deleted")
    create_topics(bootstrap)


def create_topics(bootstrap: str) -> None:
    """Those that are not there, and returns when they can be read."""
    kafka.create_topics(bootstrap, PARTITIONS, 1)
    names = [topic.name for topic in topics.TOPICS]

    def readable() -> bool:
        try:
            return bool(log_bounds(bootstrap, names))
        except KafkaException:
            return False

    wait_for(readable, "the topics to have leaders")


def delete_topic(bootstrap: str, name: str) -> None:
    """Deletes it, and makes it again, empty."""
    admin = kafka.admin_client(bootstrap)
    admin.delete_topics([name])[name].result(30)
    wait_for(lambda: name not in admin.list_topics(timeout=10).topics, f"{name} to be deleted")
    create_topics(bootstrap)


def delete_first(bootstrap: str, name: str) -> None:
    """Deletes the first record of a partition that has some, as retention does."""
    partition = next(p for p, (low, high) in log_bounds(bootstrap, [name]).items() if high > low)
    admin = kafka.admin_client(bootstrap)
    for deleted in admin.delete_records([TopicPartition(*partition, 1)]).values():
        deleted.result(30)


def counts(bootstrap: str, *names: str) -> dict[str, int]:
    """Records in each topic."""
    found = dict.fromkeys(names, 0)
    for (topic, _), (low, high) in log_bounds(bootstrap, names).items():
        found[topic] += high - low
    return found


def records(bootstrap: str, topic: topics.Topic) -> Iterator[Any]:
    decoder = msgspec.json.Decoder(topic.record)
    starts = dict.fromkeys(log_bounds(bootstrap, [topic.name]))
    for batch in read_to_end(bootstrap, starts):
        for message in batch:
            yield decoder.decode(message.value())


def has(bootstrap: str, topic: str, count: int) -> bool:
    """Whether the topic holds at least `count` records; false while Kafka is away."""
    try:
        return counts(bootstrap, topic)[topic] >= count
    except KafkaException:
        return False


class OurProcess:
    """`MODULE.run(...)` in a process of its own, after the code `before`; it prints `ready`. Ends with its context."""

    def __init__(self, module: str, log: Path, *arguments: str, before: str = "") -> None:
        code = (
            "import importlib, logging, pathlib, sys\n"
            "logging.basicConfig(level=logging.INFO, format='%(asctime)s %(name)s %(levelname)s %(message)s')\n"
            f"run = importlib.import_module({module!r}).run\n"
            "path = pathlib.Path\n"
            f"{before}\n"
            f"run({', '.join(arguments)}, lambda: print('ready', flush=True))\n"
        )
        self._log = log
        self._start = log.stat().st_size if log.exists() else 0
        with log.open("ab") as file:
            self._child = subprocess.Popen([sys.executable, "-c", code], stdout=file, stderr=file)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def said(self) -> str:
        """What this process has logged."""
        return self._log.read_bytes()[self._start :].decode()

    def wait_ready(self) -> None:
        def ready() -> bool:
            assert self._child.poll() is None, self.said()
            return "ready\n" in self.said()

        wait_for(ready, "the process to be ready")

    def kill(self) -> None:
        """kill -9."""
        self._child.kill()
        self._child.wait()

    def ask_to_stop(self) -> None:
        """SIGTERM."""
        self._child.terminate()

    def stop(self) -> int:
        """SIGTERM; the exit code."""
        self.ask_to_stop()
        return self._child.wait(30)

    def wait_end(self) -> int:
        return self._child.wait(60)


class Workers:
    """Starts the one worker again and again."""

    def __init__(self, bootstrap: str, folder: Path) -> None:
        self._arguments = (repr(bootstrap), f"path({str(folder / 'data')!r})", "'mid'")
        self.log = folder / "worker.log"
        self.processes: list[OurProcess] = []

    def start(self, *, wait: bool = True, before: str = "") -> OurProcess:
        process = OurProcess("streams.app", self.log, *self._arguments, before=before)
        self.processes.append(process)
        if wait:
            process.wait_ready()
        return process
