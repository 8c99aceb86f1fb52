"""When an alert begins and ends."""

from __future__ import annotations

from typing import Any

import pytest

from engine.messages import Account, Mark, Pnl, SymbolLimits
from streams import alerts
from streams.alerts import PPM, Change, Level, Subject, Thresholds

THRESHOLDS = Thresholds(limit_ppm=800_000, drawdown_ppm=100_000, stale_s=60.0)
LIMITS: dict[str, Any] = dict.fromkeys(
    ("max_order_quantity", "max_order_notional", "max_open_orders", "max_long", "max_short", "price_collar_ppm")
)


def account(*limits: SymbolLimits, margin: str | None = None) -> Account:
    return Account(
        account="alice",
        account_id=1,
        currency="USD",
        deposits="1000.00",
        margin_multiple=margin,
        limits=list(limits),
        seq=1,
        ts_ns=1,
    )


def pnl(quantity: str = "0", **values: Any) -> Pnl:
    mark = Mark(
        price="100",
        source="mid",
        seq=3,
        position_seq=2,
        position_index=0,
        quantity=quantity,
        unrealized_pnl="0.00",
    )
    numbers = dict.fromkeys(("deposits", "equity", "peak_equity"), "1000.00")
    others = ("realized_pnl", "unrealized_pnl", "fees", "drawdown", "gross_exposure", "net_exposure")
    fields = {**numbers, **dict.fromkeys(others, "0.00"), **values}
    return Pnl(account="alice", currency="USD", marks={"AAPL": mark}, last_seq=9, ts_ns=9, **fields)


def used(record: Pnl, reference: Account) -> dict[Subject, int]:
    return {level.subject: level.used_ppm for level in alerts.account_levels(record, reference, THRESHOLDS)}


LONG = Subject("limit", "AAPL", "max_long")
SHORT = Subject("limit", "AAPL", "max_short")
DRAWDOWN = Subject("drawdown", None, None)
MARGIN = Subject("limit", None, "margin_multiple")


@pytest.mark.parametrize(
    ("quantity", "limits", "expected"),
    [
        pytest.param("85", {"max_long": "100", "max_short": "50"}, {LONG: 850_000, SHORT: 0}, id="long"),
        pytest.param("-40", {"max_long": "100", "max_short": "50"}, {LONG: 0, SHORT: 800_000}, id="short"),
        pytest.param("1", {"max_long": "0"}, {LONG: alerts.BEYOND}, id="a limit of nothing"),
        pytest.param("0", {"max_long": "0"}, {LONG: 0}, id="nothing of nothing"),
        pytest.param("5", {}, {}, id="no limit"),
    ],
)
def test_a_position_beside_its_limits(quantity: str, limits: dict[str, str], expected: dict[Subject, int]) -> None:
    levels = used(pnl(quantity), account(SymbolLimits(symbol=None, **{**LIMITS, **limits})))
    assert levels == {DRAWDOWN: 0} | expected


def test_a_limit_of_the_symbol_goes_before_that_of_all() -> None:
    both = account(
        SymbolLimits(symbol=None, **{**LIMITS, "max_long": "10"}),
        SymbolLimits(symbol="AAPL", **{**LIMITS, "max_long": "100"}),
    )
    assert used(pnl("9"), both)[LONG] == 90_000


def test_drawdown_and_margin() -> None:
    levels = used(pnl(drawdown="150.00", equity="850.00", gross_exposure="1700.00"), account(margin="4"))
    assert levels == {DRAWDOWN: 150_000, MARGIN: 500_000}
    assert used(pnl(equity="-1.00", gross_exposure="5.00"), account(margin="4"))[MARGIN] == alerts.BEYOND


def test_an_alert_is_raised_once_and_cleared_once() -> None:
    on: frozenset[Subject] = frozenset()
    said = []
    for share in (700, 799, 800, 900, 790, 800, 721, 719, 719, 800):
        on, changes = alerts.step(on, [Level(LONG, share * 1_000, 800_000)])
        said.append([change.raised for change in changes])
    assert said == [[], [], [True], [], [], [], [], [False], [], [True]]
    on, changes = alerts.step(on, [])
    assert changes == [Change(LONG, False, 0, 0)]
    assert on == frozenset()


def test_a_feed_is_stale_after_its_time() -> None:
    assert alerts.feed_level("AAPL", 30.0, THRESHOLDS).used_ppm == PPM // 2
    on, [change] = alerts.step(frozenset(), [alerts.feed_level("AAPL", 60.0, THRESHOLDS)])
    assert change.raised
    _, [change] = alerts.step(on, [alerts.feed_level("AAPL", 0.0, THRESHOLDS)])
    assert not change.raised
