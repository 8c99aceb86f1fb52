"""Our services on a real Kafka with the production configuration: TLS, logins by SCRAM, and nothing allowed that no ACL
names. Each runs as the user that `hft kafka-access` makes for it, from a password in a file."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, urlsplit

import psycopg
import pytest
import redis
from confluent_kafka import KafkaError, KafkaException, Producer

from engine import kafka, topics
from engine.client import Client
from engine.messages import DefineAccount, NewOrder
from engine.tokens import Identity, issue
from infra import health
from infra.errors import OperatorError
from infra.folders import folders
from infra.kafka import create_topics
from infra.kafka_access import USERS
from infra.kafka_security import security
from infra.migrations import migrate
from infra.ports import free_ports
from infra.services import program
from infra.settings import Settings
from streams import consumer
from streams.consumer import log_bounds, read_to_end
from streams.outbox import Outbox, Undeliverable
from tests.infra.secure_kafka import Certificates, SecureKafka, administrator, secure_kafka
from tests.infra.tls_front import Front, running_front
from tests.system import OF_THE_MACHINE, running

pytestmark = pytest.mark.secure

SECRET = "a secret of thirty-two characters"
DESK = "desk"
RUN_BY = {"engine": "hft-engine", "publisher": "hft-publisher", "streams": "hft-streams", "hashes": "hft-hashes"} | {
    "sink-postgres": "hft-sinks",
    "sink-redis": "hft-sinks",
    "audit": "hft-audit",
    "gateway": "hft-gateway",
}


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory, kafka_jars: list[Path]) -> Iterator[SecureKafka]:
    with secure_kafka(tmp_path_factory.mktemp("secure"), kafka_jars) as found:
        create_topics(found.brokers, 2, 1)
        kafka_access(found)
        kafka_access(found, "--producer", DESK)
        yield found


def kafka_access(broker: SecureKafka, *arguments: str) -> None:
    """`hft kafka-access` as an administrator calls it."""
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "infra.cli",
            "kafka-access",
            "--passwords",
            str(broker.folder / "passwords"),
            *arguments,
        ],
        env={
            **os.environ,
            "HFT_KAFKA_CA": str(broker.certificates.ca),
            "HFT_KAFKA_BOOTSTRAP": broker.brokers,
            "HFT_KAFKA_SECURITY_PROTOCOL": "SSL",
            "HFT_KAFKA_CERTIFICATE": str(broker.folder / "hft-admin.pem"),
            "HFT_KAFKA_KEY": str(broker.folder / "hft-admin.key"),
        },
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "are set, new passwords in" in done.stdout


def settings(broker: SecureKafka, user: str, **changes: Any) -> Settings:
    """As the service of this user has them."""
    secure = {
        "kafka_bootstrap": broker.clients,
        "kafka_security_protocol": kafka.SASL_SSL,
        "kafka_username": user,
        "kafka_password_file": str(broker.folder / "passwords" / user),
        "kafka_ca": str(broker.certificates.ca),
    }
    return Settings(_env_file=None, **{**secure, **changes})  # type: ignore[call-arg]


@pytest.fixture(autouse=True)
def short_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody here becomes better by waiting."""
    monkeypatch.setattr(health, "PATIENCE_S", 2.0)
    monkeypatch.setattr(consumer, "ANSWER_S", 2.0)


@pytest.fixture
def log_in(broker: SecureKafka) -> Iterator[Callable[..., None]]:
    """Makes the clients of this process those of a user."""

    def choose(user: str, **changes: Any) -> None:
        chosen = security(settings(broker, user, **changes))
        kafka.choose(lambda: chosen)

    yield choose
    kafka.choose(lambda: administrator(broker))


@pytest.fixture(scope="module")
def encrypted(broker: SecureKafka, postgres_dsn: str, redis_url: str) -> Iterator[dict[str, str]]:
    """DSN and URL that name whom to trust, of ports that speak TLS only."""
    certificate = broker.certificates.issue("stores", "127.0.0.1")
    key, ca = broker.folder / "stores.key", broker.certificates.ca
    stores, state = urlsplit(postgres_dsn), urlsplit(redis_url)
    with ExitStack() as stack:

        def front(target: SplitResult, *, postgres: bool) -> int:
            assert target.port is not None
            made = Front(certificate, key, ("127.0.0.1", target.port), postgres=postgres)
            return stack.enter_context(running_front(made))

        dsn = f"postgresql://hft@127.0.0.1:{front(stores, postgres=True)}{stores.path}"
        url = f"rediss://127.0.0.1:{front(state, postgres=False)}/0"
        yield {
            "postgres_dsn": f"{dsn}?sslmode=verify-full&sslrootcert={ca}",
            "redis_url": f"{url}?ssl_ca_certs={ca}",
        }


