"""Splits and dividends: cases that a bookkeeper can check by hand, and what holds for every sequence of fills."""

from __future__ import annotations

import random
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams import corporate_actions, recomputation
from streams.corporate_actions import Action
from streams.ledger import APPLY, FLAT, Execution, Holding, Layer
from tests.streams import flow

UNIT = 10_000
METHODS = ("average", "fifo")


def split(seq: int, new: int, old: int, last: int) -> Action:
    return Action(seq, seq, new, old, 0, last, round(Fraction(last * old, new)), 0, 0)


def dividend(seq: int, per_lot: int, last: int) -> Action:
    return Action(seq, seq, 1, 1, per_lot, last, last - per_lot // UNIT, 0, 0)


def run(fills: list[tuple[int, int]], method: str) -> Holding:
    holding = FLAT
    for seq, (lots, ticks) in enumerate(fills, 1):
        holding = APPLY[method](holding, Execution(seq, 0, lots, ticks, 0, seq), UNIT)
    return holding


CASES = [
    # fills (lots at ticks), new, old, last price;   quantity, cost in dollars, realized in dollars
    ([(10, 100_00)], 2, 1, 100_00, 20, 1000, 0),
    ([(-10, 100_00)], 2, 1, 100_00, -20, -1000, 0),
    ([(10, 100_00)], 1, 10, 110_00, 1, 1000, 0),
    # half a lot of the new ones: five of the old, worth 110 each, that cost 100 each
    ([(15, 100_00)], 1, 10, 110_00, 1, 1000, 50),
    ([(-15, 100_00)], 1, 10, 110_00, -1, -1000, -50),
    # nothing is left: all is paid in cash
    ([(5, 100_00)], 1, 10, 110_00, 0, 0, 50),
    ([], 2, 1, 0, 0, 0, 0),
]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(("fills", "new", "old", "last", "quantity", "cost", "realized"), CASES)
def test_a_split(
    fills: list[tuple[int, int]], new: int, old: int, last: int, quantity: int, cost: int, realized: int, method: str
) -> None:
    before = run(fills, method)
    after = corporate_actions.act(before, split(50, new, old, last), UNIT)
    assert (after.quantity, after.cost, after.realized) == (quantity, cost * 10**6, realized * 10**6)
    assert (after.bought, after.sold, after.fees) == (before.bought, before.sold, before.fees)
    assert (after.last_seq, after.last_index) == (50, 0)


def test_a_dividend_is_got_by_the_long_and_paid_by_the_short() -> None:
    for lots, realized in ((10, 25), (-10, -25)):
        after = corporate_actions.act(run([(lots, 100_00)], "average"), dividend(50, 2_500_000, 100_00), UNIT)
        assert (after.quantity, after.cost, after.realized) == (lots, lots * 100 * 10**6, realized * 100_000 * 10)
        assert after.last_price == 100_00 - 250


def test_the_oldest_lots_go_first_and_layers_end_at_whole_lots() -> None:
    # 4 at 1.00 and 5 at 2.00; 9 × 2 / 4 is 4 lots and two parts, which are one of the oldest.
    after = corporate_actions.act(run([(4, 100), (5, 200)], "fifo"), split(50, 2, 4, 300), UNIT)
    assert after.layers == (Layer(1, 3_000_000, 0, 0), Layer(3, 10_000_000, 0, 0))
    assert after.cost == 13_000_000
    assert after.realized == 3_000_000 - 1_000_000


def test_a_repeat_changes_nothing() -> None:
    after = corporate_actions.act(run([(4, 100)], "fifo"), split(50, 2, 1, 300), UNIT)
    assert corporate_actions.act(after, split(50, 2, 1, 300), UNIT) is after
    assert corporate_actions.act(after, split(49, 2, 1, 300), UNIT) is after


def test_a_record_is_read_in_ticks_and_lots() -> None:
    market = flow.Market(seed=5)
    records = [*market.setup(), *market.commands(30), *market.split("BTCUSD", 3, 2), *market.dividend("AAPL", 7)]
    done = [record for topic, _, record in records if topic == "corporate-actions"]
    got = [corporate_actions.read(record, flow.SCALES[record.symbol]) for record in done]
    assert [(a.new, a.old, a.per_lot) for a in got] == [(3, 2, 0), (1, 1, 70_000)]
    assert all(a.bought == a.sold > 0 and a.ticks_before > a.ticks_after > 0 for a in got)


# ------------------------------------------------------------------------------------------------------ properties

fills = st.lists(st.tuples(st.integers(-60, 60).filter(bool), st.integers(1, 400)), min_size=1, max_size=12)
ratios = st.tuples(st.integers(1, 9), st.integers(1, 9)).filter(lambda ratio: ratio[0] != ratio[1])
actions = st.lists(st.tuples(fills, st.one_of(ratios, st.integers(1, 500))), min_size=1, max_size=4)


def books(method: str) -> recomputation.Book:
    return recomputation.BOOKS[method]()


@given(actions, st.sampled_from(METHODS))
def test_the_audits_own_arithmetic_agrees(parts: list[tuple[list[tuple[int, int]], object]], method: str) -> None:
    holding, book, seq, last = FLAT, books(method), 0, 0
    for some, terms in parts:
        for lots, ticks in some:
            seq, last = seq + 1, ticks
            holding = APPLY[method](holding, Execution(seq, 0, lots, ticks, 3, seq), UNIT)
            book.count(recomputation.Fill(seq, 0, lots, ticks, 3, seq, 0), UNIT)
        seq += 1
        ratio = Fraction(*terms) if isinstance(terms, tuple) else Fraction(1)
        per_lot = terms if isinstance(terms, int) else 0
        new, old = terms if isinstance(terms, tuple) else (1, 1)
        holding = corporate_actions.act(holding, Action(seq, seq, new, old, per_lot, last, last, 0, 0), UNIT)
        book.act(recomputation.Action(seq, seq, ratio, per_lot, last, last), UNIT)
        assert (holding.quantity, holding.cost, holding.realized) == (book.quantity, book.cost, book.realized)
        assert holding.realized - holding.cost == book.cash
    assert sum(layer.lots - layer.closed for layer in holding.layers) in (0, abs(holding.quantity))


@given(fills, ratios, fills, st.sampled_from(METHODS), st.randoms(use_true_random=False))
def test_any_split_of_the_fills_gives_the_same_position_after_an_action(
    before: list[tuple[int, int]],
    ratio: tuple[int, int],
    after: list[tuple[int, int]],
    method: str,
    draw: random.Random,
) -> None:
    def pieces(some: list[tuple[int, int]]) -> list[tuple[int, int]]:
        made = []
        for lots, ticks in some:
            left = abs(lots)
            while left:
                piece = draw.randint(1, left)
                left -= piece
                made.append((piece if lots > 0 else -piece, ticks))
        return made

    def through(first: list[tuple[int, int]], second: list[tuple[int, int]]) -> tuple[int, ...]:
        holding = run(first, method)
        holding = corporate_actions.act(holding, split(10**6, *ratio, before[-1][1]), UNIT)
        for seq, (lots, ticks) in enumerate(second, 10**6 + 1):
            holding = APPLY[method](holding, Execution(seq, 0, lots, ticks, 0, seq), UNIT)
        return holding.quantity, holding.cost, holding.realized, holding.base_cost

    assert through(before, after) == through(pieces(before), pieces(after))


@given(
    st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4), st.integers(1, 90), st.integers(1, 400)), min_size=1),
    ratios,
    st.integers(1, 500),
)
def test_quantity_and_cash_are_conserved_but_for_what_is_paid_in_lieu(
    trades: list[tuple[int, int, int, int]], ratio: tuple[int, int], per_lot: int
) -> None:
    held: dict[int, Holding] = dict.fromkeys(range(5), FLAT)
    for seq, (buyer, seller, lots, ticks) in enumerate(trades, 1):
        for index, account, signed in ((1, buyer, lots), (2, seller, -lots)):
            apply = APPLY[METHODS[account % 2]]
            held[account] = apply(held[account], Execution(seq, index, signed, ticks, 0, seq), UNIT)
    last, seq = trades[-1][3], len(trades)
    payment, exchange = dividend(seq + 1, per_lot, last), split(seq + 2, *ratio, last)
    paid = {name: corporate_actions.act(holding, payment, UNIT) for name, holding in held.items()}
    assert sum(holding.realized - holding.cost for holding in paid.values()) == 0
    after = {name: corporate_actions.act(holding, exchange, UNIT) for name, holding in paid.items()}
    exact = {name: holding.quantity * Fraction(*ratio) for name, holding in held.items()}
    rests = {name: exact[name] - after[name].quantity for name in held}
    assert all(abs(rest) < 1 and rest * exact[name] >= 0 for name, rest in rests.items())
    # What no one holds was paid for, each to the nearest unit, at the price of before.
    cash = sum(holding.realized - holding.cost for holding in after.values())
    assert sum(holding.quantity for holding in after.values()) == -sum(rests.values())
    assert abs(cash - sum(rests.values()) / Fraction(*ratio) * last * UNIT) <= Fraction(len(held), 2)
