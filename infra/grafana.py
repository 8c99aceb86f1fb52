"""`hft grafana`: a Grafana of this machine, and a Prometheus beside it, that show the running system.

Both are programs of yours; neither comes with the packages. They listen on loopback, keep their data under VAR, and end
with the command."""

from __future__ import annotations

import json
import shutil
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Final

from psycopg.conninfo import conninfo_to_dict

from infra.errors import OperatorError
from infra.folders import Folders
from infra.ports import Wanted, check
from infra.process import Process, Program
from infra.settings import Settings

HERE: Final = Path(__file__).parent.parent / "dashboards" / "grafana"
HOME: Final = Path("/usr/share/grafana")
"""Of packages of distributions."""
HOST: Final = "127.0.0.1"
POLL_S: Final = 0.5


def grafana_program(setting: str) -> Path:
    """Raises `OperatorError` where there is none."""
    found = shutil.which(setting or "grafana")
    if found is None:
        raise OperatorError(
            f"{setting or 'grafana'} is not a program here: install Grafana, or set HFT_GRAFANA to its program (of "
            "version 11 or later); infra/compose.yaml has one too"
        )
    return Path(found)


def prometheus_program() -> Path:
    """Raises `OperatorError` where there is none."""
    found = shutil.which("prometheus")
    if found is None:
        raise OperatorError(
            "there is no Prometheus here: install it (Debian: apt-get install prometheus), or set HFT_PROMETHEUS_URL "
            "to one of yours"
        )
    return Path(found)


def answers(url: str) -> Callable[[], bool]:
    def ask() -> bool:
        try:
            with urllib.request.urlopen(url, timeout=2) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False

    return ask


def prometheus(settings: Settings, folders: Folders, program: Path) -> Program:
    """It scrapes every process that `hft up` has started, and evaluates the alert rules."""
    folder = folders.var / "prometheus"
    files = {"files": [str(folders.metrics / "*.json")], "refresh_interval": "10s"}
    configuration = {
        "global": {"scrape_interval": "5s", "evaluation_interval": "15s"},
        "rule_files": [str(HERE / "alerts.yaml")],
        "scrape_configs": [{"job_name": "hft", "file_sd_configs": [files]}],
    }

    def write() -> None:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "prometheus.yml").write_text(json.dumps(configuration, indent=1))  # JSON is YAML

    return Program(
        name="prometheus",
        command=(
            str(program),
            f"--config.file={folder / 'prometheus.yml'}",
            f"--storage.tsdb.path={folder / 'data'}",
            f"--web.listen-address={HOST}:{settings.prometheus_port}",
        ),
        log=folders.log("prometheus"),
        probe=answers(f"http://{HOST}:{settings.prometheus_port}/-/ready"),
        prepare=write,
    )


def grafana(settings: Settings, folders: Folders, program: Path, prometheus_url: str) -> Program:
    """Everybody on this machine may look, nobody has to log in."""
    home = program.resolve().parent.parent
    folder = folders.var / "grafana"
    return Program(
        name="grafana",
        command=(str(program), "server", "--homepath", str(home if (home / "public").is_dir() else HOME)),
        log=folders.log("grafana"),
        environment={
            **sources(settings.dsn, prometheus_url),
            "GF_SERVER_HTTP_ADDR": HOST,
            "GF_SERVER_HTTP_PORT": str(settings.grafana_port),
            "GF_PATHS_DATA": str(folder),
            "GF_PATHS_LOGS": str(folder / "logs"),
            "GF_PATHS_PLUGINS": str(folder / "plugins"),
            "GF_PATHS_PROVISIONING": str(HERE / "provisioning"),
            "GF_AUTH_ANONYMOUS_ENABLED": "true",
            "GF_AUTH_ANONYMOUS_ORG_ROLE": "Viewer",
            "GF_ANALYTICS_REPORTING_ENABLED": "false",
            "GF_ANALYTICS_CHECK_FOR_UPDATES": "false",
        },
        probe=answers(f"http://{HOST}:{settings.grafana_port}/api/health"),
        prepare=lambda: folder.mkdir(parents=True, exist_ok=True),
    )


def sources(dsn: str, prometheus_url: str) -> dict[str, str]:
    """The variables that the provisioning of the data sources reads."""
    parts = conninfo_to_dict(dsn)
    return {
        "PROMETHEUS_URL": prometheus_url,
        "POSTGRES_ADDRESS": f"{parts.get('host') or 'localhost'}:{parts.get('port') or 5432}",
        "POSTGRES_USER": str(parts.get("user") or ""),
        "POSTGRES_PASSWORD": str(parts.get("password") or ""),
        "POSTGRES_DATABASE": str(parts.get("dbname") or ""),
        "POSTGRES_SSLMODE": str(parts.get("sslmode") or "disable"),
        "BOARDS_FOLDER": str(HERE / "boards"),
    }


def show(settings: Settings, folders: Folders, say: Callable[[str], None]) -> None:
    """Runs both until interrupted. Raises `OperatorError` where a program is missing, or one of them ends."""
    found = grafana_program(settings.grafana)
    wanted = [Wanted(HOST, settings.grafana_port, "Grafana", "HFT_GRAFANA_PORT")]
    programs = []
    url = settings.prometheus_url
    if not url:
        url = f"http://{HOST}:{settings.prometheus_port}"
        programs.append(prometheus(settings, folders, prometheus_program()))
        wanted.append(Wanted(HOST, settings.prometheus_port, "Prometheus", "HFT_PROMETHEUS_PORT"))
    programs.append(grafana(settings, folders, found, url))
    folders.create()
    check(wanted)
    running: list[Process] = []
    try:
        for program in programs:
            running.append(Process(program))
            running[-1].wait_ready()
        say(f"Grafana: http://{HOST}:{settings.grafana_port}/dashboards, Prometheus: {url}; Ctrl-C stops them")
        while True:
            for process in running:
                if process.exit_code is not None:
                    raise OperatorError(process.obituary())
            time.sleep(POLL_S)
    finally:
        for process in reversed(running):
            process.stop()
