"""The page in a real Chromium on the real system: what a trader does in the first five minutes."""

from __future__ import annotations

import os
import re
from decimal import Decimal
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import UNTRADED
from tests.browser.desk import Desk, OpenDesk
from tests.browser.line import Line

pytestmark = pytest.mark.browser

PICTURE = Path(__file__).parents[2] / "docs" / "images" / "terminal.png"
QUIET = UNTRADED.symbol
"""An order of ours rests there, alone, for as long as we want."""
BUSY = "AAPL"
CANDLES = """async (symbol) => {
  const { access_token } = JSON.parse(sessionStorage.getItem("hft.login"));
  const headers = { Authorization: `Bearer ${access_token}` };
  const answer = await fetch(`/api/candles/${symbol}?interval=1&limit=500`, { headers });
  return (await answer.json()).candles.length;
}"""
"""How many one-second candles the server has."""


@pytest.fixture
def desk(open_desk: OpenDesk) -> Desk:
    desk = open_desk(1280, 720)
    desk.login()
    return desk


def test_a_wrong_password_is_refused(open_desk: OpenDesk):
    desk = open_desk(1280, 720)
    desk.type_login("demo", "not the password")
    expect(desk.page.get_by_role("alert")).not_to_be_empty()
    expect(desk.page.get_by_label("Password")).to_be_visible()
    desk.page.reload()
    desk.login()


def test_the_market_moves(desk: Desk):
    desk.select(BUSY)
    expect(desk.levels("buy").first).to_be_visible()
    expect(desk.levels("sell").first).to_be_visible()
    expect(desk.tape.locator("li").first).to_be_visible()
    _changes(desk.page, '[data-panel="ladder"] ol')
    _changes(desk.page, '[data-panel="tape"] ol')
    best_bid, best_ask = desk.best("buy"), desk.best("sell")
    assert best_bid < best_ask
    desk.assert_clean()


def test_a_limit_order_rests_and_is_canceled(desk: Desk):
    desk.select(QUIET)
    desk.ticket(side="Buy", quantity="7", price="101.25")
    expect(desk.outcome).to_contain_text("new")

    row = desk.orders.locator("tbody tr")
    expect(row).to_have_count(1)
    for text in (QUIET, "buy", "7", "101.25", "day"):
        expect(row.get_by_role("cell", name=text, exact=True)).to_be_visible()
    own = desk.levels("buy").filter(has_text="101.25")
    expect(own).to_have_class(re.compile("mine"))
    expect(own.locator(".own")).to_have_text("7")

    desk.page.locator('input[name="limit_price"]').fill("")
    own.click()
    expect(desk.page.locator('input[name="limit_price"]')).to_have_value("101.25")

    row.get_by_role("button", name="Cancel").click()
    expect(row).to_have_count(0)
    expect(own).to_have_count(0)
    desk.assert_clean()


def test_cancel_all_ends_every_order(desk: Desk):
    desk.select(QUIET)
    for price in ("99.50", "99.60"):
        desk.ticket(side="Buy", quantity="1", price=price)
        expect(desk.orders.get_by_role("cell", name=price, exact=True)).to_be_visible()
    desk.page.get_by_role("button", name="Cancel all").click()
    expect(desk.orders.locator("tbody tr")).to_have_count(0)
    desk.assert_clean()


@pytest.mark.timeout(900)  # with HFT_SCREENSHOTS it waits for the market to draw a chart
def test_a_market_order_fills_and_moves_the_position(desk: Desk):
    desk.select(BUSY)
    expect(desk.levels("sell").first).to_be_visible()
    before = desk.position(BUSY)
    desk.ticket(side="Buy", quantity="3")
    expect(desk.outcome).to_contain_text("filled 3 at")
    order_id = re.search(r"Order (\d+)", desk.outcome.inner_text())
    assert order_id
    expect(desk.fills.locator(f'tr[title^="Order {order_id[1]},"]').first).to_be_visible()
    expect(desk.holding(BUSY)).to_have_text(f"{before + 3}".replace("-", "−"))
    cells = desk.positions.locator(f'tr[data-symbol="{BUSY}"] td')
    expect(cells.nth(3)).to_have_text(re.compile(r"^\d+\.\d+$"))  # the server's mark
    expect(cells.nth(4)).to_have_text(re.compile(r"^[+−]?\d"))  # and what it is worth at that
    desk.assert_clean()
    if os.environ.get("HFT_SCREENSHOTS"):
        _picture(desk)


