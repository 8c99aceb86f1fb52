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
        page.on(
            "request", lambda request: self._note(not request.url.startswith((url, "blob:")), f"asked: {request.url}")
        )
        page.goto(url)

    def _note(self, trouble: bool, text: str) -> None:
        if trouble:
            self.troubles.append(text)

    def assert_clean(self) -> None:
        """No error on the console, no uncaught exception, no request to another host."""
        assert self.troubles == [], self.troubles

    def type_login(self, username: str, password: str) -> None:
        self.page.get_by_label("Username").fill(username)
        self.page.get_by_label("Password").fill(password)
        self.page.get_by_role("button", name="Log in").click()

    def login(self) -> None:
        self.type_login("demo", "demo")
        expect(self.state).to_have_text("live")

    def panel(self, name: str) -> Locator:
        return self.page.locator(f'[data-panel="{name}"]')

    def front(self, title: str) -> None:
        """Brings the panel of that title to the front of its group."""
        self.page.get_by_role("tab", name=title).click()

    @property
    def state(self) -> Locator:
        return self.page.locator("[data-state]")

    @property
    def ladder(self) -> Locator:
        return self.panel("ladder")

    @property
    def ticket(self) -> Locator:
        return self.panel("ticket")

    @property
    def orders(self) -> Locator:
        return self.panel("orders")

    @property
    def rows(self) -> Locator:
        """Of the table of open orders."""
        return self.orders.locator("tbody tr")

    @property
    def outcome(self) -> Locator:
        return self.ticket.locator(".outcome")

    @property
    def notices(self) -> Locator:
        return self.page.get_by_role("list", name="Notices")

    def rung(self, price: str) -> Locator:
        """The ladder's row of a price."""
        return self.ladder.locator(f'[role="row"][data-price="{price}"]')

    def cell(self, price: str, column: int) -> Locator:
        """0 own buys, 1 bid, 2 price, 3 ask, 4 own sells."""
        return self.rung(price).get_by_role("gridcell").nth(column)

    def best(self, side: str) -> Decimal:
        """The best bid (`buy`) or ask (`sell`), as the ladder marks it."""
        text = self.ladder.locator(f".price.{side}").first.inner_text()
        return Decimal(text)

    def select(self, symbol: str) -> None:
        self.page.keyboard.press("Escape")
        self.panel("watchlist").get_by_role("button", name=symbol, exact=True).click()
        expect(self.page.get_by_role("button", name=f"Symbol {symbol}")).to_be_visible()

    def holding(self, symbol: str) -> Locator:
        """The cell with the position's quantity."""
        return self.panel("positions").locator(f'tr[data-key="{symbol}"] td').nth(1)

    def position(self, symbol: str) -> Decimal:
        expect(self.panel("positions")).not_to_contain_text("Loading")
        cell = self.holding(symbol)
        return Decimal(cell.inner_text().replace("−", "-")) if cell.count() else Decimal(0)

    def yes(self) -> None:
        """Agrees to what is asked."""
        dialog = self.page.get_by_role("dialog")
        expect(dialog).to_be_visible()
        self.page.keyboard.press("Enter")
        expect(dialog).to_have_count(0)

    def confirmations(self, on: bool) -> None:
        self.page.get_by_role("button", name="Settings").click()
        self.page.locator('input[name="confirm"]').set_checked(on)
        self.page.keyboard.press("Escape")
        expect(self.page.get_by_role("dialog")).to_have_count(0)

    def write(self, *, side: str, quantity: str, price: str | None = None) -> None:
        """Writes an order into the ticket, a limit order where there is a price."""
        self.ticket.locator(".sides label", has_text=side).click()
        self.ticket.locator('select[name="order_type"]').select_option("market" if price is None else "limit")
        self.ticket.locator('input[name="quantity"]').fill(quantity)
        if price is not None:
            self.ticket.locator('input[name="limit_price"]').fill(price)

    def send(self) -> None:
        self.ticket.locator("button.send").click()

    def enter(self, *, side: str, quantity: str, price: str | None = None) -> None:
        """Writes an order and sends it, agreeing to it where that is asked."""
        self.write(side=side, quantity=quantity, price=price)
        self.send()
        if self.asks:
            self.yes()

    asks = True
    """Whether confirmations are on."""
