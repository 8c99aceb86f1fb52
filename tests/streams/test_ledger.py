"""The ledger's folds: cases a bookkeeper can check by hand, and properties that hold for every sequence of fills."""

from __future__ import annotations

import random
from collections import defaultdict, deque
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams import ledger
from streams.ledger import FLAT, Execution, Holding, Line

UNIT = 10_000
"""Money units of a tick × lot: a tick of 0.01 and a lot of 1."""


METHODS = ("average", "fifo")


def run(
    fills: list[tuple[int, int]], start: Holding = FLAT, fee: int = 0, unit: int = UNIT, method: str = "average"
) -> Holding:
    """Applies (lots, ticks) in order."""
    holding = start
    for number, (lots, ticks) in enumerate(fills, 1):
        execution = Execution(start.last_seq + number, 0, lots, ticks, fee, start.last_seq + number)
        holding = ledger.APPLY[method](holding, execution, unit)
    return holding


CASES = [
    # fills (lots at ticks),                 quantity, cost in dollars, realized in dollars
    ([(10, 100_00)], 10, 1000, 0),
    ([(10, 100_00), (10, 110_00)], 20, 2100, 0),
    ([(10, 100_00), (-4, 110_00)], 6, 600, 40),
    ([(10, 100_00), (-10, 90_00)], 0, 0, -100),
    ([(10, 100_00), (-25, 110_00)], -15, -1650, 100),
    ([(-10, 100_00)], -10, -1000, 0),
    ([(-10, 100_00), (4, 90_00)], -6, -600, 40),
    ([(-10, 100_00), (25, 90_00)], 15, 1350, 100),
    ([(3, 100_00), (-5, 101_00), (2, 99_00)], 0, 0, 7),
]


@pytest.mark.parametrize(("fills", "quantity", "cost", "realized"), CASES)
def test_a_position_long_short_and_through_zero(
    fills: list[tuple[int, int]], quantity: int, cost: int, realized: int
) -> None:
    holding = run(fills)
    assert (holding.quantity, holding.cost, holding.realized) == (quantity, cost * 10**6, realized * 10**6)
    assert holding.bought - holding.sold == quantity


FIFO_CASES = [
    # fills (lots at ticks),                 quantity, cost in dollars, realized in dollars
    ([(10, 100_00), (10, 110_00), (-10, 120_00)], 10, 1100, 200),
    ([(10, 100_00), (10, 110_00), (-15, 120_00)], 5, 550, 250),
    ([(10, 100_00), (10, 110_00), (-25, 120_00)], -5, -600, 300),
    ([(-10, 100_00), (-10, 110_00), (10, 90_00)], -10, -1100, 100),
    ([(-10, 100_00), (-10, 110_00), (25, 90_00)], 5, 450, 300),
    ([(5, 100_00), (5, 110_00), (-5, 110_00), (5, 120_00), (-5, 120_00)], 5, 600, 100),
]


@pytest.mark.parametrize(("fills", "quantity", "cost", "realized"), FIFO_CASES)
def test_first_in_first_out(fills: list[tuple[int, int]], quantity: int, cost: int, realized: int) -> None:
    holding = run(fills, method="fifo")
    assert (holding.quantity, holding.cost, holding.realized) == (quantity, cost * 10**6, realized * 10**6)


def test_layers_are_whole_fills_at_other_prices() -> None:
    holding = run([(3, 100), (4, 100), (-2, 120), (1, 101), (2, 101), (5, 100)], method="fifo")
    assert [(layer.lots - layer.closed, layer.ticks) for layer in holding.layers] == [(5, 100), (3, 101), (5, 100)]
    assert run([(3, 100), (4, 101), (-7, 120)], method="fifo").layers == ()


def test_reductions_leave_the_base_price_and_round_the_cost_half_to_even() -> None:
    # Three lots for 3.01 in all: a third is 1.003333…
    holding = run([(2, 100), (1, 101), (-1, 120)], unit=10_000)
    assert (holding.base_cost, holding.base_quantity, holding.closed) == (3_010_000, 3, 1)
    assert holding.cost == 3_010_000 - 1_003_333
    assert holding.realized == 1_200_000 - 1_003_333
    # Halves go to the even neighbour: 1 of 2 lots that cost 3 units takes 2 of them, and of 1 unit none.
    assert ledger.relief(3, 2, 1) == 2
    assert ledger.relief(1, 2, 1) == 0
    assert ledger.relief(-3, 2, 1) == -2


def test_fees_and_rebates_stay_out_of_realized_profit() -> None:
    holding = run([(10, 100_00), (-10, 100_00)], fee=-150)
    assert (holding.fees, holding.realized) == (-300, 0)


