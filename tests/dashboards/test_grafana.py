"""The dashboards: as their declaration makes them, and every query of every panel against what it asks."""

from __future__ import annotations

import json
import math
import re
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import psycopg
import pytest
from ruamel.yaml import YAML

from dashboards.grafana.__main__ import FOLDER, texts
from dashboards.grafana.panels import POSTGRES, PROMETHEUS
from engine import topics
from engine.client import Client
from engine.messages import NewOrder
from infra.ports import free_ports
from infra.process import Program
from streams.consumer import log_bounds
from tests.integration.waiting import wait_for
from tests.system import System, running, running_system

ROOT = Path(__file__).parents[2]
HERE = ROOT / "dashboards" / "grafana"
MISSING = "Prometheus is not installed (Debian: apt-get install prometheus)"
needs_prometheus = pytest.mark.skipif(not (shutil.which("prometheus") and shutil.which("promtool")), reason=MISSING)


class Query(NamedTuple):
    panel: str
    source: str
    text: str


def queries() -> list[Query]:
    """Of the committed dashboards, as Grafana reads them."""
    found = []
    for path in sorted(FOLDER.glob("*.json")):
        for panel in json.loads(path.read_text())["panels"]:
            for target in panel.get("targets", ()):
                named = f"{path.stem}: {panel['title']}"
                found.append(Query(named, target["datasource"]["uid"], target.get("expr") or target["rawSql"]))
    return found


def test_the_committed_dashboards_are_fresh() -> None:
    assert {path.name: path.read_text() for path in FOLDER.glob("*.json")} == texts(), "make docs writes them"


def test_every_panel_asks_a_data_source_that_is_provisioned_for_a_metric_that_is_documented() -> None:
    provisioned = YAML(typ="safe").load(HERE / "provisioning" / "datasources" / "hft.yaml")["datasources"]
    assert {source["uid"] for source in provisioned} == {PROMETHEUS.uid, POSTGRES.uid}
    assert {source["type"] for source in provisioned} == {PROMETHEUS.type_val, POSTGRES.type_val}
    documented = set(re.findall(r"^\| `(hft_\w+)` \|", (ROOT / "docs" / "metrics.md").read_text(), re.MULTILINE))
    asked: set[str] = set()
    for query in queries():
        assert query.source in (PROMETHEUS.uid, POSTGRES.uid), query.panel
        if query.source == PROMETHEUS.uid:
            names = set(re.findall(r"\bhft_\w+", query.text))
            asked |= {re.sub(r"_(bucket|sum|count)$", "", name) for name in names}
    assert asked - documented == set()
    assert len(asked) > 30


