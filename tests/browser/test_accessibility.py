"""axe-core finds no serious violation, in both themes, on a wide screen and on a phone, with dialogs open."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.browser.desk import Desk, OpenDesk

pytestmark = pytest.mark.browser

AXE = Path(__file__).parents[2] / "dashboards" / "web" / "node_modules" / "axe-core" / "axe.min.js"
SERIOUS = ("serious", "critical")


def _violations(desk: Desk) -> list[str]:
    """`impact rule: element`, of each that is serious."""
    # Evaluated by the browser itself: the page's content security policy forbids a script that is put in.
    desk.page.evaluate(AXE.read_text() + "\n;0")
    found: dict[str, Any] = desk.page.evaluate("axe.run(document, { resultTypes: ['violations'] })")
    return [
        f"{violation['impact']} {violation['id']}: {node['html'][:160]}"
        for violation in found["violations"]
        if violation["impact"] in SERIOUS
        for node in violation["nodes"][:3]
    ]


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_a_wide_desk(open_desk: OpenDesk, theme: str):
    desk = open_desk(1280, 720)
    assert _violations(desk) == []
    desk.login()
    expect(desk.ladder.get_by_role("row").first).to_be_visible()
    if desk.page.locator("html").get_attribute("data-theme") != theme:
        desk.page.keyboard.press("t")
    expect(desk.page.locator("html")).to_have_attribute("data-theme", theme)
    for title in ("Positions", "P&L", "Risk", "System", "Orders", "History", "Fills", "Depth"):
        desk.front(title)
    assert _violations(desk) == []
    for title in ("P&L", "Risk", "System"):
        desk.front(title)
        assert _violations(desk) == [], title
    for button in ("Keys", "Settings", "Symbol"):
        desk.page.get_by_role("button", name=button).first.click()
        expect(desk.page.get_by_role("dialog")).to_be_visible()
        assert _violations(desk) == [], button
        desk.page.keyboard.press("Escape")


def test_a_phone(open_desk: OpenDesk):
    desk = open_desk(390, 780, phone=True)
    desk.login()
    for view in ("Market", "Ladder", "Trade", "Orders", "More"):
        desk.page.get_by_role("navigation", name="Views").get_by_role("button", name=view).tap()
        assert _violations(desk) == [], view
