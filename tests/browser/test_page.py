"""The terminal in a real Chromium on the real system: what a trader does in the first five minutes."""

from __future__ import annotations

import re
from decimal import Decimal

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import TRADED_AT, UNTRADED
from tests.browser.desk import Desk, OpenDesk
from tests.browser.line import Line

pytestmark = pytest.mark.browser

QUIET = UNTRADED.symbol
"""An order of ours rests there, alone, for as long as we want."""
BUSY = "AAPL"


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


def test_the_market_moves(desk: Desk):
    desk.select(BUSY)
    expect(desk.ladder.locator(".price.buy")).to_be_visible()
    expect(desk.ladder.locator(".price.sell")).to_be_visible()
    expect(desk.panel("tape").locator("li").first).to_be_visible()
    _changes(desk.page, '[data-panel="ladder"] [role="grid"]')
    _changes(desk.page, '[data-panel="tape"] ol')
    desk.front("Depth")
    expect(desk.panel("depth").locator("path.bids")).to_have_attribute("d", re.compile("^M"))
    desk.assert_clean()


def test_an_order_of_the_ticket_rests_is_amended_in_the_table_and_canceled(desk: Desk):
    desk.select(QUIET)
    desk.write(side="Buy", quantity="7", price="99.96")
    preview = desk.ticket.get_by_label("Preview")
    expect(preview).to_contain_text("699.72")  # what it is worth, by the engine's own checks
    expect(preview).to_contain_text("0 → 7")
    desk.send()
    desk.yes()
    expect(desk.outcome).to_contain_text("new")
    expect(desk.rows).to_have_count(1)
    for text in (QUIET, "buy", "7", "99.96", "day"):
        expect(desk.rows.get_by_role("cell", name=text, exact=True)).to_be_visible()
    expect(desk.cell("99.96", 0)).to_have_text("7")
    expect(desk.page.locator("[data-line]")).to_contain_text("99.96")

    desk.rows.get_by_role("button", name=re.compile("^Amend")).click()
    desk.rows.locator('input[name="amend_quantity"]').fill("5")
    desk.rows.locator('input[name="amend_price"]').fill("99.97")
    desk.rows.get_by_role("button", name="Save").click()
    desk.yes()
    expect(desk.cell("99.97", 0)).to_have_text("5")

    desk.rows.get_by_role("button", name=re.compile("^Cancel")).click()
    expect(desk.rows).to_have_count(0)
    expect(desk.cell("99.97", 0)).to_have_text("")
    desk.assert_clean()


def test_orders_are_placed_on_the_ladder_and_dragged_there_and_on_the_chart(desk: Desk):
    desk.select(QUIET)
    desk.confirmations(False)
    desk.ladder.locator('input[name="quick"]').fill("3")
    desk.ladder.locator('input[name="quick"]').press("Enter")
    desk.cell("99.98", 1).click()
    expect(desk.cell("99.98", 0)).to_have_text("3")
    _drag(desk.page, desk.cell("99.98", 0), desk.cell("99.95", 0))
    expect(desk.cell("99.95", 0)).to_have_text("3")
    expect(desk.cell("99.98", 0)).to_have_text("")

    line = desk.page.locator("[data-line]")
    expect(line).to_contain_text("99.95")
    box = line.bounding_box()
    assert box is not None
    desk.page.mouse.move(box["x"] + 8, box["y"] + box["height"] / 2)
    desk.page.mouse.down()
    desk.page.mouse.move(box["x"] + 8, box["y"] - 60, steps=5)
    desk.page.mouse.up()
    expect(line).not_to_contain_text("99.95")
    expect(desk.rows.get_by_role("cell", name="99.95", exact=True)).to_have_count(0)
    [moved] = re.findall(r"\d+\.\d+", line.inner_text())
    assert Decimal("99.95") < Decimal(moved)
    expect(desk.rows.get_by_role("cell", name=moved, exact=True)).to_be_visible()

    desk.page.keyboard.press("c")  # all of this symbol
    expect(desk.rows).to_have_count(0)
    desk.assert_clean()


@pytest.mark.parametrize(
    ("kind", "side", "price", "legs", "count"),
    [
        ("Bracket", "Buy", "99.90", {"take_profit": "101.00", "stop_loss": "99.00"}, 3),
        ("OCO", "Sell", None, {"take_profit": "101.00", "stop_loss": "99.00"}, 2),
        ("OTO", "Buy", "99.90", {"then_price": "101.00"}, 2),
    ],
)
def test_lists_are_entered_and_ended_together(
    desk: Desk, kind: str, side: str, price: str | None, legs: dict[str, str], count: int
):
    desk.select(QUIET)
    desk.ticket.locator(".kinds label", has_text=kind).click()
    desk.ticket.locator(".sides label", has_text=side).click()
    desk.ticket.locator('input[name="quantity"]').fill("4")
    if price is not None:
        desk.ticket.locator('input[name="limit_price"]').fill(price)
    for field, text in legs.items():
        desk.ticket.locator(f'input[name="{field}"]').fill(text)
    desk.send()
    desk.yes()
    expect(desk.outcome).to_contain_text(f"{kind} entered")
    expect(desk.rows).to_have_count(count)
    for text in legs.values():
        expect(desk.orders).to_contain_text(text)
    desk.orders.get_by_role("button", name="Cancel all").click()
    desk.yes()
    expect(desk.rows).to_have_count(0)
    desk.assert_clean()


