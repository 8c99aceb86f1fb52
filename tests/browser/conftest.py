"""Debian's Chromium, driven by Playwright."""

from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

import pytest
from playwright.sync_api import Browser, BrowserContext, expect, sync_playwright

from engine.client import Client
from engine.messages import DefineAccount, DefineInstrument, NewOrder
from tests.browser.desk import Desk, OpenDesk
from tests.browser.line import Line
from tests.system import System, running_system

CHROMIUM = Path("/usr/bin/chromium")
FLAGS = (
    "--disable-gpu --disable-quic --no-first-run --disable-background-networking --disable-component-update "
    "--disable-sync"
)
"""Flags that keep Chromium from asking anything of the network by itself."""
UNTRADED = DefineInstrument(
    symbol="QUIET",
    tick_size=Decimal("0.01"),
    lot_size=Decimal(1),
    price_min=Decimal(1),
    price_max=Decimal(2000),
    description="Nobody trades it but the tests",
)
TRADED_AT = Decimal("100.00")
"""Its only trade, so that its chart has a candle."""
PATIENCE_MS = 60_000
"""How long a condition may take to come true on a busy machine."""


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    if not CHROMIUM.exists():
        pytest.skip(f"there is no {CHROMIUM}: apt-get install chromium")
    expect.set_options(timeout=PATIENCE_MS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, headless=True, args=FLAGS.split())
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def market(chromium: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """The whole system with its simulated market; not started where there is no browser to look at it."""
    with running_system(tmp_path_factory.mktemp("market") / "var", market="simulated", market_rate=100.0) as system:
        with Client(system.settings.zeromq, system.token(role="service")) as client:
            assert client.administer(UNTRADED).outcome == "accepted"
            for account in ("browser-maker", "browser-taker"):
                client.administer(DefineAccount(account=account, deposit=Decimal(1_000_000)))
            client.connect()  # its session knows them from now on
            for account, side in (("browser-maker", "sell"), ("browser-taker", "buy")):
                order = NewOrder(
                    account=account, symbol=UNTRADED.symbol, side=side, quantity=Decimal(1), limit_price=TRADED_AT
                )
                [reply] = client.submit([order])
                assert reply.outcome == "accepted", reply
        yield system


@pytest.fixture
def usual_layout(market: System) -> None:
    """What an earlier test kept of the demo user's terminal is forgotten."""
    request = Request(
        f"{market.url}/api/layouts",
        json.dumps({"name": "terminal", "layout": None}).encode(),
        {"Authorization": f"Bearer {market.token('demo', actor='demo')}", "Content-Type": "application/json"},
        method="PUT",
    )
    with urlopen(request, timeout=60) as answer:
        assert answer.status == 200


@pytest.fixture
def open_desk(chromium: Browser, market: System, usual_layout: None) -> Iterator[OpenDesk]:
    contexts: list[BrowserContext] = []

    def open_one(width: int, height: int, *, phone: bool = False, url: str = market.url) -> Desk:
        context = chromium.new_context(
            viewport={"width": width, "height": height},
            is_mobile=phone,
            has_touch=phone,
            locale="en-GB",
            color_scheme="dark",
        )
        context.set_default_timeout(PATIENCE_MS)
        contexts.append(context)
        return Desk(context.new_page(), url)

    yield open_one
    for context in contexts:
        context.close()


@pytest.fixture
def line(market: System) -> Iterator[Line]:
    """A connection to the gateway that the test can cut."""
    gateway = urlsplit(market.url)
    with Line((gateway.hostname or "", gateway.port or 80)) as line:
        yield line
