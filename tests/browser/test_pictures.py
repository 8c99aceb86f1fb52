"""The README's pictures: `HFT_SCREENSHOTS=1 make test-browser` takes them anew, of a desk with something on it."""

from __future__ import annotations

import os
from decimal import Decimal
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.desk import Desk, OpenDesk

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not os.environ.get("HFT_SCREENSHOTS"), reason="HFT_SCREENSHOTS=1 takes the README's pictures"),
    pytest.mark.timeout(900),  # it waits for the market to draw a chart
]

FOLDER = Path(__file__).parents[2] / "docs" / "images"
BUSY = "AAPL"
CANDLES = """async (symbol) => {
  const answer = await fetch(`/api/candles/${symbol}?interval=1&limit=500`);
  return (await answer.json()).candles.length;
}"""
"""How many one-second candles the server has."""
ENOUGH_CANDLES = 60


def test_pictures(open_desk: OpenDesk):
    desk = open_desk(1440, 900)
    desk.login()
    desk.confirmations(False)
    desk.asks = False
    _trade(desk)
    while desk.page.evaluate(CANDLES, BUSY) < ENOUGH_CANDLES:
        desk.page.wait_for_timeout(1000)
    _trade(desk)
    desk.page.reload()
    expect(desk.state).to_have_text("live")
    desk.select(BUSY)
    desk.panel("chart").get_by_role("button", name="1s", exact=True).click()
    for side, ticks in (("Buy", -8), ("Sell", 9), ("Buy", -14)):
        price = desk.best(side.lower()) + ticks * Decimal("0.01")
        desk.enter(side=side, quantity="50", price=str(price))
        expect(desk.outcome).to_contain_text("Order")
    desk.write(side="Buy", quantity="100", price=str(desk.best("buy") - Decimal("0.02")))
    expect(desk.ticket.get_by_label("Preview")).to_contain_text("→")
    desk.page.wait_for_timeout(12_500)  # the notices go
    _take(desk, "terminal.png", "dark")
    _take(desk, "terminal-light.png", "light")
    desk.page.set_viewport_size({"width": 1920, "height": 1080})
    desk.page.keyboard.press("t")
    desk.front("P&L")
    desk.front("Depth")
    desk.front("Fills")
    desk.page.wait_for_timeout(1500)
    _take(desk, "terminal-wide.png", "dark")
    desk.page.keyboard.press("Shift+C")
    expect(desk.rows).to_have_count(0)
    phone = open_desk(390, 780, phone=True)
    phone.login()
    for view in ("Market", "Ladder", "Trade"):
        phone.page.get_by_role("navigation", name="Views").get_by_role("button", name=view).tap()
        phone.page.wait_for_timeout(1500)
        phone.page.screenshot(path=FOLDER / f"phone-{view.lower()}.png")


def _trade(desk: Desk) -> None:
    """A position in every symbol."""
    for symbol, side, quantity in (
        ("NVDA", "Sell", "200"),
        ("BTCUSD", "Buy", "0.25"),
        ("MSFT", "Buy", "40"),
        (BUSY, "Buy", "120"),
        (BUSY, "Sell", "40"),
    ):
        desk.select(symbol)
        expect(desk.ladder.locator(".price.sell")).to_be_visible()
        desk.enter(side=side, quantity=quantity)
        expect(desk.holding(symbol)).to_be_visible()


def _take(desk: Desk, name: str, theme: str) -> None:
    if desk.page.locator("html").get_attribute("data-theme") != theme:
        desk.page.locator("header .description").click()
        desk.page.keyboard.press("t")
    expect(desk.page.locator("html")).to_have_attribute("data-theme", theme)
    desk.page.mouse.move(0, 0)
    desk.page.wait_for_timeout(600)
    desk.page.screenshot(path=FOLDER / name)