def test_an_order_until_a_time(desk: Desk):
    desk.select(QUIET)
    desk.write(side="Buy", quantity="2", price="99.90")
    desk.ticket.locator('select[name="time_in_force"]').select_option("gtd")
    until = desk.ticket.locator('input[name="expires_ns"]')
    desk.send()
    expect(until).to_have_attribute("aria-invalid", "true")
    expect(desk.ticket.get_by_role("alert")).to_have_text("Choose a date and a time")
    until.fill("2001-02-03T04:05")
    desk.send()
    desk.yes()
    expect(until).to_have_attribute("aria-invalid", "true")
    expect(desk.rows).to_have_count(0)
    until.fill("2101-02-03T04:05")
    desk.send()
    desk.yes()
    expect(desk.outcome).to_contain_text("new")
    expect(desk.rows.get_by_role("cell", name="gtd", exact=True)).to_be_visible()
    desk.rows.get_by_role("button", name=re.compile("^Cancel")).click()
    expect(desk.rows).to_have_count(0)


def test_a_position_is_reversed_and_closed(desk: Desk):
    desk.select(BUSY)
    row = desk.panel("positions").locator(f'tr[data-key="{BUSY}"]')
    if desk.position(BUSY):
        row.get_by_role("button", name=f"Close {BUSY}").click()
        desk.yes()
        expect(row).to_have_count(0)
    desk.enter(side="Buy", quantity="3")
    expect(desk.holding(BUSY)).to_have_text("3")
    row.get_by_role("button", name=f"Reverse {BUSY}").click()
    expect(desk.page.get_by_role("dialog")).to_contain_text(f"Reverse {BUSY}: sell 6 at the market")
    desk.yes()
    expect(desk.holding(BUSY)).to_have_text("−3")
    row.get_by_role("button", name=f"Close {BUSY}").click()
    expect(desk.page.get_by_role("dialog")).to_contain_text(f"Close {BUSY}: buy 3 at the market")
    desk.yes()
    expect(row).to_have_count(0)
    desk.assert_clean()


def test_keys_trade_and_flatten(desk: Desk):
    desk.page.keyboard.press("?")
    expect(desk.page.get_by_role("dialog")).to_contain_text("Flatten this symbol")
    desk.page.keyboard.press("Escape")
    desk.page.keyboard.press("/")
    desk.page.keyboard.type(BUSY[:2].lower())
    desk.page.keyboard.press("Enter")
    expect(desk.page.get_by_role("button", name=f"Symbol {BUSY}")).to_be_visible()
    expect(desk.ladder.locator(".price.sell")).to_be_visible()
    before = desk.position(BUSY)
    desk.ladder.locator('input[name="quick"]').fill("3")
    desk.ladder.locator('input[name="quick"]').press("Enter")
    desk.page.locator("body").click(position={"x": 400, "y": 12})
    desk.page.keyboard.press("Shift+B")
    desk.yes()
    expect(desk.notices).to_contain_text(re.compile(rf"Filled: buy \d+ {BUSY}"))
    expect(desk.holding(BUSY)).to_have_text(f"{before + 3}".replace("-", "−"))
    cells = desk.panel("positions").locator(f'tr[data-key="{BUSY}"] td')
    expect(cells.nth(3)).to_have_text(re.compile(r"^\d+\.\d+$"))  # the server's mark
    expect(cells.nth(4)).to_have_text(re.compile(r"^[+−]?\d"))  # and what it is worth at that
    desk.page.keyboard.press("f")
    desk.yes()
    expect(desk.panel("positions").locator(f'tr[data-key="{BUSY}"]')).to_have_count(0)
    desk.front("Fills")
    expect(desk.panel("fills").locator("tbody tr").first).to_contain_text(BUSY)
    desk.front("History")
    expect(desk.panel("history").locator("tbody tr").first).to_contain_text("filled")
    with desk.page.expect_download() as download:
        desk.panel("history").get_by_role("button", name="CSV").click()
    assert "Time,Symbol,Side" in download.value.path().read_text()
    desk.assert_clean()


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
    desk.write(side="Buy", quantity=quantity, price=price)
    desk.send()
    if quantity != "abc":
        desk.yes()
    entry = desk.ticket.locator(f'input[name="{field}"]')
    expect(entry).to_have_attribute("aria-invalid", "true")
    expect(desk.page.locator(f"[id='{entry.get_attribute('aria-describedby')}']")).to_contain_text(says)
    expect(desk.rows).to_have_count(0)


