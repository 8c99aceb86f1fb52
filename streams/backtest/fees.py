"""What a fill costs: parts of its notional, an amount for each unit, and a least amount for each fill. Pure
integers."""

from __future__ import annotations

from decimal import Decimal
from typing import NamedTuple

from engine.units import divide_half_even, money_units
from streams.strategies.instrument import Listed

MILLION = 1_000_000


class Fees(NamedTuple):
    """None: the instrument's own. Parts are millionths of the notional (ppm), negative for a rebate."""

    maker_ppm: int | None = None
    taker_ppm: int | None = None
    per_unit: Decimal = Decimal(0)
    """Money for each unit of quantity."""
    minimum: Decimal = Decimal(0)
    """Least money for a fill, where it costs anything."""

    def of(self, unit: Listed, lots: int, ticks: int, *, is_maker: bool) -> int:
        """Money units. The part of the notional is rounded half to even, as the engine does it."""
        own = self.maker_ppm if is_maker else self.taker_ppm
        listed = unit.maker_fee_ppm if is_maker else unit.taker_fee_ppm
        ppm = listed if own is None else own
        notional = lots * ticks * unit.scale.money_per_tick_lot
        fee = divide_half_even(notional * ppm, MILLION) + money_units(self.per_unit * unit.exact_quantity(lots))
        return max(fee, money_units(self.minimum)) if fee > 0 else fee

    def __str__(self) -> str:
        def part(ppm: int | None) -> str:
            return "instrument's" if ppm is None else f"{ppm} ppm"

        rest = f", {self.per_unit} a unit" if self.per_unit else ""
        least = f", at least {self.minimum}" if self.minimum else ""
        return f"maker {part(self.maker_ppm)}, taker {part(self.taker_ppm)}{rest}{least}"


NO_FEES = Fees(0, 0)