@pytest.mark.parametrize("place", [(5, 2), (5, 1), (4, 9)])
def test_a_fill_at_or_below_the_last_changes_nothing(place: tuple[int, int]) -> None:
    holding = ledger.apply(FLAT, Execution(5, 2, 10, 100, 1, 7), UNIT)
    assert ledger.apply(holding, Execution(*place, 3, 100, 1, 8), UNIT) is holding


def test_a_fill_above_the_last_counts() -> None:
    holding = ledger.apply(FLAT, Execution(5, 2, 10, 100, 1, 7), UNIT)
    assert ledger.apply(holding, Execution(5, 3, 3, 100, 1, 8), UNIT).quantity == 13


# ------------------------------------------------------------------------------------------------------ properties

quantities = st.integers(-500, 500).filter(bool)
prices = st.integers(1, 300_000)
sequences = st.lists(st.tuples(quantities, prices), min_size=1, max_size=40)
units = st.sampled_from([1, 3, 50, 10_000])


class ExactTwin:
    """Average cost by fractions, with nothing rounded: the ledger may differ by its rounding only."""

    def __init__(self) -> None:
        self.quantity = 0
        self.cost = self.realized = Fraction(0)

    def apply(self, lots: int, price: int) -> None:
        closing = -lots if abs(lots) <= abs(self.quantity) else self.quantity
        if self.quantity * lots >= 0:
            closing = 0
        if closing:
            relief = self.cost * Fraction(closing, self.quantity)
            self.realized += closing * price - relief
            self.cost -= relief
        self.cost += (lots + closing) * price
        self.quantity += lots


@given(sequences, units)
def test_an_exact_twin_agrees_to_one_unit_for_each_increase(fills: list[tuple[int, int]], unit: int) -> None:
    holding, twin = FLAT, ExactTwin()
    for seq, (lots, ticks) in enumerate(fills, 1):
        holding = ledger.apply(holding, Execution(seq, 0, lots, ticks, 0, seq), unit)
        twin.apply(lots, ticks * unit)
        assert holding.quantity == twin.quantity
        assert abs(holding.cost - twin.cost) <= seq
        assert (
            holding.realized - holding.cost == twin.realized - twin.cost == -sum(q * p for q, p in fills[:seq]) * unit
        )


class FifoTwin:
    """Every lot a piece of its own, by fractions."""

    def __init__(self) -> None:
        self.open: deque[tuple[int, Fraction]] = deque()
        """(+1 or −1, price), oldest first."""
        self.realized = Fraction(0)

    def apply(self, lots: int, price: Fraction) -> None:
        sign = 1 if lots > 0 else -1
        for _ in range(abs(lots)):
            if self.open and self.open[0][0] != sign:
                held, paid = self.open.popleft()
                self.realized += held * (price - paid)
            else:
                self.open.append((sign, price))

    @property
    def cost(self) -> Fraction:
        return sum((sign * price for sign, price in self.open), Fraction(0))


@given(st.lists(st.tuples(st.integers(-30, 30).filter(bool), prices), min_size=1, max_size=25), units)
def test_lot_by_lot_gives_the_same_first_in_first_out(fills: list[tuple[int, int]], unit: int) -> None:
    holding, twin = FLAT, FifoTwin()
    for seq, (lots, ticks) in enumerate(fills, 1):
        holding = ledger.apply_fifo(holding, Execution(seq, 0, lots, ticks, 0, seq), unit)
        twin.apply(lots, Fraction(ticks * unit))
        assert (holding.cost, holding.realized) == (twin.cost, twin.realized)
        assert holding.quantity == sum(sign for sign, _ in twin.open)
        assert sum(layer.lots - layer.closed for layer in holding.layers) == abs(holding.quantity)


@given(sequences, units, st.sampled_from(METHODS), st.randoms(use_true_random=False))
def test_any_split_of_the_fills_gives_the_same_position(
    fills: list[tuple[int, int]], unit: int, method: str, draw: random.Random
) -> None:
    pieces: list[tuple[int, int]] = []
    for lots, ticks in fills:
        left = abs(lots)
        while left:
            piece = draw.randint(1, left)
            left -= piece
            pieces.append((piece if lots > 0 else -piece, ticks))
    whole, split = run(fills, unit=unit, method=method), run(pieces, unit=unit, method=method)
    for name in ("quantity", "cost", "realized", "bought", "sold", "base_cost", "base_quantity", "closed", "layers"):
        assert getattr(whole, name) == getattr(split, name), name


