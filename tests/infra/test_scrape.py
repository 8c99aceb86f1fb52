"""Metrics from the ports of processes to what an operator is shown."""

from __future__ import annotations

import io
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from rich.console import Console

from infra import metrics, scrape, services, state
from infra.errors import OperatorError
from infra.folders import folders
from infra.overview import overview, status_lines
from infra.ports import wanted_ports
from infra.scrape import Scrape, duration_text, increase, quantile
from infra.settings import Settings
from infra.status import by_themselves, table
from infra.top import render, take

EARLIER = """\
hft_engine_commands_total 1000.0
hft_orders_total{order_type="limit",outcome="accepted",reason="none"} 500.0
hft_orders_total{order_type="limit",outcome="rejected",reason="malformed"} 10.0
hft_order_leg_seconds_bucket{le="0.001",leg="ingress_to_matched"} 90.0
hft_order_leg_seconds_bucket{le="0.002",leg="ingress_to_matched"} 90.0
hft_order_leg_seconds_bucket{le="+Inf",leg="ingress_to_matched"} 90.0
"""
LATER = """\
hft_engine_commands_total 1400.0
hft_orders_total{order_type="limit",outcome="accepted",reason="none"} 600.0
hft_orders_total{order_type="limit",outcome="rejected",reason="malformed"} 30.0
hft_order_leg_seconds_bucket{le="0.001",leg="ingress_to_matched"} 90.0
hft_order_leg_seconds_bucket{le="0.002",leg="ingress_to_matched"} 190.0
hft_order_leg_seconds_bucket{le="+Inf",leg="ingress_to_matched"} 190.0
hft_journal_unpublished_bytes 2e+08
hft_journal_free_bytes 4.5e+09
hft_consumer_lag_records{consumer="audit",topic="fills"} 20000.0
hft_consumer_lag_records{consumer="audit",topic="pnl"} 5.0
hft_money_drift NaN
hft_position_quantity{account="ann",symbol="AAPL"} -3.0
hft_position_quantity{account="ann",symbol="MSFT"} 0.0
hft_account_equity{account="ann",currency="USD"} 99.5
"""


def scraped(at_s: float, text: str) -> Scrape:
    made = Scrape(at_s)
    made.add("engine", text)
    return made


def test_rates_quantiles_and_what_is_wrong() -> None:
    before, now = scraped(10.0, EARLIER), scraped(14.0, LATER)
    now.silent.append("gateway")
    shown = overview(now, before)
    assert (shown.commands, shown.orders, shown.rejected, shown.fills) == (100.0, 30.0, 5.0, None)
    assert shown.latencies[0].quantiles == pytest.approx((0.0015, 0.00195, 0.00199, 0.001999)), (
        "only the new ones count"
    )
    assert shown.latencies[1].quantiles == (None, None, None, None)
    assert shown.lags == {"audit": 20005.0}
    assert [(one.symbol, one.quantity) for one in shown.positions] == [("AAPL", -3.0)]
    assert shown.alerts == [
        "gateway does not tell its metrics",
        "the journal's disk has 4.5 GB left",
        "more than 64 MB of the journal are not in Kafka yet",
        "audit is 20,005 records behind",
    ]
    latency, behind = status_lines(now)
    assert latency == "latency: engine 1.05 ms p50, 1.98 ms p99"
    assert behind == "behind: 200.0 MB of journal not in Kafka, 20,005 records not read"
    screen = io.StringIO()
    Console(width=160, file=screen).print(render(shown, "12:00:00"))
    assert "20,005" in screen.getvalue()
    assert "gateway does not tell" in screen.getvalue()


def test_what_each_gateway_tells_of_accounts_counts_once() -> None:
    now = scraped(1.0, LATER)
    for gateway in ("gateway", "gateway-2"):
        now.add(gateway, 'hft_account_equity{account="ann",currency="USD"} 99.5\n'
                         'hft_position_quantity{account="ann",symbol="AAPL"} -3.0\n')  # fmt: skip
    shown = overview(now, None)
    assert [(one.account, one.equity) for one in shown.accounts] == [("ann", 99.5)]
    assert [(one.account, one.quantity) for one in shown.positions] == [("ann", -3.0)]


