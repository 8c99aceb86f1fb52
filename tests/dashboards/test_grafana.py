"""The dashboards: as their declaration makes them, and every query of every panel against what it asks."""

from __future__ import annotations

import json
import math
import os
import re
import shutil
import signal
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import msgspec
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
from streams.consumer import log_bounds, read_to_end
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


Figures = dict[tuple[str, ...], float]


def told(url: str, expression: str, *labels: str) -> Figures:
    """What Prometheus says now, by the labels' values."""
    answer = httpx.get(f"{url}/api/v1/query", params={"query": expression}, timeout=20).json()
    assert answer["status"] == "success", answer
    return {
        tuple(series["metric"][label] for label in labels): float(series["value"][1])
        for series in answer["data"]["result"]
    }


def records(bootstrap: str, topic: topics.Topic) -> list[Any]:
    decoder = msgspec.json.Decoder(topic.record)
    starts = dict.fromkeys(log_bounds(bootstrap, [topic.name]))
    return [decoder.decode(message.value() or b"") for batch in read_to_end(bootstrap, starts) for message in batch]


@contextmanager
def held(system: System, name: str) -> Iterator[None]:
    """A process that does nothing while the block runs."""
    pid = system.service(name).pid
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def latest(found: list[Any], *keys: str) -> dict[tuple[str, ...], Any]:
    """The last record of each key, by the command that it follows from."""
    ordered = sorted(found, key=lambda record: record.last_seq if hasattr(record, "last_seq") else record.seq)
    return {tuple(getattr(record, key) for key in keys): record for record in ordered}


def of_topics(bootstrap: str) -> dict[tuple[str, str, tuple[str, ...]], Figures]:
    """(what is asked, aggregation, labels) → what the topics come to: counts and sums of all records, and the last of
    each key. Decimal up to the end."""
    fills, trades = records(bootstrap, topics.FILLS), records(bootstrap, topics.TRADES)
    events = records(bootstrap, topics.ORDER_EVENTS)
    accepted = [event for event in events if event.exec_type == "new"]
    found: dict[tuple[str, str, tuple[str, ...]], Figures] = {}

    def count(name: str, labels: tuple[str, ...], of: Iterable[tuple[str, ...]]) -> None:
        found[name, "sum", labels] = {key: float(number) for key, number in Counter(of).items()}

    count("hft_fills_total", ("symbol", "liquidity"), ((fill.symbol, fill.liquidity) for fill in fills))
    count("hft_order_reports_total", ("exec_type",), ((event.exec_type,) for event in events))
    count('hft_orders_total{outcome="accepted"}', ("order_type",), ((event.order_type,) for event in accepted))
    for name, size in (
        ("hft_traded_quantity_total", lambda trade: Decimal(trade.quantity)),
        ("hft_traded_notional_total", lambda trade: Decimal(trade.quantity) * Decimal(trade.price)),
    ):
        sums: dict[tuple[str, ...], Decimal] = {}
        for trade in trades:
            sums[trade.symbol,] = sums.get((trade.symbol,), Decimal(0)) + size(trade)
        found[name, "sum", ("symbol",)] = {key: float(value) for key, value in sums.items()}
    for field in ("quantity", "realized_pnl"):
        positions = latest(records(bootstrap, topics.POSITIONS), "account", "symbol")
        found[f"hft_position_{field}", "max", ("account", "symbol")] = {
            key: float(getattr(record, field)) for key, record in positions.items()
        }
    for field in ("equity", "realized_pnl", "unrealized_pnl", "fees", "drawdown", "gross_exposure", "net_exposure"):
        accounts = {(record.account,): record for record in records(bootstrap, topics.PNL)}
        found[f"hft_account_{field}", "max", ("account",)] = {
            key: float(getattr(record, field)) for key, record in accounts.items()
        }
    books = latest(records(bootstrap, topics.BOOKS), "symbol")
    both = {key: (Decimal(book.bids[0][0]), Decimal(book.asks[0][0])) for key, book in books.items()}
    found["hft_book_mid_price", "max", ("symbol",)] = {key: float((bid + ask) / 2) for key, (bid, ask) in both.items()}
    found["hft_book_spread", "max", ("symbol",)] = {key: float(ask - bid) for key, (bid, ask) in both.items()}
    sides = {(*key, side): levels for key, book in books.items() for side, levels in
             (("buy", book.bids), ("sell", book.asks))}  # fmt: skip
    found["hft_book_depth_quantity", "max", ("symbol", "side")] = {
        key: float(sum(Decimal(quantity) for _, quantity, _ in levels)) for key, levels in sides.items()
    }
    found["hft_book_best_quantity", "max", ("symbol", "side")] = {
        key: float(levels[0][1]) for key, levels in sides.items()
    }
    return found


@needs_prometheus
@pytest.mark.prometheus
def test_the_figures_are_those_of_the_topics(market: System, prometheus: str) -> None:
    """While the market holds still: whatever a panel shows of orders, trades, books, positions and P&L is computed
    again from the topics alone."""
    bootstrap = market.settings.bootstrap

    def all_is_read() -> bool:
        ends = sum(end for _, end in log_bounds(bootstrap, [topics.ORDER_EVENTS.name]).values())
        waiting = ask(prometheus, "sum(hft_consumer_lag_records) + sum(hft_publisher_queue_records)")
        return ask(prometheus, "sum(hft_order_reports_total)") == [float(ends)] and waiting == [0.0]

    with held(market, "market"):
        wait_for("all to be published and read", all_is_read, 120)
        differing: list[str] = []

        def alike() -> bool:
            """A position or P&L that was on its way may have come since."""
            nonlocal differing
            differing = []
            for (name, aggregation, labels), wanted in of_topics(bootstrap).items():
                found = told(prometheus, f"{aggregation} by ({', '.join(labels)}) ({name})", *labels)
                assert wanted, name
                differing += [
                    f"{name} {key}: Prometheus {found.get(key)}, the topics {wanted.get(key)}"
                    for key in sorted(wanted.keys() | found.keys())
                    if found.get(key, 0.0) != pytest.approx(wanted.get(key, 0.0), rel=1e-9, abs=1e-9)
                ]
            return not differing

        try:
            wait_for("Prometheus to say what the topics do", alike, 60)
        except AssertionError:
            pytest.fail("\n".join(differing))
        with psycopg.connect(market.settings.dsn, autocommit=True) as connection:
            turnover = "SELECT symbol, sum(price * quantity) FROM trades GROUP BY symbol"
            stored = {(symbol,): float(value) for symbol, value in connection.execute(turnover).fetchall()}
        assert stored == pytest.approx(told(prometheus, "sum by (symbol) (hft_traded_notional_total)", "symbol"))


@needs_prometheus
@pytest.mark.prometheus
def test_no_alert_is_raised_by_a_system_that_is_well(market: System, prometheus: str) -> None:
    answer = httpx.get(f"{prometheus}/api/v1/rules", timeout=20).json()
    rules = answer["data"]["groups"][0]["rules"]
    assert len(rules) > 5
    assert {rule["health"] for rule in rules} <= {"ok", "unknown"}
    assert [rule["name"] for rule in rules if rule["state"] == "firing" and rule["name"] != "HftEngineSlow"] == []