@given(
    st.lists(
        st.tuples(st.integers(0, 4), st.integers(0, 4), st.integers(1, 300), prices, st.integers(-50, 300)),
        min_size=1,
        max_size=60,
    ),
    units,
)
def test_trades_conserve_quantity_and_cash_over_all_accounts(
    trades: list[tuple[int, int, int, int, int]], unit: int
) -> None:
    books: defaultdict[int, Holding] = defaultdict(lambda: FLAT)
    fees = 0
    for seq, (buyer, seller, lots, ticks, fee) in enumerate(trades, 1):
        for index, account, signed, charged in ((1, buyer, lots, fee), (2, seller, -lots, -fee)):
            apply = ledger.APPLY[METHODS[account % 2]]
            books[account] = apply(books[account], Execution(seq, index, signed, ticks, charged, seq), unit)
        fees += fee - fee
    assert sum(holding.quantity for holding in books.values()) == 0
    # Cash that has flowed is realized profit less what the open position has cost.
    assert sum(holding.realized - holding.cost for holding in books.values()) == 0
    assert sum(holding.fees for holding in books.values()) == fees
    # Marked at any one price, what some have won the others have lost.
    values = [
        Line(holding.cost, holding.realized, 0, ledger.market_value(holding.quantity, 200, unit))
        for holding in books.values()
    ]
    assert sum(line.realized + line.value - line.cost for line in values) == 0


@given(sequences, units, st.sampled_from(METHODS))
def test_a_repeated_log_changes_nothing(fills: list[tuple[int, int]], unit: int, method: str) -> None:
    once = run(fills, unit=unit, method=method)
    executions = [Execution(seq, 0, lots, ticks, 0, seq) for seq, (lots, ticks) in enumerate(fills, 1)]
    holding = once
    for execution in executions:
        holding = ledger.APPLY[method](holding, execution, unit)
    assert holding is once


# --------------------------------------------------------------------------------------------------------- accounts


def test_half_a_unit_of_value_goes_to_the_even_one() -> None:
    assert [ledger.market_value(1, half_ticks, 1) for half_ticks in (1, 3, 5)] == [0, 2, 2]
    assert ledger.market_value(-1, 3, 1) == -2
    assert ledger.market_value(10, 2 * 100, UNIT) == 10 * 100 * UNIT


def test_an_account_is_the_sum_of_its_lines() -> None:
    totals = ledger.value_account(1_000, 0, [ledger.add_up([Line(500, 70, 5, 650), Line(-300, -10, 1, -280)])])
    assert (totals.realized, totals.unrealized, totals.fees) == (60, 150 + 20, 6)
    assert totals.equity == 1_000 + 60 + 170 - 6
    assert (totals.gross_exposure, totals.net_exposure) == (930, 370)
    assert (totals.peak_equity, totals.drawdown) == (totals.equity, 0)


def test_drawdown_is_from_the_highest_profit_and_no_deposit_moves_it() -> None:
    up = ledger.value_account(1_000, 0, [ledger.add_up([Line(0, 300, 0, 0)])])
    down = ledger.value_account(1_000, up.peak_profit, [ledger.add_up([Line(0, 100, 0, 0)])])
    assert (down.peak_equity, down.equity, down.drawdown) == (1_300, 1_100, 200)
    paid_out = ledger.value_account(400, down.peak_profit, [ledger.add_up([Line(0, 100, 0, 0)])])
    assert (paid_out.peak_equity, paid_out.equity, paid_out.drawdown) == (700, 500, 200)


def test_another_currency_is_converted_sum_by_sum() -> None:
    abroad = ledger.add_up([Line(500, 70, 5, 650), Line(-300, -10, 1, -280)])
    assert ledger.converted(abroad, ledger.Rate(1, 4)) == (15, 42, 2, 232, 92)  # 42.5, 1.5, 232.5 and 92.5 to even
    home = ledger.add_up([Line(0, 100, 0, 0)])
    totals = ledger.value_account(1_000, 0, [home, ledger.converted(abroad, ledger.Rate(2, 1))])
    assert (totals.realized, totals.unrealized, totals.fees) == (100 + 120, 340, 12)
    assert (totals.gross_exposure, totals.net_exposure) == (1860, 740)
    assert ledger.value_account(1_000, 0, []).equity == 1_000


def test_an_account_that_only_loses_is_down_from_its_deposits() -> None:
    totals = ledger.value_account(1_000, 0, [ledger.add_up([Line(0, -50, 10, 0)])])
    assert (totals.peak_equity, totals.drawdown) == (1_000, 60)
