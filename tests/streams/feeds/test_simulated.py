"""The simulated market on the engine's matcher: how it trades, and that its figures are those of a real day.

Each figure must lie between the least and the greatest of the thirteen half hours of GOOG on 2012-06-21 (LOBSTER's
sample day, ../shared/marketdata; docs/market.md has the table). The ranges are numbers here, so they hold where the day
itself is not to be had; where it is, they are measured from it again.
"""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from engine.words import Side
from streams.feeds import statistics
from streams.feeds.instructions import CANCEL, IOC, NEW, REPLACE, columns, encode
from streams.feeds.lobster.reader import VISIBLE_EXECUTION, read
from streams.feeds.simulated.market import Market
from streams.feeds.simulated.parameters import Parameters
from streams.feeds.simulated.state import Answer, Listed, Quote
from streams.feeds.statistics import Figures
from tests.streams.feeds.lobster_day import GOOG, needs
from tests.streams.feeds.rehearsal import GOOG_LIKE, UNIT, Rehearsal, rehearse

GOOG_LEAST = Figures(
    spread_ticks=19.76,
    spread_bps=3.499,
    volatility_bps=3.235,
    sign_correlation_1=0.508,
    sign_correlation_2=0.274,
    trade_fano=3.29,
    trade_cv=1.742,
    trade_branching=0.449,
    event_fano=31.43,
    event_cv=3.149,
    trades_per_event=0.0235,
)
GOOG_GREATEST = Figures(
    spread_ticks=51.08,
    spread_bps=8.856,
    volatility_bps=10.72,
    sign_correlation_1=0.681,
    sign_correlation_2=0.555,
    trade_fano=10.12,
    trade_cv=2.865,
    trade_branching=0.686,
    event_fano=194.3,
    event_cv=3.681,
    trades_per_event=0.0984,
)
SEEDS = (1, 2, 3)
RATE = 10.0
HOURS = 2.0


@pytest.fixture(scope="module")
def rehearsals() -> dict[int, Rehearsal]:
    return {seed: rehearse(seed, RATE, HOURS) for seed in SEEDS}


@pytest.mark.marketdata
@needs(GOOG)
def test_the_ranges_are_those_of_the_goog_day() -> None:
    day = read(GOOG, None)
    execution = np.array([m.type == VISIBLE_EXECUTION for m in day.messages])
    sign = np.array([-1.0 if m.side == Side.BUY else 1.0 for m in day.messages])
    tape = statistics.tape_of_lobster(day.time_ns, execution, sign, day.bids[:, 0, 0] / 100, day.asks[:, 0, 0] / 100)
    least, greatest = statistics.extremes(statistics.blocks(tape))
    assert tuple(GOOG_LEAST) == pytest.approx(tuple(least), rel=0.003)
    assert tuple(GOOG_GREATEST) == pytest.approx(tuple(greatest), rel=0.003)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("name", Figures._fields)
def test_the_figures_lie_within_a_real_day_s(rehearsals: dict[int, Rehearsal], seed: int, name: str) -> None:
    middle = statistics.median(statistics.blocks(rehearsals[seed].tape()))
    assert getattr(GOOG_LEAST, name) <= getattr(middle, name) <= getattr(GOOG_GREATEST, name)


def test_the_rate_is_held(rehearsals: dict[int, Rehearsal]) -> None:
    for seen in rehearsals.values():
        assert seen.market.commands / seen.market.now_s == pytest.approx(RATE, rel=0.05)


def test_everybody_trades_and_positions_stay_bounded(rehearsals: dict[int, Rehearsal]) -> None:
    parameters = Parameters()
    most = (parameters.inventory_units + 15) * UNIT  # a maker's ladder may still fill after its limit is reached
    for seen in rehearsals.values():
        assert {i.account for i in seen.instructions} == set(range(len(seen.market.accounts)))
        assert {i.type for i in seen.instructions} == {NEW, CANCEL, REPLACE}
        assert max(abs(lots) for lots in seen.market.positions.values()) < most


def test_seeds_decide_everything() -> None:
    once, again, other = (rehearse(seed, RATE, 0.1).instructions for seed in (5, 5, 6))
    assert once == again
    assert once != other