def wait_until(holds: Callable[[], bool], what: str, limit_s: float = 90.0) -> None:
    limit = time.monotonic() + limit_s
    while not holds():
        assert time.monotonic() < limit, what
        time.sleep(0.1)


def test_every_service_works_as_its_own_user(
    broker: SecureKafka,
    tmp_path: Path,
    encrypted: dict[str, str],
    postgres_dsn: str,
    redis_url: str,
    log_in: Callable[..., None],
) -> None:
    migrate(encrypted["postgres_dsn"])
    ports = free_ports(3)
    common: dict[str, Any] = {
        "var": tmp_path / "var",
        "zeromq_port": ports[0],
        "market_data_port": ports[1],
        "gateway_port": ports[2],
        **encrypted,
        "jwt_secret": SECRET,
        "demo_password": "",
        "max_orders": 10_000,
    } | {name: getattr(Settings(), name) for name in OF_THE_MACHINE}
    where = folders(tmp_path / "var")
    where.create()
    with ExitStack() as stack:
        for name, user in RUN_BY.items():
            stack.enter_context(running(program(name, settings(broker, user, **common), where)))
        token = issue(SECRET, Identity("test", "admin", ("*",)), now_s=int(time.time()), lifetime_s=3600)
        client = stack.enter_context(Client(f"tcp://127.0.0.1:{ports[0]}", token, timeout_s=60.0))
        for account in ("maker", DESK):
            client.administer(DefineAccount(account=account, deposit=Decimal(1_000_000)))
        resting = NewOrder(
            account="maker", symbol="AAPL", side="sell", quantity=Decimal(5), limit_price=Decimal("200.00")
        )
        [reply] = client.submit([resting])
        assert reply.outcome == "accepted", reply
        log_in(DESK)
        name = uuid.uuid4().hex
        order = {"type": "new", "account": DESK, "client_order_id": name, "symbol": "AAPL", "side": "buy"}
        order |= {"quantity": "5", "limit_price": "200.00", "time_in_force": "ioc"}
        sender = Producer(kafka.configuration(broker.clients))
        sender.produce("orders", json.dumps(order), key="AAPL")
        assert sender.flush(30) == 0
        with psycopg.connect(postgres_dsn, autocommit=True) as connection:

            def position() -> Any:
                return connection.execute("SELECT quantity FROM positions WHERE account = %s", (DESK,)).fetchone()

            wait_until(lambda: position() is not None, "no position in Postgres")
            row = position()
            assert row is not None
            assert row[0] == 5
        state = redis.Redis.from_url(redis_url)
        wait_until(lambda: any(DESK.encode() in key for key in state.keys("*")), "nothing in Redis")
        log_in("hft-audit")
        assert any(json.loads(m.value())["account"] == DESK for batch in fills(broker) for m in batch)
        wait_until(lambda: hashed(broker) > 0, "no hashes")
    text = "".join(path.read_text() for path in where.logs.iterdir())
    assert "authoriz" not in text.lower()
    for user in (*(user.name for user in USERS), DESK):
        assert (broker.folder / "passwords" / user).read_text() not in text


def fills(broker: SecureKafka) -> Iterator[list[Any]]:
    return read_to_end(broker.clients, dict.fromkeys(log_bounds(broker.clients, ["fills"])))


def hashed(broker: SecureKafka) -> int:
    return sum(high for _, high in log_bounds(broker.clients, ["state-hashes"]).values())


