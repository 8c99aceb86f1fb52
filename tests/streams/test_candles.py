"""Candles: the pure fold beside a slow twin that sorts trades into intervals."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from fractions import Fraction

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine import messages
from engine.units import Scale
from streams import candles, records
from streams.candles import EMPTY, INTERVALS_S, LIVE_NS, REWIND_NS, SECOND_NS, Bar, Chart, Tick

START_NS = 1_750_000_000 * SECOND_NS
CENT = Scale(Decimal("0.01"), Decimal(1))
steady = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""No test of how fast this machine is just now."""


def tick(number: int, ts_ns: int, price: int = 100, lots: int = 1, event_ns: int | None = None) -> Tick:
    return Tick(number, 1, ts_ns, ts_ns if event_ns is None else event_ns, price, lots)


def folded(ticks: Iterable[Tick]) -> tuple[Chart, list[tuple[int, Bar]]]:
    chart, closed = EMPTY, []
    for one in ticks:
        chart, ended = candles.take(chart, one)
        closed += ended
    return chart, closed


def grouped(ticks: Iterable[Tick]) -> dict[tuple[int, int], list[Tick]]:
    """The slow twin: (interval, start) → the trades in it."""
    found: dict[tuple[int, int], list[Tick]] = {}
    for one in ticks:
        for interval_s in INTERVALS_S:
            start_ns = one.event_ns // (interval_s * SECOND_NS) * interval_s * SECOND_NS
            found.setdefault((interval_s, start_ns), []).append(one)
    return found


trades = st.lists(
    st.tuples(
        st.one_of(st.integers(0, 3 * SECOND_NS), st.integers(0, 5_000 * SECOND_NS)),
        st.integers(1, 10**6),
        st.integers(1, 10**6),
    ),
    min_size=1,
    max_size=60,
)


def ticks_of(steps: list[tuple[int, int, int]]) -> list[Tick]:
    made, now = [], START_NS
    for number, (wait, price, lots) in enumerate(steps, 1):
        now += wait
        made.append(tick(number, now, price, lots))
    return made


@steady
@given(trades)
def test_every_bar_is_what_sorting_the_trades_into_intervals_gives(steps: list[tuple[int, int, int]]) -> None:
    ticks = ticks_of(steps)
    chart, closed = folded(ticks)
    bars = [*closed, *candles.open_bars(chart)]
    twin = grouped(ticks)
    assert {(interval_s, bar.start_ns) for interval_s, bar in bars} == twin.keys()
    assert len(bars) == len(twin), "each once"
    for interval_s, bar in bars:
        inside = twin[interval_s, bar.start_ns]
        prices = [one.price for one in inside]
        assert (bar.open, bar.high, bar.low, bar.close) == (prices[0], max(prices), min(prices), prices[-1])
        assert bar.volume == sum(one.lots for one in inside)
        assert bar.turnover == sum(one.price * one.lots for one in inside)
        assert bar.trades == len(inside)
        assert (bar.last_seq, bar.ts_ns) == (inside[-1].seq, inside[-1].ts_ns)


@steady
@given(trades, st.integers(0, 60))
def test_a_repeat_changes_nothing_and_a_saved_chart_goes_on(steps: list[tuple[int, int, int]], at: int) -> None:
    ticks = ticks_of(steps)
    chart, closed = folded(ticks[:at])
    chart = msgspec.json.decode(msgspec.json.encode(chart), type=Chart)
    for one in ticks:  # from the beginning again
        chart, ended = candles.take(chart, one)
        closed += ended
    assert (chart, closed) == folded(ticks)


@steady
@given(trades)
def test_settling_before_each_trade_closes_some_bars_earlier_and_changes_none(
    steps: list[tuple[int, int, int]],
) -> None:
    ticks = ticks_of(steps)
    chart, closed = EMPTY, []
    for one in ticks:
        chart, early = candles.settle(chart, one.ts_ns)
        assert all(bar.start_ns + interval_s * SECOND_NS + LIVE_NS <= one.ts_ns for interval_s, bar in early)
        chart, ended = candles.take(chart, one)
        closed += early + ended
    plain, plainly_closed = folded(ticks)
    assert sorted(closed, key=_place) == sorted(plainly_closed, key=_place)
    assert chart == plain


def _place(closed: tuple[int, Bar]) -> tuple[int, int]:
    return closed[0], closed[1].start_ns


def test_a_quiet_bar_is_closed_once_nothing_can_follow() -> None:
    chart, _ = folded([tick(1, START_NS)])
    ends = START_NS + SECOND_NS + LIVE_NS
    assert candles.settle(chart, ends - 1) == (chart, [])
    settled, [(interval_s, bar)] = candles.settle(chart, ends)
    assert (interval_s, bar.start_ns, bar.trades) == (1, START_NS, 1)
    assert candles.settle(settled, ends) == (settled, [])
    late = tick(2, ends, event_ns=ends - LIVE_NS)  # the oldest event that can still arrive
    _, opened = candles.open_bars(candles.take(settled, late)[0])[0]
    assert opened.start_ns == START_NS + SECOND_NS


def test_a_sender_whose_clock_is_behind_does_not_open_an_old_bar_again() -> None:
    ticks = [tick(1, START_NS), tick(2, START_NS + SECOND_NS), tick(3, START_NS + SECOND_NS, event_ns=START_NS)]
    chart, closed = folded(ticks)
    assert [bar.trades for _, bar in closed] == [1]
    assert candles.open_bars(chart)[0][1].trades == 2


def test_a_replayed_day_does_not_mix_with_live_trades() -> None:
    day = 1_340_285_400 * SECOND_NS
    ticks = [
        tick(1, START_NS),
        tick(2, START_NS + 1, event_ns=day),
        tick(3, START_NS + 2),
        tick(4, START_NS + 3, event_ns=day + SECOND_NS),
    ]
    chart, closed = folded(ticks)
    assert [(interval_s, bar.start_ns, bar.trades) for interval_s, bar in closed] == [(1, day, 1)]
    assert [(bar.start_ns, bar.trades) for _, bar in candles.open_bars(chart)][:5:4] == [
        (START_NS, 2),
        (day + SECOND_NS, 1),
    ]
    assert candles.settle(chart, START_NS + 10**6 * SECOND_NS)[0].replayed == chart.replayed


def test_a_day_that_begins_again_makes_its_bars_anew() -> None:
    day = 1_340_285_400 * SECOND_NS
    ticks = [tick(1, START_NS, event_ns=day + REWIND_NS + 1, price=7), tick(2, START_NS, event_ns=day, price=9)]
    chart, closed = folded(ticks)
    assert [bar.close for _, bar in closed] == [7, 7, 7, 7]
    assert {(bar.open, bar.trades) for _, bar in candles.open_bars(chart)} == {(9, 1)}


def test_the_record_has_the_numbers_of_the_bar() -> None:
    chart, _ = folded([tick(1, START_NS, 19_000, 10), tick(2, START_NS + 1, 19_001, 5)])
    record = records.candle("AAPL", 60, candles.open_bars(chart)[1][1], CENT, closed=False)
    assert record == messages.Candle(
        symbol="AAPL",
        interval_s=60,
        start_ns=START_NS - START_NS % (60 * SECOND_NS),
        open="190.00",
        high="190.01",
        low="190.00",
        close="190.01",
        volume="15",
        turnover="2850.05",
        vwap=str(round(Fraction(285005, 1500) * 10**9) / Decimal(10**9)),
        trades=2,
        closed=False,
        last_seq=2,
        last_index=1,
        ts_ns=START_NS + 1,
    )