def test_days_go_by_and_the_price_stays_in_its_band_with_few_orders_resting() -> None:
    seen = rehearse(4, rate=0.3, hours=48.0)
    bids, asks = (np.array(column) for column in list(zip(*seen.events, strict=True))[1:])
    assert np.nanmin(bids) > 0.85 * GOOG_LIKE.start
    assert np.nanmax(asks) < 1.15 * GOOG_LIKE.start
    depth = [len(levels) for levels in seen.core.depth(1, 1000)]
    assert min(depth) >= 1
    assert max(depth) < 60


def test_the_symbols_share_the_rate_and_keep_their_own_prices() -> None:
    cheap = Listed("B", 100, 200_000, start=13_000.0, unit=150)
    seen = rehearse(1, rate=2 * RATE, hours=0.5, listed=[GOOG_LIKE, cheap])
    numbers = [sum(i.instrument == k for i in seen.instructions) for k in (0, 1)]
    assert min(numbers) > 0.7 * max(numbers)
    bids, asks = seen.core.depth(2, 1)
    assert bids[0, 0] < asks[0, 0]
    assert abs(bids[0, 0] / 13_000 - 1) < 0.05


def test_order_numbers_make_client_order_ids_that_never_repeat(rehearsals: dict[int, Rehearsal]) -> None:
    new = [i for i in rehearsals[1].instructions if i.type == NEW]
    commands = encode(columns(new), accounts=range(1, 20), instruments=[1], tag="s1f", strategy="sim")
    ids = commands["client_order_id"].tolist()
    assert ids[0] == b"s1f-0"
    assert len(set(ids)) == len(ids)


# ----------------------------------------------------------------------------------------- what the engine answers


def test_a_fill_is_learned_from_the_answer_to_a_cancel_that_came_too_late() -> None:
    market = Market(1, [GOOG_LIKE], RATE)
    book = Quote(0, 0, 0, 0)
    placed = next(i for i in iter(lambda: market.step(lambda _: book), 0) if i is not None)
    market.answer(placed, Answer(True, True, 0, placed.quantity))
    assert market.positions == {}
    gone = Quote(1, 1, 200_000, 1)  # nothing of ours is left on the book
    for instruction in itertools.islice(iter(lambda: market.step(lambda _: gone), 0), 200):
        if instruction is None:
            continue
        if instruction.number == placed.number:
            assert instruction.type in (CANCEL, REPLACE)
            market.answer(instruction, Answer(False, True, placed.quantity, 0))
            break
        market.answer(instruction, Answer(False, False, 0, 0))
    sign = 1 if placed.side == Side.BUY else -1
    assert market.positions == {(placed.account, 0): sign * placed.quantity}


def test_a_maker_at_its_limit_quotes_one_side_only() -> None:
    parameters = Parameters()
    full = round(parameters.inventory_units * UNIT)
    market = Market(1, [GOOG_LIKE], RATE, positions={(maker, 0): full for maker in range(parameters.makers)})
    sides = set()
    for _ in range(200):
        instruction = market.step(lambda _: Quote(0, 0, 0, 0))
        if instruction is not None:
            if instruction.account < parameters.makers:
                sides.add(instruction.side)
            leaves = 0 if instruction.time_in_force == IOC else instruction.quantity
            market.answer(instruction, Answer(True, True, 0, leaves))
    assert sides == {int(Side.SELL)}


def test_a_symbol_that_is_not_traded_is_left_alone() -> None:
    """Closed for an hour: nothing is sent, and the hour is not made good when trading begins."""
    seen = rehearse(1, RATE, 7 / 6, closed_hours=1.0)
    first_s, last_s = (seen.events[place][0] / statistics.SECOND for place in (0, -1))
    assert 3600 <= first_s < 3605
    assert last_s > 4190
    assert 0.5 * RATE * 600 < len(seen.instructions) < 2 * RATE * 600


def test_orders_stay_within_the_band() -> None:
    narrow = Listed("N", 57_690, 57_710, start=57_700.0, unit=UNIT)
    seen = rehearse(1, RATE, 0.2, listed=[narrow])
    priced = [i.price for i in seen.instructions if i.type != CANCEL]
    assert min(priced) >= narrow.price_min
    assert max(priced) <= narrow.price_max
