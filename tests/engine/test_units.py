"""Decimal text to integers and back: nothing is rounded, except where it says how."""

from __future__ import annotations

from decimal import Context, Decimal
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine import units
from engine.units import LARGEST, NotMultiple, OutOfRange, Scale

step_sizes = st.builds(
    lambda digits, exponent: Decimal(digits).scaleb(exponent), st.integers(1, 999), st.integers(-9, 3)
)
counts = st.integers(-LARGEST, LARGEST)
EXACT = Context(prec=60)
LARGEST_VALUE = 10**19
"""Numbers with more than 19 digits before the point are refused, whatever the step."""
seeded = settings(derandomize=True, deadline=None)
decimals = st.decimals(allow_nan=False, allow_infinity=False, places=8, min_value=-(10**9), max_value=10**9)

# -------------------------------------------------------------------------------------------------- steps


@seeded
@given(counts, step_sizes)
def test_steps_counts_exactly(count: int, step: Decimal) -> None:
    value = Fraction(count) * Fraction(step)
    exact = Decimal(int(value * 10**9)).scaleb(-9, EXACT)
    if abs(exact) < LARGEST_VALUE:
        assert units.steps(exact, step) == count
    else:
        with pytest.raises(OutOfRange):
            units.steps(exact, step)


@seeded
@given(decimals, step_sizes)
def test_steps_rounds_nothing(value: Decimal, step: Decimal) -> None:
    exact = Fraction(value) / Fraction(step)
    if exact.denominator != 1:
        with pytest.raises(NotMultiple):
            units.steps(value, step)
    elif abs(exact) > LARGEST:
        with pytest.raises(OutOfRange):
            units.steps(value, step)
    else:
        assert units.steps(value, step) == exact


@pytest.mark.parametrize(
    ("value", "step", "expected"),
    [
        ("585.33", "0.01", 58_533),
        ("585.330", "0.01", 58_533),
        ("5.8533e2", "0.01", 58_533),
        ("0", "0.01", 0),
        ("-0", "0.01", 0),
        ("-1.5", "0.5", -3),
        ("1.5", "0.0001", 15_000),
        ("300", "100", 3),
        ("9007199254740992", "1", LARGEST),
        ("585.335", "0.01", NotMultiple),
        ("150", "100", NotMultiple),
        ("0.000000000000000000000000000001", "0.01", NotMultiple),
        ("9007199254740993", "1", OutOfRange),
        ("90071992547409.93", "0.01", OutOfRange),
        ("1e18", "1", OutOfRange),
        ("1e999999", "0.01", OutOfRange),
        ("1e-999999", "0.01", OutOfRange),
        ("1." + "1" * 60, "0.01", OutOfRange),
        ("NaN", "0.01", OutOfRange),
        ("sNaN", "0.01", OutOfRange),
        ("Infinity", "0.01", OutOfRange),
        ("-Infinity", "0.01", OutOfRange),
    ],
)
def test_steps(value: str, step: str, expected: int | type[Exception]) -> None:
    if isinstance(expected, int):
        assert units.steps(Decimal(value), Decimal(step)) == expected
    else:
        with pytest.raises(expected):
            units.steps(Decimal(value), Decimal(step))


# --------------------------------------------------------------------------------------------------- text


@seeded
@given(st.integers(-(10**30), 10**30), st.integers(0, 12), st.integers(0, 12))
def test_scaled_text_round_trip(value: int, places: int, least: int) -> None:
    text = units.scaled_text(value, places, min(least, places))
    assert Fraction(text) == Fraction(value, 10**places)
    whole, _, part = text.partition(".")
    assert len(part) >= min(least, places)
    assert len(part) <= places
    assert len(part) <= least or not part.endswith("0"), "no zeros beyond those asked for"
    assert whole.lstrip("-").isdigit()
    assert whole.lstrip("-") == "0" or not whole.lstrip("-").startswith("0")


@pytest.mark.parametrize(
    ("value", "places", "least", "expected"),
    [
        (58_533, 2, 2, "585.33"),
        (58_500, 2, 2, "585.00"),
        (58_500, 2, 0, "585"),
        (5, 2, 2, "0.05"),
        (-5, 2, 2, "-0.05"),
        (0, 2, 2, "0.00"),
        (0, 6, 0, "0"),
        (-1_234_500_000, 6, 2, "-1234.50"),
        (7, 0, 0, "7"),
    ],
)
def test_scaled_text(value: int, places: int, least: int, expected: str) -> None:
    assert units.scaled_text(value, places, least) == expected