def test_a_lost_stream_is_shown_and_resumes(open_desk: OpenDesk, line: Line):
    desk = open_desk(1280, 720, url=line.url)
    desk.login()
    desk.select(QUIET)
    desk.enter(side="Buy", quantity="2", price="99.94")
    expect(desk.rows).to_have_count(1)

    line.cut()
    expect(desk.state).to_have_text("reconnecting")
    expect(desk.page.get_by_role("alert").filter(has_text="not live")).to_be_visible()
    desk.orders.get_by_role("button", name="Cancel all").click()
    desk.yes()
    expect(desk.notices).to_contain_text("cannot be reached")
    expect(desk.rows).to_have_count(1)  # what the server has not confirmed has not happened

    line.mend()
    expect(desk.state).to_have_text("live")
    desk.orders.get_by_role("button", name="Cancel all").click()
    desk.yes()
    expect(desk.rows).to_have_count(0)


def test_the_kill_switch_stops_and_starts_trading(desk: Desk):
    desk.select(QUIET)
    desk.enter(side="Buy", quantity="1", price="99.93")
    expect(desk.rows).to_have_count(1)
    desk.front("Risk")
    desk.panel("risk").get_by_role("button", name="Stop all trading").click()
    desk.yes()
    expect(desk.page.locator("header")).to_contain_text("Trading stopped")
    expect(desk.rows).to_have_count(0)
    desk.enter(side="Buy", quantity="1", price="99.93")
    expect(desk.outcome).to_contain_text(re.compile("kill|stopped|switch", re.IGNORECASE))
    desk.panel("risk").get_by_role("button", name="Trade again").click()
    desk.yes()
    expect(desk.page.locator("header")).not_to_contain_text("Trading stopped")
    desk.enter(side="Buy", quantity="1", price="99.93")
    expect(desk.rows).to_have_count(1)
    desk.page.locator("header h1").click()
    desk.page.keyboard.press("Shift+C")
    desk.yes()
    expect(desk.rows).to_have_count(0)


def test_the_layout_is_kept_for_the_user(desk: Desk, open_desk: OpenDesk):
    desk.page.get_by_role("button", name="Settings").click()
    desk.page.locator('input[name="panel-depth"]').uncheck()
    with desk.page.expect_response(lambda answer: '"theme":"light"' in (answer.request.post_data or "")):
        desk.page.get_by_label("Light", exact=True).check()
    desk.page.keyboard.press("Escape")

    other = open_desk(1280, 720)
    other.login()
    expect(other.page.locator("html")).to_have_attribute("data-theme", "light")
    expect(other.page.get_by_role("tab", name="Tape")).to_be_visible()
    expect(other.page.get_by_role("tab", name="Depth")).to_have_count(0)
    other.page.get_by_role("button", name="Settings").click()
    other.page.get_by_role("button", name="Usual layout").click()
    expect(other.page.locator('input[name="panel-depth"]')).to_be_checked()
    other.assert_clean()


def test_a_reload_keeps_login_and_logging_out_ends_it(desk: Desk):
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
        "Market": ("watchlist", "chart"),
        "Ladder": ("ladder",),
        "Trade": ("ticket",),
        "Orders": ("orders", "positions"),
        "More": ("account",),
    }
    for view, panels in shown.items():
        desk.page.get_by_role("navigation", name="Views").get_by_role("button", name=view).tap()
        for panel in panels:
            expect(desk.panel(panel)).to_be_in_viewport(ratio=0.9)
        width, room = desk.page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
        assert width <= room, view
    desk.page.get_by_role("navigation", name="Views").get_by_role("button", name="Trade").tap()
    desk.page.get_by_role("button", name="Symbol").first.tap()
    desk.page.get_by_role("option", name=QUIET).tap()
    desk.enter(side="Buy", quantity="1", price="99.92")
    expect(desk.outcome).to_contain_text("new")
    desk.page.get_by_role("navigation", name="Views").get_by_role("button", name="Orders").tap()
    desk.rows.get_by_role("button", name=re.compile("^Cancel")).tap()
    expect(desk.rows).to_have_count(0)
    desk.assert_clean()


def test_the_quiet_market_is_where_the_tests_think_it_is(desk: Desk):
    desk.select(QUIET)
    expect(desk.page.locator("header .last")).to_contain_text(str(TRADED_AT))


def _changes(page: Page, selector: str) -> None:
    """Waits until what the selector shows is no longer what it shows now."""
    before = page.locator(selector).inner_text()
    page.wait_for_function(
        "([selector, before]) => document.querySelector(selector).innerText !== before", arg=[selector, before]
    )


def _drag(page: Page, source: Locator, target: Locator) -> None:
    from_box, to_box = source.bounding_box(), target.bounding_box()
    assert from_box is not None
    assert to_box is not None
    page.mouse.move(from_box["x"] + 5, from_box["y"] + from_box["height"] / 2)
    page.mouse.down()
    page.mouse.move(to_box["x"] + 5, to_box["y"] + to_box["height"] / 2, steps=6)
    page.mouse.up()
