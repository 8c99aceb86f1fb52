"""The simulated market's process on a running engine: it trades, stops cleanly, and begins again where it was."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from engine.client import Client
from engine.instruments import load
from engine.server import Server
from engine.tokens import Identity, issue
from streams.feeds import simulated
from streams.feeds.simulated import driver
from tests.engine.doors import SECRET, free_address, open_engine

RATE = 400.0
INSTRUMENTS = """
[AAA]
tick_size = "0.01"
lot_size = "1"
price_min = "1.00"
price_max = "2000.00"
start_price = "190.00"

[BTC]
tick_size = "0.50"
lot_size = "0.0001"
price_min = "10000.00"
price_max = "140000.00"
start_price = "68000.00"

[IDLE]
tick_size = "0.01"
lot_size = "1"
price_min = "1.00"
price_max = "2000.00"
"""


@pytest.fixture
def instruments(tmp_path: Path) -> Path:
    path = tmp_path / "instruments.toml"
    path.write_text(INSTRUMENTS)
    return path


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    """The process sets its own signal handlers; the test run wants its own back."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def wait_for(condition: Callable[[], bool], limit_s: float = 60.0) -> None:
    end = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.01)


def run_until(condition: Callable[[], bool], address: str, instruments: Path) -> int:
    """Runs the process until the condition holds after it was ready; how often it said that it was."""
    told: list[bool] = []
    failed: list[BaseException] = []

    def watch() -> None:
        try:
            wait_for(lambda: bool(told) and condition())
        except AssertionError as error:
            failed.append(error)
        os.kill(os.getpid(), signal.SIGTERM)

    watcher = threading.Thread(target=watch)
    watcher.start()
    simulated.run(address, SECRET, instruments, seed=1, rate=RATE, ready=lambda: told.append(True))
    watcher.join()
    assert not failed
    return len(told)


def commands(server: Server) -> int:
    return server._core.last_seq


def working(server: Server, symbol: str) -> list[int]:
    """Orders a side."""
    entry = server._core.instruments.find(symbol)
    return [] if entry is None else [int(side[:, 2].sum()) for side in server._core.depth(entry.number, 1000)]


def test_it_trades_stops_and_begins_again(tmp_path: Path, instruments: Path) -> None:
    with open_engine(tmp_path / "journal") as (server, address):
        assert run_until(lambda: commands(server) > 200, address, instruments) == 1
        core = server._core
        for symbol in ("AAA", "BTC"):
            assert min(working(server, symbol)) > 0
        assert working(server, "IDLE") == []
        assert core.accounts.find("sim-maker-1") is not None
        left, price = sum(working(server, "AAA")), int(core.depth(1, 1)[0][0, 0])

        begun = commands(server)
        assert run_until(lambda: commands(server) > begun + 200, address, instruments) == 1
        assert sum(working(server, "AAA")) < left + 60, "what the first left is canceled"
        assert abs(int(core.depth(1, 1)[0][0, 0]) / price - 1) < 0.01, "it goes on from its price"
        records = core.engine.clients.records
        named = records[records["order_id"] > 0]
        tags = {bytes(name).split(b"-")[0] for name in named["client_order_id"]}
        assert len(tags) == 2
        assert not (named["reason"] > 0).any()


def test_the_traders_begin_with_what_they_hold(tmp_path: Path, instruments: Path) -> None:
    with open_engine(tmp_path / "journal") as (server, address):
        run_until(lambda: commands(server) > 600, address, instruments)
        token = issue(SECRET, Identity("test", "service", ("*",)), now_s=int(time.time()), lifetime_s=60)
        with Client(address, token) as client:
            listings = [listing for listing in load(instruments) if listing.start_price is not None]
            market = driver.Exchange(client, listings).open(1, RATE)
        accounts = [server._core.accounts.find(name) for name in market.accounts]
        held = {
            (place, number): server._core.position(account.number, number + 1).quantity
            for place, account in enumerate(accounts)
            if account is not None
            for number in range(len(listings))
        }
        assert {key: lots for key, lots in market.positions.items() if lots} == {k: v for k, v in held.items() if v}
        assert any(held.values())


def test_the_engine_may_come_later_and_go_away(
    tmp_path: Path, instruments: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(driver, "TIMEOUT_S", 1.0)
    monkeypatch.setattr(driver, "RETRY_S", 0.05)
    address = free_address()
    told = threading.Event()

    def lost() -> int:
        return sum(r.name == driver.__name__ and "is away" in r.message for r in caplog.records)

    def episodes() -> None:
        try:
            wait_for(lambda: lost() == 1)
            with open_engine(tmp_path / "journal", address=address) as (server, _):
                wait_for(lambda: told.is_set() and commands(server) > 100)
                known = commands(server)
            wait_for(lambda: lost() == 2)
            with open_engine(tmp_path / "journal", address=address) as (server, _):
                wait_for(lambda: commands(server) > known + 100)
            wait_for(lambda: lost() == 3)
            # An engine that knows none of its accounts: another journal at the same address.
            with open_engine(tmp_path / "other", address=address) as (server, _):
                wait_for(lambda: commands(server) > 100 and min(working(server, "AAA"), default=0) > 0)
        except AssertionError as error:
            failed.append(error)
        finally:
            os.kill(os.getpid(), signal.SIGTERM)

    failed: list[AssertionError] = []
    stage = threading.Thread(target=episodes)
    stage.start()
    simulated.run(address, SECRET, instruments, seed=1, rate=RATE, ready=told.set)
    stage.join()
    assert not failed
    assert sum(r.name == driver.__name__ and "is back" in r.message for r in caplog.records) == 3
