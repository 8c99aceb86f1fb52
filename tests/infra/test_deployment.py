"""Compose file, image and systemd units: valid by their own tools, and in agreement with the program."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from infra.services import SERVICES, metrics_port
from infra.settings import PREFIX, Settings

INFRA = Path(__file__).parents[2] / "infra"
COMPOSE = INFRA / "compose.yaml"
UNITS = INFRA / "systemd"
OF_COMPOSE = {"HFT_VERSION", "HFT_PUBLISH"}
"""Variables of the compose file itself."""


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    loaded: dict[str, Any] = YAML(typ="safe").load(COMPOSE)
    return loaded


def variables(text: str) -> set[str]:
    return set(re.findall(rf"\b{PREFIX}[A-Z_]+\b", text))


def settings() -> set[str]:
    return {f"{PREFIX}{name.upper()}" for name in Settings.model_fields}


def tool(name: str) -> str:
    """A command-line tool among the test packages."""
    return str(Path(sys.executable).with_name(name))


def test_compose_follows_the_specification() -> None:
    command = [tool("check-jsonschema"), "--builtin-schema", "vendor.compose-spec", str(COMPOSE)]
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
    assert compose["networks"]["inside"]["internal"] is True
    for name in published:
        assert all(port.startswith("${HFT_PUBLISH:-127.0.0.1}:") for port in compose["services"][name]["ports"])


def test_every_container_has_limits_and_a_way_to_tell_that_it_works(compose: dict[str, Any]) -> None:
    for name, service in compose["services"].items():
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


def test_the_target_starts_every_service_but_the_simulated_market() -> None:
    wanted = set(re.findall(r"hft@([a-z-]+)\.service", (UNITS / "hft.target").read_text()))
    assert wanted == SERVICES.keys() - {"market", "alpaca"}
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
