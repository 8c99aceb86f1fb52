"""The page as a trader sees it: what the tests click and read, by the names that are on screen."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

from playwright.sync_api import Locator, Page, expect

OpenDesk = Callable[..., "Desk"]
"""(width, height, *, phone=False, url=the gateway's) → a desk with the login screen on it."""


class Desk:
    """One browser tab. What it logs as an error, and what it asks of other hosts, is kept for `assert_clean`."""

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        self.troubles: list[str] = []
        page.on("console", lambda message: self._note(message.type == "error", f"console: {message.text}"))
        page.on("pageerror", lambda error: self._note(True, f"uncaught: {error}"))
        page.on("request", lambda request: self._note(not request.url.startswith(url), f"asked: {request.url}"))
        page.goto(url)

    def _note(self, trouble: bool, text: str) -> None:
        if trouble:
            self.troubles.append(text)

    def assert_clean(self) -> None:
        """No error on the console, no uncaught exception, no request to another host."""
        assert self.troubles == []

    def type_login(self, username: str, password: str) -> None:
        self.page.get_by_label("Username").fill(username)
        self.page.get_by_label("Password").fill(password)
        self.page.get_by_role("button", name="Log in").click()

    def login(self) -> None:
        self.type_login("demo", "demo")
        expect(self.state).to_have_text("live")

    def _panel(self, name: str) -> Locator:
        return self.page.locator(f'[data-panel="{name}"]')

    @property
    def state(self) -> Locator:
        return self.page.locator("[data-state]")

    @property
    def chart(self) -> Locator:
        return self._panel("chart")

    @property
    def ladder(self) -> Locator:
        return self._panel("ladder")

    @property
    def tape(self) -> Locator:
        return self._panel("tape")

    @property
    def ticket_panel(self) -> Locator:
        return self._panel("ticket")

    @property
    def orders(self) -> Locator:
        return self._panel("orders")

    @property
    def fills(self) -> Locator:
        return self._panel("fills")

    @property
    def positions(self) -> Locator:
        return self._panel("positions")

    @property
    def outcome(self) -> Locator:
        return self.ticket_panel.get_by_role("status")

    def levels(self, side: str) -> Locator:
        """Price levels on screen, from the top of the ladder down."""
        return self.ladder.locator(f"button.{side}[data-price]")

    def best(self, side: str) -> Decimal:
        price = (self.levels("buy").first if side == "buy" else self.levels("sell").last).get_attribute("data-price")
        assert price is not None
        return Decimal(price)

    def select(self, symbol: str) -> None:
        self.page.get_by_label("Symbol").select_option(symbol)
        expect(self.state).to_have_text("live")

    def holding(self, symbol: str) -> Locator:
        """The cell with the position's quantity."""
        return self.positions.locator(f'tr[data-symbol="{symbol}"] td').nth(1)

    def position(self, symbol: str) -> Decimal:
        expect(self.positions).not_to_contain_text("Loading")
        cell = self.holding(symbol)
        return Decimal(cell.inner_text().replace("−", "-")) if cell.count() else Decimal(0)

    def ticket(self, *, side: str, quantity: str, price: str | None = None) -> None:
        """Writes an order, a limit order where there is a price, and sends it."""
        panel = self.ticket_panel
        panel.locator("label", has_text=side).first.click()
        panel.get_by_label("Type").select_option("market" if price is None else "limit")
        panel.locator('input[name="quantity"]').fill(quantity)
        if price is not None:
            panel.locator('input[name="limit_price"]').fill(price)
        panel.get_by_role("button", name=side).click()
