"""Compose file, image and systemd units: valid by their own tools, and in agreement with the program."""

from __future__ import annotations

import re
import shutil
import ssl
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from cryptography.x509 import DNSName, SubjectAlternativeName, load_pem_x509_certificates
from ruamel.yaml import YAML

from infra.kafka_access import USERS
from infra.services import SERVICES, metrics_port
from infra.settings import PREFIX, SECRETS, Settings
from tests.infra.secure_kafka import read_properties

INFRA = Path(__file__).parents[2] / "infra"
COMPOSE = INFRA / "compose.yaml"
PRODUCTION = INFRA / "compose.production.yaml"
UNITS = INFRA / "systemd"
OF_COMPOSE = {"HFT_VERSION", "HFT_PUBLISH"}
"""Variables of the compose file itself."""


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    loaded: dict[str, Any] = YAML(typ="safe").load(COMPOSE)
    return loaded


@pytest.fixture(scope="module")
def production() -> dict[str, Any]:
    loaded: dict[str, Any] = YAML(typ="safe").load(PRODUCTION)
    return loaded


def variables(text: str) -> set[str]:
    return set(re.findall(rf"\b{PREFIX}[A-Z_]+\b", text))


def settings() -> set[str]:
    return {f"{PREFIX}{name.upper()}" for name in Settings.model_fields}


def tool(name: str) -> str:
    """A command-line tool among the test packages."""
    return str(Path(sys.executable).with_name(name))


