"""A strategy live, killed and started again; then the run is played again from its own topics: the same orders, fills
and P&L, to the last byte."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime
from decimal import Decimal
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
import pytest

from engine import messages, topics
from engine.client import Client
from engine.messages import CancelAll, DefineAccount, NewOrder
from streams.backtest import database
from streams.backtest.recorded import Replayed, replay
from streams.backtest.topics import records
from streams.backtest.topics import trades as kafka_trades
from tests.integration.waiting import wait_for
from tests.system import System

SYMBOL = "MSFT"
RUN = "live-test"


def traffic(client: Client, rounds: int, seed: int) -> None:
    """Makers around a price that walks, and takers."""
    rng = np.random.default_rng(seed)
    middle = 41_000
    for _ in range(rounds):
        middle += int(rng.integers(-2, 3))
        client.submit([CancelAll(account="strategy-maker", symbol=SYMBOL)])
        orders = [
            NewOrder(
                account="strategy-maker",
                symbol=SYMBOL,
                side=side,
                quantity=Decimal(int(rng.integers(1, 50))),
                limit_price=Decimal(middle + sign * distance) / 100,
                time_in_force="gtc",
            )
            for side, sign in (("buy", -1), ("sell", 1))
            for distance in (1, 2, 3)
        ]
        orders.append(
            NewOrder(
                account="strategy-taker",
                symbol=SYMBOL,
                side=str(rng.choice(["buy", "sell"])),
                quantity=Decimal(int(rng.integers(1, 60))),
                order_type="market",
                time_in_force="ioc",
            )
        )
        client.submit(orders)
        time.sleep(0.02)


def start(system: System, log: Path) -> subprocess.Popen[bytes]:
    command = (*(sys.executable, "-m", "infra.cli", "strategy", "run", "imbalance", "--account", "strategy-live"),)
    given = ("--run", RUN, "--param", f"symbol={SYMBOL}", "--param", "threshold=0.2", "--param", "max_position=20")
    with log.open("ab") as said:
        return subprocess.Popen((*command, *given), env=system.environment, stderr=said)


def own_fills(system: System) -> list[messages.Fill]:
    return [
        fill
        for fill in records(system.settings.bootstrap, topics.FILLS, messages.Fill)
        if fill.account == "strategy-live"
    ]


def events(system: System) -> int:
    found = records(system.settings.bootstrap, topics.STRATEGY_EVENTS, messages.StrategyEvent)
    return max((event.number for event in found if event.run == RUN), default=-1)


def test_a_live_run_played_again_from_its_topics_is_the_same_to_the_last_byte(system: System, tmp_path: Path) -> None:
    log = tmp_path / "run.log"
    token = system.token(role="service")
    with Client(system.settings.zeromq, token) as client:
        for account in ("strategy-maker", "strategy-taker", "strategy-live"):
            client.administer(DefineAccount(account=account, deposit=Decimal(10_000_000)))
        client.connect()
        first = start(system, log)
        wait_for("the run to begin", lambda: events(system) >= 0, 120)
        seeds = count(1)

        def traded(fills: int) -> bool:
            """On a busy machine the strategy sees few of the moments that it trades in."""
            traffic(client, 30, seed=next(seeds))
            return len(own_fills(system)) >= fills

        wait_for("some fills", lambda: traded(3), 120)
        first.send_signal(signal.SIGKILL)
        first.wait(30)
        traffic(client, 10, seed=next(seeds))
        second = start(system, log)
        before = events(system)
        wait_for("the run to go on", lambda: events(system) > before, 120)
        wait_for("more fills", lambda: traded(6) and events(system) > 100, 120)
        second.send_signal(signal.SIGINT)
        assert second.wait(60) == 0, log.read_text()

    def same() -> Replayed | None:
        """Once the topics have everything."""
        found.append(replay(system.settings.bootstrap, RUN, max_orders=system.settings.max_orders))
        return found[-1] if found[-1].ok else None

    found: list[Replayed] = []
    try:
        result = wait_for("a replay without a difference", same, 60)
    except AssertionError:
        pytest.fail(found[-1].report())
    assert result is not None
    assert len(result.fills) == len(own_fills(system)) > 5
    assert result.orders > 5
    assert result.events > 100
    assert (result.holdings[SYMBOL].bought, result.holdings[SYMBOL].sold) != (0, 0)
    said = hft(system, "strategy", "replay", RUN)
    assert "differences from the topics: 0" in said
    days = {datetime.fromtimestamp(fill.ts_ns / 1e9, UTC).date().isoformat() for fill in result.fills}
    for day in days:
        said = hft(system, "compare", "--day", day, "--account", "strategy-live")
        assert "data 0.00, latency 0.00" in said, said


def hft(system: System, *arguments: str) -> str:
    """What a command prints; it must succeed."""
    said = subprocess.run(
        (sys.executable, "-m", "infra.cli", *arguments),
        env=system.environment,
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert said.returncode == 0, said.stdout + said.stderr
    return said.stdout


NOTEBOOK = Path(__file__).parents[2] / "docs" / "topics-and-tables.ipynb"


def test_the_notebook_runs(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every cell of docs/topics-and-tables.ipynb, one after the other, on trades of its own."""
    with Client(system.settings.zeromq, system.token(role="service")) as client:
        for account in ("strategy-maker", "strategy-taker"):
            client.administer(DefineAccount(account=account, deposit=Decimal(10_000_000)))
        client.connect()
        traffic(client, 10, seed=9)
    mine = ("strategy-maker", "strategy-taker")

    def written() -> int:
        with psycopg.connect(system.settings.dsn) as connection:
            row = connection.execute(
                "SELECT count(*) FROM executions WHERE account = ANY(%s)", (list(mine),)
            ).fetchone()
        return 0 if row is None else int(row[0])

    wait_for("the fills in Postgres", lambda: written() >= 4, 60)

    def alike() -> bool:
        """The tape in Postgres and in Kafka, and so the bars of both."""
        tapes = [
            database.trades(system.settings.dsn, [SYMBOL], 0, 2**62),
            kafka_trades(system.settings.bootstrap, [SYMBOL], 0, 2**62),
        ]
        return tapes[0].equals(tapes[1]) and len(tapes[0]) > 0

    wait_for("the same tape in both", alike, 60)
    for name, value in system.settings.environment().items():
        monkeypatch.setenv(name, value)
    names: dict[str, Any] = {}
    for cell in json.loads(NOTEBOOK.read_text())["cells"]:
        if cell["cell_type"] == "code":
            exec("".join(cell["source"]), names)
    assert names["by_account"].height >= 2
    assert names["executions"].height >= 4
    assert names["result"].final_equity > 0