@needs_prometheus
@pytest.mark.parametrize(
    "command",
    [
        ("check", "config", "prometheus.yml"),
        ("check", "config", "prometheus-compose.yml"),
        ("check", "rules", "alerts.yaml"),
        ("test", "rules", "alerts_test.yaml"),
    ],
)
def test_prometheus_takes_configuration_and_rules(command: tuple[str, ...]) -> None:
    done = subprocess.run(("promtool", *command), cwd=HERE, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@needs_prometheus
def test_the_configuration_of_bare_metal_is_made_as_its_page_says(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "bare-metal.md").read_text()
    [line] = re.findall(r"^    (sed -E .*) > /etc/prometheus/prometheus\.yml$", page, re.MULTILINE)
    made = subprocess.run(("bash", "-c", line), env={"G": str(HERE), "PATH": "/usr/bin:/bin"}, capture_output=True)
    (tmp_path / "prometheus.yml").write_bytes(made.stdout)
    shutil.copy(HERE / "alerts.yaml", tmp_path)
    command = ("promtool", "check", "config", "prometheus.yml")
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    [job] = YAML(typ="safe").load(tmp_path / "prometheus.yml")["scrape_configs"]
    hosts = {target.split(":")[0] for one in job["static_configs"] for target in one["targets"]}
    assert hosts == {"127.0.0.1"}


@needs_prometheus
def test_prometheus_can_read_every_query(tmp_path: Path) -> None:
    asked = [query for query in queries() if query.source == PROMETHEUS.uid]
    rules = [
        {"record": f"panel:{number}", "expr": query.text.replace("$__rate_interval", "1m")}
        for number, query in enumerate(asked)
    ]
    YAML().dump({"groups": [{"name": "panels", "rules": rules}]}, tmp_path / "rules.yaml")
    command = ("promtool", "check", "rules", "rules.yaml")
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(asked) > 60


def test_every_alert_is_tried() -> None:
    reader = YAML(typ="safe")
    rules = {rule["alert"] for rule in reader.load(HERE / "alerts.yaml")["groups"][0]["rules"]}
    raised = {
        case["alertname"]
        for test in reader.load(HERE / "alerts_test.yaml")["tests"]
        for case in test.get("alert_rule_test", ())
        if case.get("exp_alerts")
    }
    assert raised == rules


# ------------------------------------------------------------------------------------------- the running system


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """A system in which the simulated market trades, a client streams, and one order was refused."""
    with running_system(tmp_path_factory.mktemp("market") / "var", market="simulated", market_rate=80.0) as system:
        with Client(system.settings.zeromq, system.token(role="service")) as client:
            # Refused by the engine, and so reported: what cannot be read never gets a number.
            sale = {"side": "sell", "quantity": Decimal(1), "order_type": "market", "time_in_force": "ioc"}
            refused = NewOrder(account="demo", symbol="AAPL", reduce_only=True, **sale)
            assert client.submit([refused])[0].outcome == "rejected"
        stop = threading.Event()

        def stream() -> None:
            headers = {"Authorization": f"Bearer {system.token()}"}
            with httpx.stream("GET", f"{system.url}/api/stream?topics=orders", headers=headers, timeout=60) as events:
                for _ in events.iter_lines():
                    if stop.is_set():
                        return

        thread = threading.Thread(target=stream, daemon=True)
        thread.start()
        yield system
        stop.set()
        thread.join(60)


@pytest.fixture(scope="module")
def prometheus(market: System, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """URL of a Prometheus that scrapes the system every second."""
    folder = tmp_path_factory.mktemp("prometheus")
    (port,) = free_ports(1)
    configuration = YAML(typ="safe").load(HERE / "prometheus.yml")
    configuration["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    configuration["rule_files"] = [str(HERE / "alerts.yaml")]
    files = [str(market.folders.metrics / "*.json")]
    configuration["scrape_configs"][0]["file_sd_configs"] = [{"files": files, "refresh_interval": "1s"}]
    YAML().dump(configuration, folder / "prometheus.yml")
    url = f"http://127.0.0.1:{port}"

    def answers() -> bool:
        try:
            return httpx.get(f"{url}/-/ready", timeout=2).status_code == 200
        except httpx.HTTPError:
            return False

    program = Program(
        name="prometheus",
        command=(
            shutil.which("prometheus") or "prometheus",
            f"--config.file={folder / 'prometheus.yml'}",
            f"--storage.tsdb.path={folder / 'data'}",
            f"--web.listen-address=127.0.0.1:{port}",
        ),
        log=folder / "prometheus.log",
        probe=answers,
    )
    with running(program):
        yield url


def ask(url: str, expression: str) -> list[float]:
    """The values of all series that the expression gives now."""
    answer = httpx.get(f"{url}/api/v1/query", params={"query": expression}, timeout=20).json()
    assert answer["status"] == "success", answer
    data: dict[str, Any] = answer["data"]
    found = [data["result"]] if data["resultType"] == "scalar" else [series["value"] for series in data["result"]]
    return [float(value) for _, value in found]


@needs_prometheus
@pytest.mark.prometheus
def test_every_query_of_every_panel_returns_values(market: System, prometheus: str) -> None:
    empty: list[Query] = []
    deadline = time.monotonic() + 180
    waiting = queries()
    with psycopg.connect(market.settings.dsn, autocommit=True) as connection:
        while waiting and time.monotonic() < deadline:
            empty = []
            assert httpx.get(f"{market.url}/healthz", timeout=20).status_code == 200  # so that there are requests
            for query in waiting:
                if query.source == PROMETHEUS.uid:
                    values = ask(prometheus, query.text.replace("$__rate_interval", "20s"))
                    there = any(math.isfinite(value) for value in values)
                else:
                    text = re.sub(r"\$__timeFilter\((\w+)\)", r"\1 > now() - interval '1 hour'", query.text)
                    there = connection.execute(text.encode()).fetchone() is not None
                if not there:
                    empty.append(query)
            waiting = empty
            time.sleep(1)
    assert empty == []


@needs_prometheus
@pytest.mark.prometheus
def test_the_figures_are_those_of_the_topics(market: System, prometheus: str) -> None:
    def ends(topic: str) -> int:
        return sum(end for _, end in log_bounds(market.settings.bootstrap, [topic]).values())

    for topic, expression in (
        (topics.FILLS, "sum(hft_fills_total)"),
        (topics.ORDER_EVENTS, "sum(hft_order_reports_total)"),
    ):
        low = ends(topic.name)
        # The counters are a quarter of a second behind, and the scrape up to a second.
        value = wait_for(
            f"{expression} of what {topic.name} held",
            lambda e=expression, n=low: next(  # type: ignore[misc]
                (found for found in ask(prometheus, e) if found >= n), 0.0
            ),
        )
        assert low <= value <= ends(topic.name)
    with psycopg.connect(market.settings.dsn, autocommit=True) as connection:
        turnover = "sum(hft_traded_notional_total)"

        def traded() -> float:
            row = connection.execute("SELECT coalesce(sum(price * quantity), 0) FROM trades").fetchone()
            assert row is not None
            return float(row[0])

        low_turnover = traded()
        told = wait_for("the turnover", lambda: next((v for v in ask(prometheus, turnover) if v >= low_turnover), 0.0))
        assert low_turnover > 0
        wait_for("Postgres to have it too", lambda: traded() >= told * (1 - 1e-9))


@needs_prometheus
@pytest.mark.prometheus
def test_no_alert_is_raised_by_a_system_that_is_well(market: System, prometheus: str) -> None:
    answer = httpx.get(f"{prometheus}/api/v1/rules", timeout=20).json()
    rules = answer["data"]["groups"][0]["rules"]
    assert len(rules) > 5
    assert {rule["health"] for rule in rules} <= {"ok", "unknown"}
    assert [rule["name"] for rule in rules if rule["state"] == "firing" and rule["name"] != "HftEngineSlow"] == []
