"""The units of one instrument as a strategy and a backtest need them: floats out, exact ticks and lots in."""

from __future__ import annotations

import math
from decimal import Decimal

from engine.messages import DefineInstrument, Instrument
from engine.units import Scale


class Listed:
    """One instrument's tick, lot and fees. Floats given out are those nearest to the exact decimal number."""

    __slots__ = (
        "_lot_factor",
        "_lot_power",
        "_tick_factor",
        "_tick_power",
        "currency",
        "maker_fee_ppm",
        "scale",
        "symbol",
        "taker_fee_ppm",
    )

    def __init__(
        self,
        symbol: str,
        tick_size: Decimal,
        lot_size: Decimal,
        *,
        maker_fee_ppm: int = 0,
        taker_fee_ppm: int = 0,
        currency: str = "USD",
    ) -> None:
        """Raises what `engine.units.Scale` raises for a tick or lot that no instrument can have."""
        self.symbol = symbol
        self.scale = Scale(tick_size, lot_size)
        self.maker_fee_ppm = maker_fee_ppm
        self.taker_fee_ppm = taker_fee_ppm
        self.currency = currency
        self._tick_power: int = 10**self.scale.tick_places
        self._tick_factor = int(tick_size * self._tick_power)
        self._lot_power: int = 10**self.scale.lot_places
        self._lot_factor = int(lot_size * self._lot_power)

    def price(self, ticks: int) -> float:
        # Division of integers is rounded once, so that this is float("585.33") and not 58533 × 0.01.
        return float(ticks * self._tick_factor / self._tick_power)

    def quantity(self, lots: int) -> float:
        return float(lots * self._lot_factor / self._lot_power)

    def ticks(self, price: float | Decimal) -> int:
        """The nearest tick."""
        if isinstance(price, Decimal):
            return self.scale.ticks(price)
        return round(price * self._tick_power / self._tick_factor)

    def lots(self, quantity: float | Decimal) -> int:
        """Whole lots of a quantity, towards zero; what is within a millionth of a lot counts as a whole one."""
        if isinstance(quantity, Decimal):
            exact = quantity / self.scale.lot
            return int(exact)
        count = quantity * self._lot_power / self._lot_factor
        return int(math.copysign(math.floor(abs(count) + 1e-6), count))

    def passive_ticks(self, price: float | Decimal, side: str) -> int:
        """The tick at or behind a price, never beyond it: a buyer's rounds down, a seller's up."""
        if isinstance(price, Decimal):
            exact = float(price / self.scale.tick)
        else:
            exact = price * self._tick_power / self._tick_factor
        near = round(exact)
        if abs(exact - near) < 1e-6:
            return near
        return math.floor(exact) if side == "buy" else math.ceil(exact)

    def exact_price(self, ticks: int) -> Decimal:
        return self.scale.tick * ticks

    def exact_quantity(self, lots: int) -> Decimal:
        return self.scale.lot * lots


def listed(definition: DefineInstrument | Instrument) -> Listed:
    """Of a definition, or of a record of the topic `instruments`."""
    return Listed(
        definition.symbol,
        Decimal(definition.tick_size),
        Decimal(definition.lot_size),
        maker_fee_ppm=definition.maker_fee_ppm,
        taker_fee_ppm=definition.taker_fee_ppm,
        currency=definition.currency,
    )
