"""The settings of Kafka's security: what fits together, and what is refused in one line that names the setting."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import trustme

from engine import kafka
from engine.publisher import WRITTEN
from engine.topics import BOOKS, STATE_HASHES, TOPICS
from infra import kafka_access, reference
from infra.child import secrets_of
from infra.errors import OperatorError
from infra.kafka_security import NONE, security
from infra.settings import ADDRESSES, SECRETS, Settings, load
from streams.rebuild import GROUP

PAGE = Path(__file__).parents[2] / "docs" / "security.md"
PASSWORD = "a password of the desk"
LOGIN = {
    "kafka_bootstrap": "broker:9092",
    "kafka_security_protocol": "SASL_SSL",
    "kafka_username": "desk",
    "kafka_password": PASSWORD,
}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("certificates")
    authority = trustme.CA()
    authority.cert_pem.write_to_path(folder / "ca.pem")
    for name in ("one", "two"):
        issued = authority.issue_cert(f"{name}.example")
        issued.private_key_pem.write_to_path(folder / f"{name}.key")
        issued.cert_chain_pems[0].write_to_path(folder / f"{name}.pem")
    (folder / "text.pem").write_text("no certificate\n")
    (folder / "empty").touch()
    (folder / "password").write_text(f"{PASSWORD}\n")
    return folder


def settings(**changes: Any) -> Settings:
    return Settings(_env_file=None, **changes)


def test_what_is_set_is_what_clients_are_told(files: Path) -> None:
    found = security(
        settings(
            **LOGIN,
            kafka_ca=str(files / "ca.pem"),
            kafka_certificate=str(files / "one.pem"),
            kafka_key=str(files / "one.key"),
        )
    )
    assert found[:4] == (kafka.SASL_SSL, "SCRAM-SHA-512", "desk", PASSWORD)
    assert found[4:] == tuple(str(files / name) for name in ("ca.pem", "one.pem", "one.key"))
    assert security(settings()) == kafka.Security()
    assert security(settings(**{**LOGIN, **NONE})) == kafka.Security()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({**LOGIN, "kafka_bootstrap": ""}, "HFT_KAFKA_SECURITY_PROTOCOL=SASL_SSL, but the embedded Kafka speaks PLAIN"),
        ({**LOGIN, "kafka_username": ""}, "SASL_SSL logs in: set HFT_KAFKA_USERNAME and HFT_KAFKA_PASSWORD_FILE"),
        ({**LOGIN, "kafka_password": ""}, "SASL_SSL logs in: set HFT_KAFKA_USERNAME and HFT_KAFKA_PASSWORD_FILE"),
        (
            {**LOGIN, "kafka_security_protocol": "PLAINTEXT"},
            "HFT_KAFKA_USERNAME is set, and HFT_KAFKA_SECURITY_PROTOCOL",
        ),
        ({"kafka_ca": "ca.pem"}, "HFT_KAFKA_CA is set, and HFT_KAFKA_SECURITY_PROTOCOL=PLAINTEXT uses none"),
        ({**LOGIN, "kafka_ca": "absent.pem"}, "HFT_KAFKA_CA=.*absent.pem: cannot be read: No such file"),
        ({**LOGIN, "kafka_ca": "text.pem"}, "HFT_KAFKA_CA=.*text.pem: holds no certificate in PEM form"),
        ({**LOGIN, "kafka_certificate": "one.pem"}, "HFT_KAFKA_CERTIFICATE and HFT_KAFKA_KEY belong together"),
        (
            {**LOGIN, "kafka_certificate": "one.pem", "kafka_key": "two.key"},
            "HFT_KAFKA_CERTIFICATE=.*one.pem: holds no certificate in PEM form, or HFT_KAFKA_KEY is not its key",
        ),
    ],
)
def test_what_does_not_fit_is_refused(files: Path, changes: dict[str, str], said: str) -> None:
    paths = ("kafka_ca", "kafka_certificate", "kafka_key")
    named = {name: str(files / value) if name in paths else value for name, value in changes.items()}
    with pytest.raises(OperatorError, match=said) as refused:
        security(settings(**named))
    assert PASSWORD not in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("name", SECRETS)
def test_a_secret_may_stand_in_a_file(files: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    variable = f"HFT_{name.upper()}"
    monkeypatch.setenv(f"{variable}_FILE", str(files / "password"))
    if name == "zeromq_key":
        (files / "key").write_text("x" * 40)
        monkeypatch.setenv(f"{variable}_FILE", str(files / "key"))
    found = load()
    value = getattr(found, name)
    assert value in (PASSWORD, "x" * 40)
    told = found.environment()
    assert (told[variable], value in told.values()) == ("", False)
    assert value not in reference.text(found)
    assert name in ADDRESSES or value in secrets_of(found)
    monkeypatch.setenv(variable, "another")
    with pytest.raises(OperatorError, match=f"^{variable} and {variable}_FILE are both set"):
        load()
    monkeypatch.delenv(variable)
    for file, why in (("absent", "cannot be read: No such file"), ("empty", "the file is empty")):
        monkeypatch.setenv(f"{variable}_FILE", str(files / file))
        with pytest.raises(OperatorError, match=f"^{variable}_FILE=.*{file}: {why}"):
            load()


def test_the_users_may_write_what_they_write() -> None:
    users = {user.name: user for user in kafka_access.USERS}
    assert {topic.name for topic in users["hft-publisher"].writes} == {t.name for t in (*WRITTEN, BOOKS, STATE_HASHES)}
    assert users["hft-streams"].groups == (GROUP,)
    written = {topic.name for user in users.values() for topic in user.writes}
    assert written == {topic.name for topic in TOPICS} - {"orders"}


def test_the_page_has_the_commands() -> None:
    page = PAGE.read_text()
    for user in kafka_access.USERS:
        for rule in kafka_access.rules(user):
            assert f"    {kafka_access.command(rule)}\n" in page, "`hft kafka-access --commands` prints them"
    for rule in kafka_access.producer_rules("desk"):
        assert f"    {kafka_access.command(rule)}\n" in page