def test_stores_that_nobody_vouches_for_are_not_spoken_to(
    broker: SecureKafka, encrypted: dict[str, str], tmp_path: Path
) -> None:
    health.require_postgres(encrypted["postgres_dsn"])
    health.require_redis(encrypted["redis_url"])
    own, other = str(broker.certificates.ca), str(Certificates(tmp_path).ca)
    with pytest.raises(OperatorError, match=r"^Postgres at .* refuses us: .*certificate verify failed"):
        health.require_postgres(encrypted["postgres_dsn"].replace(own, other))
    with pytest.raises(OperatorError, match=r"^Redis at .* refuses us: .*CERTIFICATE_VERIFY_FAILED"):
        health.require_redis(encrypted["redis_url"].replace(own, other))
    with pytest.raises(OperatorError, match=r"^Postgres at .* (refuses us|does not answer)"):
        health.require_postgres(encrypted["postgres_dsn"].partition("?")[0] + "?sslmode=disable")
    with pytest.raises(OperatorError, match=r"^Redis at .* (refuses us|does not answer)"):
        health.require_redis(encrypted["redis_url"].partition("?")[0].replace("rediss", "redis"))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {"kafka_password": "wrong", "kafka_password_file": ""},
            "invalid credentials with SASL mechanism SCRAM-SHA-512",
        ),
        ({"kafka_username": "nobody"}, "invalid credentials with SASL mechanism SCRAM-SHA-512"),
        ({"kafka_sasl_mechanism": "PLAIN"}, "broker's supported mechanisms: SCRAM-SHA-512"),
        (
            {"kafka_security_protocol": "SASL_PLAINTEXT"},
            "it hangs up on SASL_PLAINTEXT, SCRAM-SHA-512 as hft-engine: HFT",
        ),
        ({"kafka_ca": "another"}, "certificate verify failed: broker certificate could not be verified"),
    ],
)
def test_a_wrong_way_in_is_refused_in_one_line(
    broker: SecureKafka,
    tmp_path: Path,
    changes: dict[str, str],
    said: str,
    log_in: Callable[..., None],
) -> None:
    if "kafka_ca" in changes:
        changes = {"kafka_ca": str(Certificates(tmp_path).ca)}
    log_in("hft-engine", **changes)
    with pytest.raises(OperatorError) as refused:
        health.require_kafka(broker.clients)
    assert said in str(refused.value)
    assert str(refused.value).startswith(f"Kafka at {broker.clients} refuses us: ")
    assert "\n" not in str(refused.value)
    with pytest.raises(KafkaException):
        log_bounds(broker.clients, ["orders"])


def test_plaintext_is_refused(broker: SecureKafka) -> None:
    kafka.choose(kafka.Security)
    try:
        with pytest.raises(OperatorError, match="it hangs up on PLAINTEXT: HFT_KAFKA_SECURITY_PROTOCOL is to be"):
            health.require_kafka(broker.clients)
    finally:
        kafka.choose(lambda: administrator(broker))


def test_whoever_shows_no_certificate_is_no_broker_and_no_administrator(
    broker: SecureKafka, log_in: Callable[..., None]
) -> None:
    log_in("hft-engine", kafka_security_protocol=kafka.SSL)
    with pytest.raises(OperatorError, match=r"refuses us: .*SSL"):
        health.require_kafka(broker.brokers)


def test_only_its_own_topics_take_what_a_user_writes(broker: SecureKafka, log_in: Callable[..., None]) -> None:
    every = {topic.name for topic in topics.TOPICS}
    for user in USERS:
        log_in(user.name)
        sender = Producer({**kafka.configuration(broker.clients), "acks": "all"})
        refused: set[str] = set()

        def note(error: KafkaError | None, message: Any, refused: set[str] = refused) -> None:
            if error is not None:
                assert error.code() == KafkaError.TOPIC_AUTHORIZATION_FAILED, error
                refused.add(message.topic())

        for name in every - {topic.name for topic in user.writes}:
            sender.produce(name, b"{}", key=b"k", on_delivery=note)
        assert sender.flush(60) == 0
        assert refused == every - {topic.name for topic in user.writes}, user.name


def test_a_writer_that_may_not_says_which_topic_refused_it(broker: SecureKafka, log_in: Callable[..., None]) -> None:
    log_in("hft-gateway")
    outbox = Outbox(broker.clients, "test")
    outbox.send("orders", "AAPL", b"{}")
    with pytest.raises(Undeliverable, match=r"^orders: Broker: Topic authorization failed$"):
        outbox.delivered()
    outbox.close()
    log_in(DESK)
    with pytest.raises(KafkaException, match="there is no topic positions yet, or we may not know of it"):
        log_bounds(broker.clients, ["positions"])


def test_a_password_that_was_changed_opens_nothing(broker: SecureKafka, log_in: Callable[..., None]) -> None:
    old = (broker.folder / "passwords" / "hft-audit").read_text()
    kafka_access(broker, "--user", "hft-audit")
    log_in("hft-audit")
    wait_until(lambda: opens(broker), "the new password")
    log_in("hft-audit", kafka_password=old, kafka_password_file="")
    assert not opens(broker)


def opens(broker: SecureKafka) -> bool:
    try:
        log_bounds(broker.clients, ["fills"])
    except KafkaException:
        return False
    return True