def test_compose_follows_the_specification() -> None:
    command = [tool("check-jsonschema"), "--builtin-schema", "vendor.compose-spec", str(COMPOSE), str(PRODUCTION)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_image_passes_the_linter() -> None:
    command = [tool("hadolint"), str(INFRA / "Dockerfile")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_compose_runs_every_service_and_names_only_settings_that_exist(compose: dict[str, Any]) -> None:
    commands = {name: service.get("command") for name, service in compose["services"].items()}
    assert SERVICES.keys() <= commands.keys()
    for name in SERVICES:
        assert commands[name][:2] == ["run", name]
    assert variables(COMPOSE.read_text()) - settings() - OF_COMPOSE == set()
    assert variables((INFRA / "compose.env").read_text()) - settings() - OF_COMPOSE == set()


def test_any_setting_can_be_given_to_the_containers(compose: dict[str, Any], production: dict[str, Any]) -> None:
    for file in (compose, production):
        for name in SERVICES.keys() & file["services"].keys():
            assert file["services"][name]["env_file"] == [{"path": "../settings.env", "required": False}], name


def test_prometheus_scrapes_every_container_of_ours_at_its_own_port(compose: dict[str, Any]) -> None:
    configuration = YAML(typ="safe").load(INFRA.parent / "dashboards" / "grafana" / "prometheus-compose.yml")
    [job] = configuration["scrape_configs"]
    told = {one["labels"]["process"]: one["targets"] for one in job["static_configs"]}
    told |= {one["names"][0]: [f"{one['names'][0]}:{one['port']}"] for one in job["dns_sd_configs"]}
    environment = compose["services"]["engine"]["environment"]
    settings = Settings(metrics_port=int(environment["HFT_METRICS_PORT"]))
    assert told == {name: [f"{name}:{metrics_port(name, settings)}"] for name in SERVICES}
    for name in SERVICES:
        assert compose["services"][name]["environment"].items() >= environment.items()


def test_what_is_mounted_is_there(compose: dict[str, Any]) -> None:
    mounted = [
        volume.split(":")[0]
        for service in compose["services"].values()
        for volume in service.get("volumes", ())
        if volume.startswith("..")
    ]
    assert len(mounted) >= 4
    assert [path for path in mounted if not (INFRA / path).exists()] == []


def test_grafana_is_given_every_variable_that_its_provisioning_reads(compose: dict[str, Any]) -> None:
    folder = INFRA.parent / "dashboards" / "grafana" / "provisioning"
    read = {name for path in folder.rglob("*.yaml") for name in re.findall(r"\$([A-Z_]+)", path.read_text())}
    assert read <= compose["services"]["grafana"]["environment"].keys()
    assert len(read) > 5


def test_compose_publishes_nothing_but_what_people_open(compose: dict[str, Any]) -> None:
    published = {name for name, service in compose["services"].items() if "ports" in service}
    assert published <= {"gateway", "terminal", "grafana"}
    assert compose["networks"]["inside"]["internal"] == "${INTERNAL:-true}"
    for name in published:
        assert all(port.startswith("${HFT_PUBLISH:-127.0.0.1}:") for port in compose["services"][name]["ports"])


def test_every_container_has_limits_and_a_way_to_tell_that_it_works(
    compose: dict[str, Any], production: dict[str, Any]
) -> None:
    for name, service in (*compose["services"].items(), *production["services"].items()):
        assert service["deploy"]["resources"]["limits"]["memory"], name
        assert "healthcheck" in service, name


def test_no_secret_has_a_default(compose: dict[str, Any]) -> None:
    text = COMPOSE.read_text()
    for secret in ("POSTGRES_PASSWORD", "HFT_JWT_SECRET", "GRAFANA_PASSWORD"):
        assert set(re.findall(rf"\${{{secret}(.)", text)) == {":"}
        assert all(f"{secret}:?" in use for use in re.findall(rf"\${{{secret}[^}}]*}}", text))
    lines = (INFRA / "compose.env").read_text().splitlines()
    assert "POSTGRES_PASSWORD=" in lines
    assert "HFT_JWT_SECRET=" in lines


def test_production_runs_every_service_as_its_own_user_of_kafka(production: dict[str, Any]) -> None:
    services = production["services"]
    users = {"hft-setup": ["setup"], "hft-sinks": ["sink-postgres", "sink-redis"]}
    for name in SERVICES.keys() - {"market"}:
        assert services[name]["command"][:2] == ["run", name]
    for user in USERS:
        if user.name == "hft-strategy":  # a strategy is run by whoever trades with it
            continue
        for name in users.get(user.name, [user.name.removeprefix("hft-")]):
            assert services[name]["environment"]["HFT_KAFKA_USERNAME"] == user.name
            assert {"source": user.name, "target": "kafka_password"} in services[name]["secrets"]
            assert production["secrets"][user.name] == {"file": f"${{SECRETS}}/kafka/{user.name}"}


def test_production_names_only_settings_secrets_and_files_that_exist(production: dict[str, Any]) -> None:
    assert variables(PRODUCTION.read_text()) - settings() - OF_COMPOSE == set()
    assert variables((INFRA / "production.env").read_text()) - settings() - OF_COMPOSE == set()
    for name, service in production["services"].items():
        given = {one if isinstance(one, str) else one["target"] for one in service.get("secrets", ())}
        sources = {one if isinstance(one, str) else one["source"] for one in service.get("secrets", ())}
        assert sources <= production["secrets"].keys(), name
        told = {value for value in service.get("environment", {}).values() if str(value).startswith("/run/secrets/")}
        assert {value.removeprefix("/run/secrets/") for value in told} <= given, name
        for volume in service.get("volumes", ()):
            source = volume.partition(":")[0]
            assert (INFRA / source).exists() if source.startswith(".") else True, volume
    used = {value for service in production["services"].values() for value in map(str, service.get("secrets", ()))}
    assert {name for name in production["secrets"] if not any(name in one for one in used)} == set()


def test_production_settings_are_taken_as_they_are(production: dict[str, Any], tmp_path: Path) -> None:
    """What each service is given makes settings, with files that hold what a secret holds."""
    (tmp_path / "kafka_password").write_text("password")
    for name in SERVICES.keys() - {"market"}:
        environment = production["services"][name]["environment"]
        plain = {key: value for key, value in environment.items() if "${" not in str(value)}
        files = {key: value for key, value in plain.items() if key.endswith("_FILE")}
        given: dict[str, Any] = {
            key.removeprefix(PREFIX).lower(): value for key, value in plain.items() if key not in files
        }
        given.pop("xdg_cache_home")
        found = Settings(_env_file=None, **given)  # type: ignore[call-arg]
        assert {key.removeprefix(PREFIX).lower() for key in files} <= Settings.model_fields.keys()
        assert (found.demo_password, found.jwt_secret) == ("", "")
        if "HFT_KAFKA_USERNAME" in environment:
            assert (found.kafka_security_protocol, found.replication_factor) == ("SASL_SSL", 3)
            assert found.min_insync_replicas == 2


def test_production_encrypts_every_way_between_the_parts(production: dict[str, Any]) -> None:
    services = production["services"]
    lines = read_properties()
    assert set(lines["listener.security.protocol.map"].split(",")) == {
        "CLIENTS:SASL_SSL",
        "CONTROLLER:SSL",
        "BROKERS:SSL",
    }
    assert (lines["default.replication.factor"], lines["min.insync.replicas"]) == ("3", "2")
    assert lines["allow.everyone.if.no.acl.found"] == "false"
    hosts = {f"kafka-{number}" for number in (1, 2, 3)}
    assert {name for name in services if name.startswith("kafka-") and name[-1].isdigit()} == hosts
    assert {service["hostname"] for name, service in services.items() if name in hosts} == hosts
    assert "-cssl=on" in services["timescaledb"]["command"]
    access = [
        line.split()[0] for line in (INFRA / "production" / "pg_hba.conf").read_text().splitlines() if line[0] != "#"
    ]
    assert access == ["local", "hostssl"]
    redis = (INFRA / "production" / "redis.conf").read_text().splitlines()
    assert {"port 0", "tls-port 6379"} <= set(redis)
    assert services["gateway"]["environment"]["HFT_TLS_CERTIFICATE"] == "/run/secrets/gateway_certificate"
    assert services["engine"]["environment"]["HFT_ZEROMQ_KEY_FILE"] == "/run/secrets/zeromq_key"
    assert services["grafana"]["environment"]["GF_SERVER_PROTOCOL"] == "https"


def test_production_publishes_no_more_than_the_other(compose: dict[str, Any], production: dict[str, Any]) -> None:
    def published(file: dict[str, Any]) -> dict[str, Any]:
        return {name: service["ports"] for name, service in file["services"].items() if "ports" in service}

    assert published(production) == published(compose)
    assert production["networks"] == {"inside": {"internal": True}, "outside": None}
    outside = {name for name, one in production["services"].items() if "outside" in one.get("networks", ())}
    assert outside == {"gateway", "grafana", "alpaca", "venue"}


def test_production_shows_the_boards_on_the_same_data_sources() -> None:
    usual = INFRA.parent / "dashboards" / "grafana" / "provisioning" / "datasources" / "hft.yaml"

    def sources(path: Path) -> list[tuple[str, str, str]]:
        loaded = YAML(typ="safe").load(path)
        return [(one["name"], one["uid"], one["type"]) for one in loaded["datasources"]]

    assert sources(INFRA / "production" / "grafana-datasources.yaml") == sources(usual)


def test_no_secret_of_production_stands_in_the_environment() -> None:
    text = PRODUCTION.read_text() + (INFRA / "production.env").read_text()
    for secret in SECRETS:
        assert not re.search(rf"{PREFIX}{secret.upper()}[:=] *[^\s\"#]", text), secret
    assert "PASSWORD=" not in text


def test_the_target_starts_every_service_but_the_simulated_market() -> None:
    wanted = set(re.findall(r"hft@([a-z-]+)\.service", (UNITS / "hft.target").read_text()))
    assert wanted == SERVICES.keys() - {"market", "alpaca", "venue"}
    assert variables((UNITS / "hft.env").read_text()) - settings() == set()


def test_systemd_takes_the_units(tmp_path: Path) -> None:
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("there is no systemd-analyze here")
    shutil.copytree(UNITS, tmp_path / "units")
    for unit in (tmp_path / "units").rglob("*.service"):
        # The program is not installed where the units look for it.
        unit.write_text(unit.read_text().replace("/opt/hft/bin/hft", "/bin/true"))
    names = ["hft-kafka.service", "hft-setup.service", "hft@engine.service", "hft@gateway.service", "hft.target"]
    done = subprocess.run(
        [analyze, "verify", "--man=no", *names],
        env={"SYSTEMD_UNIT_PATH": f"{tmp_path / 'units'}:", "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    said = [line for line in done.stderr.splitlines() if "Dependency After=hft@engine.service is dropped" not in line]
    assert (done.returncode, said) == (0, [])


def test_the_secrets_of_production_are_all_made(production: dict[str, Any], tmp_path: Path) -> None:
    """By the script, but for those that other commands make; each broker's certificate is of its own host."""
    if shutil.which("openssl") is None:
        pytest.skip("there is no openssl here")
    folder = tmp_path / "made"
    command = [str(INFRA / "production" / "secrets.sh"), str(folder), "desk.example"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    made = {path.name for path in folder.iterdir()}
    elsewhere = {user.name for user in USERS} | {"zeromq_key", "alpaca_keys"}
    assert production["secrets"].keys() - elsewhere == made - {"ca.key", "kafka"}
    assert [path for path in folder.iterdir() if path.stat().st_mode & 0o077] == []
    trusted = ssl.create_default_context(cafile=folder / "ca")
    assert len(trusted.get_ca_certs()) == 1
    for number in (1, 2, 3):
        keystore = folder / f"kafka_{number}_keystore"
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(keystore)
        assert hosts(keystore) == [f"kafka-{number}"]
    assert hosts(folder / "gateway_certificate") == ["gateway", "localhost", "desk.example"]
    again = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert (again.returncode, "is there already" in again.stderr) == (1, True)


def hosts(pem: Path) -> list[str]:
    found = load_pem_x509_certificates(pem.read_bytes())[0]
    names = found.extensions.get_extension_for_class(SubjectAlternativeName).value
    return names.get_values_for_type(DNSName)
