"""How clients reach the brokers: one place, and nothing that shows a password."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme
from confluent_kafka import Consumer
from faust.auth import SASLCredentials, SSLCredentials
from faust.types.auth import AuthProtocol

from engine import kafka
from engine.kafka import Security
from streams.credentials import credentials

ROOT = Path(__file__).parents[2]
LOGIN = Security(
    kafka.SASL_SSL, "SCRAM-SHA-512", "desk", "a long password", "ca.pem", certificate="own.pem", key="own.key"
)


@pytest.fixture(autouse=True)
def without_choice() -> Iterator[None]:
    yield
    kafka.choose(Security)


@pytest.mark.parametrize(
    ("security", "expected"),
    [
        (Security(), {"security.protocol": "PLAINTEXT"}),
        (Security(kafka.SSL), {"security.protocol": "SSL", "ssl.ca.location": "probe"}),
        (
            Security(kafka.SASL_PLAINTEXT, "PLAIN", "desk", "p", ca_file="unused.pem"),
            {
                "security.protocol": "SASL_PLAINTEXT",
                "sasl.mechanism": "PLAIN",
                "sasl.username": "desk",
                "sasl.password": "p",
            },
        ),
        (
            LOGIN,
            {
                "security.protocol": "SASL_SSL",
                "sasl.mechanism": "SCRAM-SHA-512",
                "sasl.username": "desk",
                "sasl.password": "a long password",
                "ssl.ca.location": "ca.pem",
                "ssl.certificate.location": "own.pem",
                "ssl.key.location": "own.key",
            },
        ),
    ],
)
def test_what_a_client_is_told(security: Security, expected: dict[str, str]) -> None:
    assert kafka.client(security) == expected
    kafka.choose(lambda: security)
    assert kafka.configuration("broker:9092") == {"bootstrap.servers": "broker:9092", **expected}


def test_librdkafka_can_do_all_of_it() -> None:
    for mechanism in ("SCRAM-SHA-512", "SCRAM-SHA-256", "PLAIN"):
        told = kafka.client(Security(kafka.SASL_SSL, mechanism, "desk", "password"))
        Consumer({"group.id": "test", **told}).close()


def test_the_choice_is_asked_for_once_and_only_when_there_is_a_client() -> None:
    asked = []
    kafka.choose(lambda: asked.append(1) or LOGIN)  # type: ignore[func-returns-value]
    assert asked == []
    assert (kafka.security(), kafka.security(), asked) == (LOGIN, LOGIN, [1])


def test_nobody_sees_the_password() -> None:
    for shown in (str(LOGIN), repr(LOGIN), f"{LOGIN}"):
        assert LOGIN.password not in shown
    assert str(LOGIN) == "SASL_SSL, SCRAM-SHA-512 as desk, certificate own.pem"
    assert str(Security()) == "PLAINTEXT"


def test_faust_is_told_the_same(tmp_path: Path) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    ca = str(tmp_path / "ca.pem")
    assert credentials(Security()) is None
    plain = credentials(Security(kafka.SASL_PLAINTEXT, "SCRAM-SHA-256", "desk", "p"))
    assert isinstance(plain, SASLCredentials)
    assert (plain.protocol, plain.mechanism.value) == (AuthProtocol.SASL_PLAINTEXT, "SCRAM-SHA-256")
    full = credentials(Security(kafka.SASL_SSL, "SCRAM-SHA-512", "desk", "p", ca))
    assert isinstance(full, SASLCredentials)
    assert (full.protocol, full.username, full.password) == (AuthProtocol.SASL_SSL, "desk", "p")
    encrypted = credentials(Security(kafka.SSL, ca_file=ca))
    assert isinstance(encrypted, SSLCredentials)
    for context in (full.ssl_context, encrypted.context):
        assert isinstance(context, ssl.SSLContext)
        assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)


def test_no_second_place_makes_a_configuration_of_its_own() -> None:
    mentioned = {
        path.relative_to(ROOT).as_posix()
        for folder in ("engine", "streams", "gateway", "infra")
        for path in (ROOT / folder).rglob("*.py")
        if '"bootstrap.servers"' in path.read_text()
    }
    assert mentioned == {"engine/kafka.py"}
