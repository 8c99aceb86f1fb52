"""Exact conversion between decimal text and the integers that are computed with.

Prices are whole ticks, quantities whole lots, money whole units of 1e-6 of the currency (`MONEY_DECIMALS`). Nothing
here rounds, except where a function says how.
"""

from __future__ import annotations

from decimal import Context, Decimal, InvalidOperation
from functools import lru_cache
from typing import Final

MONEY_DECIMALS: Final = 6
AVERAGE_DECIMALS: Final = 9
"""Average prices are rational; they are published rounded half to even to this many decimals."""
LARGEST: Final = 2**53
"""Largest count of ticks or lots taken at a door: far above any market, and the product of two fits in no int64 only
where a notional limit has been passed long before."""


_EXACT: Final = Context(prec=28, traps=[InvalidOperation])


class NotMultiple(ValueError):
    """The number is not a whole multiple of the step."""


class OutOfRange(ValueError):
    """The number is not finite, or too large."""


def steps(value: Decimal, step: Decimal) -> int:
    """How many `step`s make `value`, exactly.

    Raises:
        OutOfRange: not a finite number, or more than `LARGEST` steps.
        NotMultiple: not a whole number of steps.
    """
    try:
        quotient, remainder = _EXACT.divmod(value, step)
        if not remainder and -LARGEST <= quotient <= LARGEST and value.adjusted() <= 18:
            return int(quotient)
    except InvalidOperation:
        pass  # no number, or a quotient of more than 28 digits: below it is told which
    if not value.is_finite() or value.adjusted() > 18:
        raise OutOfRange(f"{value} is not a number in range")
    _sign, digits, exponent = value.as_tuple()
    if not isinstance(exponent, int) or exponent < -30 or len(digits) > 40:
        raise OutOfRange(f"{value} has too many digits")
    numerator, denominator = value.as_integer_ratio()
    step_numerator, step_denominator = step.as_integer_ratio()
    count, rest = divmod(numerator * step_denominator, denominator * step_numerator)
    if rest:
        raise NotMultiple(f"{value} is not a multiple of {step}")
    if abs(count) > LARGEST:
        raise OutOfRange(f"{value} is more than {LARGEST} times {step}")
    return count


@lru_cache(maxsize=1_000)
def decimals(step: Decimal) -> int:
    """Decimal places that multiples of `step` need."""
    exponent = step.normalize().as_tuple().exponent
    assert isinstance(exponent, int)
    return max(0, -exponent)


def scaled_text(value: int, places: int, least: int = 0) -> str:
    """`value` × 10^-places as text, with trailing zeros dropped down to `least` decimal places."""
    if places == 0:
        return str(value)
    sign = "-" if value < 0 else ""
    digits = str(abs(value)).rjust(places + 1, "0")
    whole, part = digits[:-places], digits[-places:]
    kept = part.rstrip("0")
    if len(kept) < least:
        kept = part[:least]
    return f"{sign}{whole}.{kept}" if kept else f"{sign}{whole}"


_known_text: Final = lru_cache(maxsize=65_536)(scaled_text)
"""Of prices and quantities, which come again and again, as amounts of money do not."""


def money_text(units: int) -> str:
    """Money units as text with 2 to 6 decimals: 1234500000 → "1234.50"."""
    if units % 10_000 == 0:  # whole cents, as most amounts are: a third of the time that `scaled_text` takes
        whole, cents = divmod(abs(units) // 10_000, 100)
        return f"-{whole}.{cents:02}" if units < 0 else f"{whole}.{cents:02}"
    return scaled_text(units, MONEY_DECIMALS, 2)


def money_units(text: str | Decimal) -> int:
    """Decimal money → money units, exactly. Raises as `steps` does."""
    return steps(Decimal(text), Decimal(1).scaleb(-MONEY_DECIMALS))


def divide_half_even(numerator: int, denominator: int) -> int:
    """Integer division rounded half to even; `denominator` > 0."""
    quotient, rest = divmod(numerator, denominator)
    twice = 2 * rest
    if twice > denominator or (twice == denominator and quotient & 1):
        quotient += 1
    return quotient


def average_text(total: int, count: int, step: Decimal) -> str:
    """`total` / `count` × `step` as text: an average price from ticks × lots and lots.

    Rounded half to even to `AVERAGE_DECIMALS` places; at least as many decimals as the step has."""
    numerator, denominator = step.as_integer_ratio()
    scaled = divide_half_even(total * numerator * 10**AVERAGE_DECIMALS, count * denominator)
    return scaled_text(scaled, AVERAGE_DECIMALS, decimals(step))


class Scale:
    """The units of one instrument: what a tick, a lot and a tick × lot are worth.

    `money_per_tick_lot` is in money units; an instrument for which it is not whole is refused."""

    __slots__ = (
        "_average_denominator",
        "_average_numerator",
        "_lot_factor",
        "_tick_factor",
        "lot",
        "lot_places",
        "money_per_tick_lot",
        "tick",
        "tick_places",
    )

    def __init__(self, tick_size: Decimal, lot_size: Decimal) -> None:
        """Raises `NotMultiple` where a tick × lot is no whole number of money units, `OutOfRange` where a size is not
        positive."""
        if not (tick_size.is_finite() and lot_size.is_finite()) or tick_size <= 0 or lot_size <= 0:
            raise OutOfRange("tick_size and lot_size must be positive numbers")
        self.tick = tick_size
        self.lot = lot_size
        self.tick_places = decimals(tick_size)
        self.lot_places = decimals(lot_size)
        self._tick_factor = steps(tick_size, Decimal(1).scaleb(-self.tick_places))
        self._lot_factor = steps(lot_size, Decimal(1).scaleb(-self.lot_places))
        self.money_per_tick_lot = money_units(tick_size * lot_size)
        numerator, self._average_denominator = tick_size.as_integer_ratio()
        self._average_numerator = numerator * 10**AVERAGE_DECIMALS

    def ticks(self, price: Decimal) -> int:
        return steps(price, self.tick)

    def lots(self, quantity: Decimal) -> int:
        return steps(quantity, self.lot)

    def price_text(self, ticks: int) -> str:
        """With as many decimals as the tick has: 58533 → "585.33"."""
        return _known_text(ticks * self._tick_factor, self.tick_places, self.tick_places)

    def quantity_text(self, lots: int) -> str:
        return _known_text(lots * self._lot_factor, self.lot_places)

    def average_price_text(self, tick_lots: int, lots: int) -> str:
        """As `average_text` with the tick, which is looked at once only."""
        scaled = divide_half_even(tick_lots * self._average_numerator, lots * self._average_denominator)
        return scaled_text(scaled, AVERAGE_DECIMALS, self.tick_places)
