"""Order-flow statistics: the fold beside a slow twin that looks at all reports of the last minute."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from math import isqrt

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.units import Scale
from streams import order_flow
from streams.agents.order_flow import published
from streams.marks import TopOfBook
from streams.order_flow import EMPTY, STEP_NS, STEPS, Flow, Report

START_NS = 1_750_000_000 * 1_000_000_000
CENT = Scale(Decimal("0.01"), Decimal(1))
steady = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""No test of how fast this machine is just now."""

steps = st.lists(
    st.tuples(
        st.sampled_from([0, 1, STEP_NS // 3, STEP_NS, 30 * 1_000_000_000, 100 * 1_000_000_000]),
        st.sampled_from(["new", "trade", "trade", "canceled", "expired", "rejected", "replaced"]),
        st.booleans(),
        st.booleans(),
        st.integers(1, 1_000),
        st.integers(1, 1_000_000),
    ),
    min_size=1,
    max_size=50,
)


def reports_of(drawn: list[tuple[int, str, bool, bool, int, int]]) -> list[Report]:
    made, now = [], START_NS
    for number, (wait, kind, buys, taker, lots, price) in enumerate(drawn, 1):
        now += wait
        traded = kind == "trade"
        counts = traded or kind in order_flow.ENDED
        made.append(Report(number, 0, now, kind, buys, taker, lots if counts else 0, price if traded else 0))
    return made


def folded(reports: list[Report]) -> Flow:
    flow = EMPTY
    for report in reports:
        flow = order_flow.take(flow, report)
    return flow


@steady
@given(steps)
def test_the_window_is_what_the_reports_of_the_last_minute_say(
    drawn: list[tuple[int, str, bool, bool, int, int]],
) -> None:
    reports = reports_of(drawn)
    totals = order_flow.window(folded(reports))
    since = reports[-1].ts_ns // STEP_NS - STEPS
    inside = [report for report in reports if report.ts_ns // STEP_NS > since]
    trades = [report for report in inside if report.exec_type == "trade"]
    taken = [report for report in trades if report.taker]
    assert totals.orders == sum(report.exec_type == "new" for report in inside)
    assert totals.rejected == sum(report.exec_type == "rejected" for report in inside)
    ended = [report for report in inside if report.exec_type in ("canceled", "expired")]
    assert (totals.canceled, totals.unfilled) == (len(ended), sum(report.lots for report in ended))
    assert totals.filled == sum(report.lots for report in trades)
    assert (totals.trades, totals.volume) == (len(taken), sum(report.lots for report in taken))
    assert totals.bought == sum(report.lots for report in taken if report.buys)
    assert totals.turnover == sum(report.lots * report.price for report in taken)
    every = [report for report in reports if report.exec_type == "trade" and report.taker]
    returns = [
        (Fraction(after.price, before.price) - 1) * 10**9 // 1 for before, after in pairwise(every) if after in taken
    ]
    assert totals.squares == sum(change * change for change in returns)
    assert order_flow.volatility(totals) == isqrt(totals.squares)


@steady
@given(steps, st.integers(0, 50))
def test_a_repeat_changes_nothing_and_a_saved_flow_goes_on(
    drawn: list[tuple[int, str, bool, bool, int, int]], at: int
) -> None:
    reports = reports_of(drawn)
    flow = msgspec.json.decode(msgspec.json.encode(folded(reports[:at])), type=Flow)
    for report in reports:  # from the beginning again
        flow = order_flow.take(flow, report)
    assert flow == folded(reports)


def test_the_record_has_the_ratios() -> None:
    flow = folded(
        [
            Report(1, 0, START_NS, "new", True, False, 0, 0),
            Report(2, 0, START_NS, "trade", True, True, 30, 10_000),
            Report(2, 1, START_NS, "trade", False, False, 30, 10_000),
            Report(3, 0, START_NS, "trade", False, True, 10, 10_100),
            Report(3, 1, START_NS, "trade", True, False, 10, 10_100),
            Report(4, 0, START_NS, "canceled", True, False, 20, 0),
        ]
    )
    record = published(
        "AAPL", flow, TopOfBook("100.00", "100.03", 4, START_NS, bid_quantity="30", ask_quantity="10"), CENT
    )
    assert (record.spread, record.mid, record.imbalance, record.book_seq) == ("0.03", "100.015", "0.5", 4)
    assert (record.orders, record.canceled, record.trades) == (1, 1, 2)
    assert (record.volume, record.buy_volume, record.sell_volume, record.vwap) == ("40", "30", "10", "100.25")
    assert (record.trade_imbalance, record.fill_ratio) == ("0.5", "0.8")
    assert record.realized_volatility == "0.01"
    empty = published("AAPL", EMPTY, TopOfBook(None, "100.03", 4, START_NS), CENT)
    assert (empty.spread, empty.mid, empty.imbalance, empty.vwap, empty.fill_ratio) == (None,) * 5
