"""A whole day through the real system, kills included, and the same day again from Kafka: `make test-day`.

ORDERS (200,000) and RATE (new orders a second, 200, of which a replay does 20 times as many) change its size; HFT_SEED
repeats one. That a replay finds what was changed is tried on smaller days (test_memory.py,
integration/test_day_again.py)."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Producer

from engine import topics
from engine.client import Client
from engine.messages import (
    AdministrativeCommand,
    CancelAll,
    DefineAccount,
    Halt,
    Limits,
    OrderCommand,
    Resume,
    as_json,
)
from engine.refusal import Refusal
from tests.day.flow import SYMBOLS, TICKS, Flow
from tests.integration.waiting import wait_for
from tests.streams.servers import counts, records
from tests.system import System, running_system

pytestmark = [pytest.mark.day, pytest.mark.timeout(2400)]

ORDERS = int(os.environ.get("ORDERS", "200000"))
RATE = int(os.environ.get("RATE", "200"))
SEED = int(os.environ.get("HFT_SEED", "1"))
ACCOUNTS = [f"day-{number}" for number in range(24)]
BY_ZEROMQ = 0.15
"""The first part of the orders, in frames of FRAME; the rest goes through Kafka."""
FRAME = 200


def administer(system: System, *commands: AdministrativeCommand) -> None:
    """Has the engine carry them out, which may just be starting again."""

    def carried_out() -> bool:
        with (
            suppress(TimeoutError, Refusal),
            Client(system.settings.zeromq, system.token(role="admin"), timeout_s=5) as client,
        ):
            for command in commands:
                client.administer(command)
            return True
        return False

    wait_for("an engine that answers", carried_out, 300)


def open_accounts(system: System) -> dict[str, Decimal]:
    """Accounts, half of them with limits; gives the middle of each symbol's band."""
    commands: list[AdministrativeCommand] = []
    for number, account in enumerate(ACCOUNTS):
        method = "fifo" if number % 3 == 0 else "average"
        commands.append(DefineAccount(account=account, deposit=Decimal(50_000_000), cost_method=method))
        if number % 2:
            commands.append(Limits(account=account, max_order_quantity=Decimal(35), max_open_orders=400))
    administer(system, *commands)
    with Client(system.settings.zeromq, system.token(role="service")) as client:
        found = {symbol: client.directory.instruments.find(symbol) for symbol in SYMBOLS}
    middles = {}
    for symbol, entry in found.items():
        assert entry is not None
        assert entry.definition.tick_size == TICKS[symbol]
        middles[symbol] = (entry.price_min + entry.price_max) // 2 * TICKS[symbol]
    return middles


class Pace:
    """Lets new orders through at RATE."""

    def __init__(self, flow: Flow) -> None:
        self._flow = flow
        self._before = flow.orders
        self._started = time.monotonic()

    def wait(self) -> None:
        ahead = (self._flow.orders - self._before) / RATE - (time.monotonic() - self._started)
        if ahead > 0:
            time.sleep(ahead)


def send_by_zeromq(system: System, commands: Iterator[OrderCommand], pace: Pace) -> set[str]:
    """The client order ids that the door itself has refused: they are answered, and no part of the day."""
    refused: set[str] = set()
    with Client(system.settings.zeromq, system.token(role="service"), timeout_s=60) as client:
        while batch := list(itertools.islice(commands, FRAME)):
            refused.update(reply.client_order_id or "" for reply in client.submit(batch) if not reply.seq)
            pace.wait()
    return refused


def send_by_kafka(system: System, commands: Iterator[OrderCommand], pace: Pace) -> None:
    producer = Producer({"bootstrap.servers": system.settings.bootstrap, "linger.ms": 5})
    for number, command in enumerate(commands):
        key = (getattr(command, "symbol", None) or command.account).encode()
        producer.produce(topics.ORDERS.name, as_json(command), key)
        producer.poll(0)
        if number % 100 == 0:
            pace.wait()
    assert producer.flush(60) == 0


def trade(system: System, flow: Flow) -> set[str]:
    """The day: every part of it with something that happens at its end. The client order ids that are no part of it."""
    pace = Pace(flow)

    def until(share: float, happens: Callable[[], Any]) -> None:
        send_by_kafka(system, flow.commands(int(share * ORDERS) + len(refused)), pace)
        happens()

    refused = send_by_zeromq(system, flow.commands(int(BY_ZEROMQ * ORDERS)), pace)
    until(0.25, lambda: administer(system, Halt(symbol="MSFT")))
    until(0.32, lambda: administer(system, Resume(symbol="MSFT")))
    until(0.45, lambda: system.kill("engine"))
    until(0.55, lambda: system.kill("streams"))
    until(0.65, lambda: system.kill("hashes"))
    until(0.75, lambda: system.kill("publisher"))
    until(0.85, lambda: administer(system, Halt(symbol="BTCUSD"), Resume(symbol="BTCUSD")))
    until(1.0, lambda: None)
    send_by_kafka(system, iter([CancelAll(account=account) for account in ACCOUNTS]), pace)
    return refused


def wait_until_quiet(system: System, *more: str) -> None:
    """All that was sent is in the topics, those named besides too, and has its hash."""
    names = [*(topic.name for topic in topics.HASHED), *more]
    seen: list[Any] = []

    def quiet() -> bool:
        time.sleep(2)
        seen.append(counts(system.settings.bootstrap, *names, topics.ORDERS.name, topics.STATE_HASHES.name))
        return len(seen) > 3 and seen[-1] == seen[-4]

    wait_for("a quiet system", quiet, 600)


def test_a_day_again(tmp_path: Path) -> None:
    with running_system(tmp_path / "var") as system:
        middles = open_accounts(system)
        flow = Flow(SEED, ACCOUNTS, middles)
        refused = trade(system, flow)
        wait_until_quiet(system)

        kinds: Counter[str] = Counter()
        reasons: Counter[str] = Counter()
        told_of: set[str | None] = set()
        for command in records(system.settings.bootstrap, topics.COMMANDS):
            kinds[command.type] += 1
        for event in records(system.settings.bootstrap, topics.ORDER_EVENTS):
            told_of.add(event.client_order_id)
            if event.exec_type == "rejected":
                reasons[event.reason] += 1
        sequenced = {flow.name(number) for number in range(1, flow.orders + 1)} - refused
        assert len(sequenced) >= ORDERS
        untold = sequenced - told_of
        assert not untold, f"{len(untold)} orders of the day have no event, {min(untold)} among them"
        assert kinds["halt"] == kinds["resume"] == 2
        assert {"halted", "price_increment", "price_band", "unknown_symbol"} <= reasons.keys()
        for name in ("engine", "streams", "hashes", "publisher"):
            assert system.service(name).restarts == 1, f"{name} was killed once"

        told = hft(system, "replay", "--day", "today", "--verify")
        print(f"\n{dict(kinds)}\nrejected {dict(reasons)}\n{told.stdout}")  # noqa: T201 - what make test-day is run for
        assert told.returncode == 0, told.stdout + told.stderr
        assert "bit-identical" in told.stdout


def hft(system: System, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = (sys.executable, "-m", "infra.cli", *arguments)
    return subprocess.run(command, env=system.environment, capture_output=True, text=True, timeout=600, check=False)
