"""The whole system on three brokers, with three workers: brokers are killed under load, and nothing is lost."""

from __future__ import annotations

import os
import random
import time
from pathlib import Path

import pytest
from confluent_kafka import KafkaException

from engine.topics import POSITIONS
from infra.kafka import admin_client
from streams.rebuild import GROUP
from tests.cluster import BROKERS, running_cluster
from tests.faults.load import LONG_PAUSE_S, loading
from tests.faults.run import Run
from tests.faults.settings import KILL_LIMIT_S, SEED
from tests.faults.test_books import prove
from tests.integration.waiting import wait_for
from tests.streams.servers import counts, has
from tests.system import START_LIMIT_S, running_system

BROKER_KILLS = int(os.environ.get("BROKER_KILLS", "1"))
WORKERS = 3
MORE = 100
"""Orders and positions that must go through while a broker is away."""

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(START_LIMIT_S + 300 + 3 * BROKER_KILLS * KILL_LIMIT_S)]


def sharing(bootstrap: str) -> int:
    """Workers that have partitions to work on."""
    admin = admin_client(bootstrap)
    try:
        group = admin.describe_consumer_groups([GROUP])[GROUP].result(10)
    except KafkaException:
        return 0
    return sum(bool(member.assignment.topic_partitions) for member in group.members)


def test_a_killed_broker_loses_nothing(tmp_path: Path, kafka_jars: list[Path]) -> None:
    """Three copies, two of which must have a record (acks=all): whichever broker dies, orders and positions go on, and
    all is there once."""
    chance = random.Random(f"{SEED}/cluster")
    victims = [number for _ in range(BROKER_KILLS) for number in chance.sample(range(BROKERS), BROKERS)][:BROKER_KILLS]
    run = Run("three brokers")
    with (
        running_cluster(tmp_path / "kafka", kafka_jars) as cluster,
        running_system(
            tmp_path / "var",
            kafka_bootstrap=cluster.bootstrap,
            partitions=WORKERS,
            replication_factor=BROKERS,
            min_insync_replicas=2,
            acks="all",
            streams_workers=WORKERS,
        ) as system,
    ):
        assert cluster.copies_in_sync() == BROKERS
        wait_for("each worker to have partitions", lambda: sharing(cluster.bootstrap) == WORKERS, KILL_LIMIT_S)
        with loading(system, "cluster", SEED, run.taken, pause_s=LONG_PAUSE_S):
            for victim in victims:
                time.sleep(chance.uniform(1.0, 3.0))
                cluster.kill(victim)
                run.kafka_kills += 1
                wanted = len(run.taken.delivered) + MORE
                wait_for(
                    "orders to be taken by the brokers that are left",
                    lambda least=wanted: len(run.taken.delivered) > least,  # type: ignore[misc]
                    KILL_LIMIT_S,
                )
                wanted = counts(cluster.bootstrap, POSITIONS.name)[POSITIONS.name] + MORE
                wait_for(
                    "positions to go on without it",
                    lambda least=wanted: has(cluster.bootstrap, POSITIONS.name, least),  # type: ignore[misc]
                    KILL_LIMIT_S,
                )
                assert cluster.running() == BROKERS - 1
                cluster.start(victim)
                wait_for("all copies to be in sync", lambda: cluster.copies_in_sync() == BROKERS, KILL_LIMIT_S)
        run.prove(system)
        prove(system, "three brokers, three workers", f"{BROKER_KILLS} brokers killed; orders {run.taken.sent}")