@pytest.mark.parametrize(
    ("quantity", "price", "field", "says"),
    [
        ("0", "100.00", "quantity", "positive"),
        ("1", "100.005", "limit_price", "tick"),
        ("1", "1999999", "limit_price", "band"),
        ("abc", "100.00", "quantity", "number"),
    ],
)
def test_a_refusal_stands_at_its_field(desk: Desk, quantity: str, price: str, field: str, says: str):
    desk.select(QUIET)
    desk.ticket(side="Buy", quantity=quantity, price=price)
    entry = desk.page.locator(f'input[name="{field}"]')
    expect(entry).to_have_attribute("aria-invalid", "true")
    expect(desk.page.locator(f"[id='{entry.get_attribute('aria-describedby')}']")).to_contain_text(says)
    expect(desk.orders.locator("tbody tr")).to_have_count(0)


def test_a_lost_stream_is_shown_and_resumes(open_desk: OpenDesk, line: Line):
    desk = open_desk(1280, 720, url=line.url)
    desk.login()
    desk.select(QUIET)
    desk.ticket(side="Buy", quantity="2", price="98.75")
    expect(desk.orders.locator("tbody tr")).to_have_count(1)

    line.cut()
    expect(desk.state).to_have_text("reconnecting")
    desk.page.get_by_role("button", name="Cancel all").click()
    expect(desk.orders.get_by_role("alert")).to_contain_text("cannot be reached")
    expect(desk.orders.locator("tbody tr")).to_have_count(1)  # what the server has not confirmed has not happened

    line.mend()
    expect(desk.state).to_have_text("live")
    desk.page.get_by_role("button", name="Cancel all").click()
    expect(desk.orders.locator("tbody tr")).to_have_count(0)


def test_a_reload_keeps_the_login(desk: Desk):
    desk.page.reload()
    expect(desk.state).to_have_text("live")
    desk.page.get_by_role("button", name="Log out").click()
    expect(desk.page.get_by_label("Password")).to_be_visible()
    desk.page.reload()
    expect(desk.page.get_by_label("Password")).to_be_visible()
    desk.assert_clean()


def test_a_phone_shows_every_panel_without_scrolling_sideways(open_desk: OpenDesk):
    desk = open_desk(390, 780, phone=True)
    desk.login()
    shown = {
        "Market": (desk.chart, desk.tape),
        "Trade": (desk.ladder, desk.ticket_panel),
        "Orders": (desk.orders, desk.fills),
        "Positions": (desk.positions,),
    }
    for view, panels in shown.items():
        desk.page.get_by_role("navigation").get_by_role("button", name=view).tap()
        for panel in panels:
            expect(panel).to_be_in_viewport(ratio=0.9)
        width, room = desk.page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
        assert width <= room, view
    desk.assert_clean()


def _changes(page: Page, selector: str) -> None:
    """Waits until what the selector shows is no longer what it shows now."""
    before = page.locator(selector).inner_text()
    page.wait_for_function(
        "([selector, before]) => document.querySelector(selector).innerText !== before", arg=[selector, before]
    )


def _picture(desk: Desk) -> None:
    """A desk with something on it, for the README: positions in all symbols, own orders, a minute of candles."""
    for symbol, side, quantity in (("NVDA", "Sell", "200"), ("BTCUSD", "Buy", "0.25"), ("MSFT", "Buy", "40")):
        desk.select(symbol)
        expect(desk.levels("buy" if side == "Sell" else "sell").first).to_be_visible()
        desk.ticket(side=side, quantity=quantity)
        expect(desk.holding(symbol)).to_be_visible()
    desk.select(BUSY)
    while desk.page.evaluate(CANDLES, BUSY) < 45:
        desk.page.wait_for_timeout(1000)
    desk.page.reload()
    expect(desk.levels("sell").first).to_be_visible()
    desk.chart.get_by_role("button", name="1s", exact=True).click()
    for side, ticks in (("Buy", -1), ("Sell", 2), ("Buy", -4)):
        price = desk.best(side.lower()) + ticks * Decimal("0.01")
        desk.ticket(side=side, quantity="50", price=str(price))
        expect(desk.orders.get_by_role("cell", name=str(price), exact=True).first).to_be_visible()
    PICTURE.parent.mkdir(parents=True, exist_ok=True)
    desk.page.mouse.move(0, 0)
    desk.page.screenshot(path=PICTURE)
    desk.page.get_by_role("button", name="Cancel all").click()
    expect(desk.orders.locator("tbody tr")).to_have_count(0)
