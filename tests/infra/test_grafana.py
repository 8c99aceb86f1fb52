"""`hft grafana`: what is missing is said, and what is started is the real Prometheus with our rules."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from infra.folders import folders
from infra.grafana import HERE, grafana, prometheus, prometheus_program, sources
from infra.ports import free_ports
from infra.settings import Settings
from tests.system import running


def test_a_grafana_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    environment = {**os.environ, "HFT_VAR": str(tmp_path), "HFT_GRAFANA": "/nowhere/grafana"}
    command = (sys.executable, "-m", "infra.cli", "grafana")
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("hft: /nowhere/grafana is not a program here: install Grafana, or set HFT_GRAFANA")
    assert done.stderr.count("\n") == 1


def test_grafana_is_given_all_that_its_provisioning_reads(tmp_path: Path) -> None:
    given = sources("postgresql://ann:s3cret@db:5434/hft?sslmode=require", "http://127.0.0.1:9090")
    assert given["POSTGRES_ADDRESS"] == "db:5434"
    assert (given["POSTGRES_USER"], given["POSTGRES_PASSWORD"]) == ("ann", "s3cret")
    assert (given["POSTGRES_DATABASE"], given["POSTGRES_SSLMODE"]) == ("hft", "require")
    assert sources(Settings().dsn, "")["POSTGRES_SSLMODE"] == "disable"
    program = grafana(Settings(), folders(tmp_path), Path("/opt/grafana/bin/grafana"), "http://127.0.0.1:9090")
    read = {
        name
        for path in (HERE / "provisioning").rglob("*.yaml")
        for name in re.findall(r"\$([A-Z_]+)", path.read_text())
    }
    assert read <= program.environment.keys()
    assert Path(program.environment["BOARDS_FOLDER"]).is_dir()


@pytest.mark.skipif(shutil.which("prometheus") is None, reason="Prometheus is not installed")
def test_prometheus_starts_with_our_rules(tmp_path: Path) -> None:
    (port,) = free_ports(1)
    where = folders(tmp_path)
    where.create()
    with running(prometheus(Settings(prometheus_port=port), where, prometheus_program())):
        rules = httpx.get(f"http://127.0.0.1:{port}/api/v1/rules", timeout=10).json()["data"]["groups"][0]["rules"]
        assert "HftProcessDown" in {rule["name"] for rule in rules}