def test_a_counter_that_began_anew_has_no_rate() -> None:
    assert increase("hft_engine_commands_total", scraped(1.0, EARLIER), scraped(0.0, LATER)) is None
    assert increase("hft_engine_commands_total", scraped(1.0, EARLIER), None) is None


def test_quantiles_at_the_ends() -> None:
    assert quantile(0.5, {}) is None
    assert quantile(0.5, {1.0: 0.0, float("inf"): 4.0}) == 1.0, "above every bound: the highest one"
    assert quantile(1.0, {1.0: 4.0, float("inf"): 4.0}) == 1.0
    assert [duration_text(value) for value in (None, 0.0000123, 0.0456, 7.8)] == ["–", "12.3 µs", "45.6 ms", "7.8 s"]


def test_a_process_tells_at_its_port_and_says_which(tmp_path: Path) -> None:
    program = (
        "import sys, pathlib, urllib.request; from infra import metrics, scrape;"
        "folder = pathlib.Path(sys.argv[1]); metrics.serve('engine', '127.0.0.1', 0, folder);"
        "found = scrape.read(metrics.addresses(folder), 0.0); assert not found.silent;"
        "print(int(found.total('process_open_fds') > 0), found.total('hft_gc_pause_seconds_count', generation='2'))"
    )
    command = (sys.executable, "-c", program, str(tmp_path))
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.startswith("1 ")
    [address] = metrics.addresses(tmp_path).values()
    gone = scrape.read({"engine": address}, 0.0)
    assert (gone.silent, gone.samples) == (["engine"], {})
    metrics.forget(tmp_path)
    assert metrics.addresses(tmp_path) == {}


def test_a_taken_port_is_one_line() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        program = f"from infra import metrics; metrics.serve('engine', '127.0.0.1', {port}, None)"
        done = subprocess.run((sys.executable, "-c", program), capture_output=True, text=True, timeout=60, check=False)
    assert f"OperatorError: port {port} on 127.0.0.1 for the metrics of engine: Address already in use" in done.stderr


def test_fixed_ports_follow_the_table_and_are_checked() -> None:
    settings = Settings(metrics_port=9200, streams_workers=3)
    names = [*services.SERVICES, "streams-2", "streams-3"]
    ports = [services.metrics_port(name, settings) for name in names]
    assert ports == list(range(9200, 9200 + len(names)))
    assert set(ports) <= {wanted.port for wanted in wanted_ports(settings)}
    assert services.metrics_port("engine", Settings()) == 0


def test_top_where_nothing_runs(tmp_path: Path) -> None:
    with pytest.raises(OperatorError, match="nothing runs in"):
        take(Settings(var=tmp_path), folders(tmp_path), 0.0)


def test_top_tells_what_does_not_work(tmp_path: Path) -> None:
    where = folders(tmp_path)
    where.create()
    lock = state.RunLock.take(where)
    services = [
        state.ServiceState(name="engine", state="ready"),
        state.ServiceState(name="streams", state="restarting", detail="streams was ended by SIGKILL"),
    ]
    state.write(where.run, state.State(pid=os.getpid(), phase="degraded", services=services))
    _, wrong = take(Settings(var=tmp_path), where, 0.0)
    lock.release()
    assert wrong == ["streams is restarting: streams was ended by SIGKILL"]


def test_services_without_a_launcher(tmp_path: Path) -> None:
    """Units tell their metrics as well; what an earlier run has left tells none."""
    seen = Scrape(100.0, silent=["publisher"])
    assert by_themselves(Settings(var=tmp_path), seen) is None
    seen.add("engine", "process_start_time_seconds 40\n")
    named = Settings(var=tmp_path, postgres_dsn="postgresql://hft:secret@127.0.0.1:1/hft")
    found = by_themselves(named, seen)
    assert found is not None
    rows, healthy = table(named, found, now_s=100.0)
    shown = {name: (condition, up, remark) for name, _, condition, up, _, remark in rows}
    assert shown["engine"] == ("ready", "1m00s", "")
    assert shown["publisher"] == ("stopped", "", "does not tell its metrics")
    assert shown["postgres"] == ("unreachable", "", "postgresql://hft@127.0.0.1:1/hft")
    assert not healthy
