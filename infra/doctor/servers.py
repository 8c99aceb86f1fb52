"""The servers: whether each answers, and which version it is."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator
from typing import Final

import psycopg
import redis
from confluent_kafka import KafkaException

from engine.broker_refusal import BrokerRefusal
from engine.topics import TOPICS
from infra.doctor.clock import Reading
from infra.doctor.finding import Finding, advice, ok, problem
from infra.health import without_password
from infra.kafka import admin_client
from streams.sinks.editions import detect

PATIENCE_S: Final = 2.0
POSTGRES_MIN: Final = 14
REDIS_MIN: Final = 6
EVICTING: Final = "the latest state of orders and positions would be thrown away when memory is short"


class Servers:
    """`running`: whether `hft up` runs under this VAR, so that embedded servers should be there; `own`: the settings
    that name servers of somebody else's, which always should; `kafka_version`: of the embedded broker, empty for
    another one, since a broker tells its clients none."""

    def __init__(
        self,
        bootstrap: str,
        dsn: str,
        redis_url: str,
        *,
        running: bool,
        own: Collection[str] = (),
        kafka_version: str = "",
    ) -> None:
        self._bootstrap = bootstrap
        self._dsn = dsn
        self._redis_url = redis_url
        self._running = running
        self._own = own
        self._kafka_name = f"Kafka {kafka_version}, " if kafka_version else ""

    def findings(self) -> Iterator[Finding]:
        yield self._kafka()
        yield self._postgres()
        yield self._redis()

    def _away(self, name: str, where: str, setting: str) -> Finding:
        found = f"nobody answers at {where}"
        if setting in self._own:
            return problem(name, found, "hft waits for it", f"start it, or correct {setting}")
        if self._running:
            return problem(name, found, "hft waits for it, and starts it again", f"hft logs {name.lower()}")
        return ok(name, f"{found}, and hft up is not running")

    def _kafka(self) -> Finding:
        heard = BrokerRefusal()
        admin = admin_client(self._bootstrap, heard)
        try:
            cluster = admin.list_topics(timeout=PATIENCE_S)
        except KafkaException as error:
            cause = heard.instead_of(error, admin)
            if cause is error:
                return self._away("Kafka", self._bootstrap, "HFT_KAFKA_BOOTSTRAP")
            found = f"{self._bootstrap} refuses us: {cause.args[0].str()}"
            return problem("Kafka", found, "hft cannot read or write it", "docs/security.md says what each means")
        missing = [topic.name for topic in TOPICS if topic.name not in cluster.topics]
        brokers = f"{len(cluster.brokers)} broker{'s' if len(cluster.brokers) > 1 else ''}"
        ours = f"{len(TOPICS) - len(missing)} of our {len(TOPICS)} topics"
        found = f"{self._kafka_name}{brokers} at {self._bootstrap}, {ours}"
        if not missing:
            return ok("Kafka", found)
        return problem("Kafka", found, f"there is no topic {', '.join(missing)}", "hft setup, or hft up")

    def _postgres(self) -> Finding:
        where = without_password(self._dsn)
        try:
            with psycopg.connect(self._dsn, autocommit=True, connect_timeout=int(PATIENCE_S)) as connection:
                version = connection.info.server_version // 10_000
                found = f"{detect(connection).line}, at {where}"
        except psycopg.OperationalError:
            return self._away("Postgres", where, "HFT_POSTGRES_DSN")
        if version < POSTGRES_MIN:
            return problem("Postgres", found, f"the schema needs {POSTGRES_MIN} or later", "HFT_POSTGRES_DSN")
        return ok("Postgres", found)

    def _redis(self) -> Finding:
        where = without_password(self._redis_url)
        client = redis.Redis.from_url(self._redis_url, socket_timeout=PATIENCE_S, socket_connect_timeout=PATIENCE_S)
        try:
            info = client.info()
        except redis.RedisError:
            return self._away("Redis", where, "HFT_REDIS_URL")
        finally:
            client.close()
        found = f"Redis {info['redis_version']} at {where}"
        if int(str(info["redis_version"]).partition(".")[0]) < REDIS_MIN:
            return problem("Redis", found, f"its commands are those of {REDIS_MIN} or later", "HFT_REDIS_URL")
        if info.get("maxmemory_policy", "noeviction") != "noeviction":
            return advice("Redis", found, EVICTING, "CONFIG SET maxmemory-policy noeviction")
        return ok("Redis", found)

    # ------------------------------------------------------------------------------------------------ their clocks

    def postgres_clock(self) -> Reading:
        """Raises `OSError` where it does not answer; so does `redis_clock`."""
        try:
            with psycopg.connect(self._dsn, autocommit=True, connect_timeout=int(PATIENCE_S)) as connection:
                before = time.time()
                row = connection.execute("SELECT extract(epoch FROM clock_timestamp())").fetchone()
                after = time.time()
        except psycopg.OperationalError:
            raise OSError("Postgres does not answer") from None
        assert row is not None
        return before, float(row[0]), after

    def redis_clock(self) -> Reading:
        client = redis.Redis.from_url(self._redis_url, socket_timeout=PATIENCE_S, socket_connect_timeout=PATIENCE_S)
        try:
            client.ping()
            before = time.time()
            seconds, microseconds = client.time()
            after = time.time()
        except redis.RedisError:
            raise OSError("Redis does not answer") from None
        finally:
            client.close()
        return before, seconds + microseconds / 1e6, after