@seeded
@given(counts)
def test_money_round_trip(amount: int) -> None:
    text = units.money_text(amount)
    assert units.money_units(text) == amount
    assert 2 <= len(text.partition(".")[2]) <= units.MONEY_DECIMALS


@pytest.mark.parametrize("text", ["0.0000001", "1000000000000.0000005"])
def test_money_finer_than_a_unit_is_refused(text: str) -> None:
    with pytest.raises(NotMultiple):
        units.money_units(text)


@seeded
@given(st.integers(1, 10**9), st.integers(0, 9))
def test_decimals_are_those_that_a_step_needs(digits: int, places: int) -> None:
    step = Decimal(digits).scaleb(-places)
    needed = units.decimals(step)
    assert (Fraction(step) * 10**needed).denominator == 1
    assert needed == 0 or (Fraction(step) * 10 ** (needed - 1)).denominator != 1


# ------------------------------------------------------------------------------------------------- averages


@seeded
@given(st.integers(-(10**40), 10**40), st.integers(1, 10**20))
def test_divide_half_even(numerator: int, denominator: int) -> None:
    assert units.divide_half_even(numerator, denominator) == round(Fraction(numerator, denominator))


@seeded
@given(st.integers(0, 2**62), st.integers(1, 2**40), step_sizes)
def test_average_is_rounded_half_to_even_at_nine_places(total: int, count: int, step: Decimal) -> None:
    text = units.average_text(total, count, step)
    exact = Fraction(total, count) * Fraction(step)
    assert Fraction(text) == Fraction(round(exact * 10**9), 10**9)
    assert len(text.partition(".")[2]) >= min(units.decimals(step), 9)


@pytest.mark.parametrize(
    ("total", "count", "step", "expected"),
    [
        (100, 1, "0.01", "1.00"),
        (201, 2, "0.01", "1.005"),
        (100, 3, "0.01", "0.333333333"),
        (200, 3, "0.01", "0.666666667"),
        (1, 2, "0.000000001", "0.000000000"),  # half: to the even 0
        (3, 2, "0.000000001", "0.000000002"),  # half: to the even 2
        (7, 2, "0.5", "1.75"),
    ],
)
def test_average(total: int, count: int, step: str, expected: str) -> None:
    assert units.average_text(total, count, Decimal(step)) == expected


# --------------------------------------------------------------------------------------------------- scales


@pytest.mark.parametrize(
    ("tick", "lot", "money"),
    [
        ("0.01", "1", 10_000),
        ("0.5", "0.0001", 50),
        ("0.50", "0.0001", 50),
        ("0.01", "100", 1_000_000),
        ("0.000001", "1", 1),
        ("0.0625", "1", 62_500),
        ("25", "0.04", 1_000_000),
    ],
)
@seeded
@given(count=st.integers(0, 2**40))
def test_scale_round_trips(tick: str, lot: str, money: int, count: int) -> None:
    scale = Scale(Decimal(tick), Decimal(lot))
    assert scale.money_per_tick_lot == money
    assert scale.ticks(Decimal(scale.price_text(count))) == count
    assert scale.lots(Decimal(scale.quantity_text(count))) == count


def test_prices_have_the_decimals_of_the_tick_and_quantities_only_those_they_need() -> None:
    scale = Scale(Decimal("0.50"), Decimal("0.0001"))
    assert scale.price_text(136_000) == "68000.0"
    assert scale.price_text(136_001) == "68000.5"
    assert scale.quantity_text(15_000) == "1.5"
    assert scale.quantity_text(20_000) == "2"
    assert scale.average_price_text(136_001, 2) == "34000.25"
    assert Scale(Decimal("0.01"), Decimal(1)).price_text(58_500) == "585.00"
    assert Scale(Decimal("100"), Decimal("1e2")).quantity_text(3) == "300"


@pytest.mark.parametrize(
    ("tick", "lot", "error"),
    [
        ("0", "1", OutOfRange),
        ("1", "0", OutOfRange),
        ("-0.01", "1", OutOfRange),
        ("0.01", "-1", OutOfRange),
        ("NaN", "1", OutOfRange),
        ("1", "NaN", OutOfRange),
        ("sNaN", "1", OutOfRange),
        ("Infinity", "1", OutOfRange),
        ("1", "Infinity", OutOfRange),
        ("1e-40", "1", OutOfRange),
        ("1", "1e40", OutOfRange),
        ("0.0001", "0.001", NotMultiple),
        ("0.000015", "0.1", NotMultiple),
    ],
)
def test_scale_refuses(tick: str, lot: str, error: type[Exception]) -> None:
    """A size that is no positive number, and a tick × lot that is no whole number of money units."""
    with pytest.raises(error):
        Scale(Decimal(tick), Decimal(lot))
