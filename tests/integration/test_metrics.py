"""What the processes of the running system tell, against docs/metrics.md and against what has happened."""

from __future__ import annotations

import io
import re
import subprocess
import sys
import time
import urllib.request
import uuid
from decimal import Decimal
from pathlib import Path

import httpx
import pytest
from rich.console import Console

from engine.client import Client
from engine.messages import DefineAccount, DefineInstrument, NewOrder
from infra import metrics, scrape
from infra.overview import overview
from infra.scrape import Scrape
from infra.services import SERVICES
from infra.top import top
from tests.integration.waiting import wait_for
from tests.system import System

PAGE = Path(__file__).parents[2] / "docs" / "metrics.md"
ROW = re.compile(r"^\| `(hft_\w+)` \| (\w+) \| [^|]* \| (.+) \|$", re.MULTILINE)
LEGS = {
    "ingress_to_sequenced",
    "sequenced_to_journaled",
    "journaled_to_matched",
    "ingress_to_matched",
    "sequenced_to_published",
    "sequenced_to_positions",
    "sequenced_to_sse",
}


def look(system: System) -> Scrape:
    found = scrape.read(metrics.addresses(system.folders.metrics), time.time())
    assert found.silent == []
    return found


def test_every_process_tells_and_the_page_lists_all_of_it(system: System) -> None:
    addresses = metrics.addresses(system.folders.metrics)
    assert addresses.keys() == SERVICES.keys() - {"market", "alpaca", "venue"}
    texts = {}
    for name, address in addresses.items():
        assert address.startswith("127.0.0.1:")
        with urllib.request.urlopen(f"http://{address}/metrics", timeout=10) as answer:
            texts[name] = answer.read().decode()
    told = scrape.families(texts.values())
    written = {name.removesuffix("_total"): (kind, text) for name, kind, text in ROW.findall(PAGE.read_text())}
    assert told == written


def test_the_page_is_fresh() -> None:
    command = (sys.executable, "-c", "from infra.metrics_reference import markdown; print(markdown(), end='')")
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout == PAGE.read_text(), "make docs writes it"


@pytest.fixture(scope="module")
def traded(system: System) -> tuple[str, str, Scrape]:
    """(symbol, account) of 7 units bought at 50.25 by one order of two, and the numbers before."""
    before = look(system)
    symbol, account = f"M{uuid.uuid4().hex[:6].upper()}", f"metrics-{uuid.uuid4().hex[:6]}"
    definition = DefineInstrument(
        symbol=symbol, tick_size=Decimal("0.01"), lot_size=Decimal(1), price_min=Decimal(1), price_max=Decimal(100)
    )
    with Client(system.settings.zeromq, system.token(role="service")) as client:
        client.administer(definition)
        for name in (account, f"{account}-s"):
            client.administer(DefineAccount(account=name, deposit=Decimal(10_000)))
        offer = {"account": f"{account}-s", "symbol": symbol, "side": "sell", "time_in_force": "gtc"}
        bid = {"account": account, "symbol": symbol, "side": "buy", "time_in_force": "gtc"}
        headers = {"Authorization": f"Bearer {system.token(account)}"}
        with httpx.stream("GET", f"{system.url}/api/stream?topics=orders", headers=headers, timeout=60) as events:
            lines = events.iter_lines()
            next(line for line in lines if line.startswith("event: snapshot"))
            replies = client.submit(
                [
                    NewOrder(**offer, quantity=Decimal(4), limit_price=Decimal("50.25")),
                    NewOrder(**offer, quantity=Decimal(9), limit_price=Decimal("50.25")),
                    NewOrder(**bid, quantity=Decimal(7), limit_price=Decimal("50.25")),
                    NewOrder(**bid, quantity=Decimal(2), limit_price=Decimal("49.75")),
                    NewOrder(**bid, quantity=Decimal(2), limit_price=Decimal("50.25"), post_only=True),
                ]
            )
            assert [reply.outcome for reply in replies] == ["accepted"] * 4 + ["rejected"]
            next(line for line in lines if line.startswith("event: orders"))
            next(line for line in lines if line.startswith("event: orders"))
    return symbol, account, before


def test_orders_and_trades_are_counted_as_they_happened(system: System, traded: tuple[str, str, Scrape]) -> None:
    symbol, account, before = traded

    def counted() -> Scrape | None:
        now = look(system)
        there = now.total("hft_position_quantity", account=account) and now.total("hft_fills_total", symbol=symbol)
        return now if there and now.total("hft_account_equity", account=account) else None

    now = wait_for("the position in the metrics", counted)
    assert now.by("hft_fills_total", "liquidity", symbol=symbol) == {"maker": 2, "taker": 2}
    assert now.total("hft_traded_quantity_total", symbol=symbol) == 7
    assert now.total("hft_traded_notional_total", symbol=symbol, currency="USD") == 7 * 50.25
    assert now.total("hft_position_quantity", account=account, symbol=symbol) == 7
    assert now.total("hft_position_quantity", account=f"{account}-s", symbol=symbol) == -7

    def settled() -> Scrape | None:
        now = look(system)
        return now if now.total("hft_book_depth_quantity", symbol=symbol, side="sell") == 6 else None

    now = wait_for("the book in the metrics", settled)
    assert now.total("hft_book_depth_quantity", symbol=symbol, side="buy") == 2
    assert now.total("hft_book_spread", symbol=symbol) == 0.5
    assert now.total("hft_book_mid_price", symbol=symbol) == 50.0
    # The engine's thread copies these once a second.
    wait_for(
        "the engine's commands", lambda: (look(system).total("hft_engine_commands_total", process="engine") or 0) >= 5
    )
    taken = now.total("hft_orders_total", outcome="accepted") or 0
    assert taken - (before.total("hft_orders_total", outcome="accepted") or 0) >= 4
    refused = now.total("hft_orders_total", outcome="rejected", order_type="limit") or 0
    assert refused - (before.total("hft_orders_total", outcome="rejected", order_type="limit") or 0) >= 1
    assert now.total("hft_journal_bytes", process="engine")


def test_every_leg_is_measured(system: System, traded: tuple[str, str, Scrape]) -> None:
    _, _, before = traded

    def measured() -> Scrape | None:
        now = look(system)
        name = "hft_order_leg_seconds_count"
        new = {leg for leg in LEGS if (now.total(name, leg=leg) or 0) > (before.total(name, leg=leg) or 0)}
        return now if new == LEGS else None

    now = wait_for("a duration on every leg", measured)
    whole = now.total("hft_order_leg_seconds_sum", leg="ingress_to_matched") or 0
    parts = ("ingress_to_sequenced", "sequenced_to_journaled", "journaled_to_matched")
    assert whole == pytest.approx(sum(now.total("hft_order_leg_seconds_sum", leg=leg) or 0 for leg in parts))


def test_top_shows_the_same(system: System, traded: tuple[str, str, Scrape]) -> None:
    _, account, before = traded
    shown = overview(look(system), before)
    assert shown.commands is not None
    assert shown.latencies[0].quantiles[0] is not None
    assert {"gateway", "sink-postgres", "sink-redis", "hashes", "audit", "agent-positions"} <= shown.lags.keys()
    screen = io.StringIO()
    top(system.settings, system.folders, Console(width=160, file=screen), times=2, every_s=0.2)
    assert screen.getvalue().count("latency until") == 2
    assert account in {one.account for one in overview(look(system), None, most=10_000).accounts}
    assert shown.accounts[0].account in screen.getvalue(), "the largest"
