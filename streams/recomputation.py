"""What positions and P&L must be, by exact fractions: the audit's own arithmetic.

It shares no code with the ledger and takes another way where there is one: realized P&L follows from the cash that has
flowed (realized = cash + cost of what is held), not from what each closing fill has earned.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from functools import lru_cache
from typing import Final, NamedTuple

from engine import messages

MONEY: Final = 1_000_000
AVERAGE: Final = 1_000_000_000


class Impossible(ValueError):
    """A fill that no market makes."""


class Steps(NamedTuple):
    """What a tick and a lot of an instrument are, and what a tick × lot is in units of 1e-6."""

    tick: Fraction
    lot: Fraction
    unit: int

    @classmethod
    def of(cls, instrument: messages.Instrument) -> Steps:
        tick, lot = Fraction(instrument.tick_size), Fraction(instrument.lot_size)
        unit = tick * lot * MONEY
        if unit.denominator != 1 or unit <= 0:
            raise Impossible(f"a tick × lot of {instrument.symbol} is {unit} units")
        return cls(tick, lot, unit.numerator)


@lru_cache(maxsize=500_000)
def whole(text: str, step: Fraction) -> int:
    """How many steps the number is. Raises `Impossible` where it is no whole number of them."""
    try:
        count = Fraction(text) / step
    except (ValueError, ZeroDivisionError):
        raise Impossible(f"{text!r} is not a number") from None
    if count.denominator != 1:
        raise Impossible(f"{text} is not a multiple of {step}")
    return count.numerator


def money(text: str) -> Decimal:
    """Units of 1e-6; never equal to anything where the text is no number."""
    try:
        return Decimal(text).scaleb(6)
    except InvalidOperation:
        return Decimal("NaN")


class Fills:
    """The fills of one position in order, 48 bytes each."""

    WIDTH: Final = 6

    def __init__(self) -> None:
        self._values = array("q")
        self.repeated = 0

    def add(self, fill: messages.Fill, steps: Steps) -> None:
        """Takes a fill; one at or below the last is a repeat and only counted. Raises `Impossible`."""
        lots, ticks = whole(fill.quantity, steps.lot), whole(fill.price, steps.tick)
        fee = money(fill.fee)
        if lots <= 0 or ticks <= 0 or fill.side not in ("buy", "sell") or fee != fee.to_integral_value():
            raise Impossible(f"{fill.side} {fill.quantity} at {fill.price}, fee {fill.fee}")
        if fill.seq <= 0 or fill.index < 0:
            raise Impossible(f"seq {fill.seq}, index {fill.index}")
        if self._values and (fill.seq, fill.index) <= (self._values[-6], self._values[-5]):
            self.repeated += 1
            return
        signed = lots if fill.side == "buy" else -lots
        self._values.extend((fill.seq, fill.index, signed, ticks, int(fee), fill.ts_ns))

    def seq(self, number: int) -> int:
        """The seq of the fill with this number, from 0."""
        return self._values[number * self.WIDTH]

    def __len__(self) -> int:
        return len(self._values) // self.WIDTH

    def __iter__(self) -> Iterator[tuple[int, ...]]:
        for start in range(0, len(self._values), self.WIDTH):
            yield tuple(self._values[start : start + self.WIDTH])


class Replay:
    """One position, fill by fill. Money in units of 1e-6, `quantity` and `base` in lots."""

    def __init__(self, fills: Fills, steps: Steps) -> None:
        self.steps = steps
        self.seq, self.index, self.ts_ns = 0, -1, 0
        self.quantity = self.cash = self.fees = self.bought = self.sold = self.last_ticks = 0
        self.counted = 0
        self._base_cost = self._base = self._closed = 0
        self._fills = iter(fills)

    @property
    def at(self) -> tuple[int, int]:
        return self.seq, self.index

    @property
    def cost(self) -> int:
        """What is held has cost this much: of the base's cost, the closed part is gone, rounded half to even."""
        if not self._closed:
            return self._base_cost
        return self._base_cost - round(Fraction(self._base_cost * self._closed, self._base))

    @property
    def realized(self) -> int:
        return self.cash + self.cost

    @property
    def average(self) -> Fraction | None:
        """The average price of the base, exactly; None when flat."""
        if not self.quantity:
            return None
        return Fraction(abs(self._base_cost), self._base * self.steps.unit) * self.steps.tick

    def next(self) -> bool:
        """Counts one more fill; false where there is none."""
        fill = next(self._fills, None)
        if fill is None:
            return False
        self.seq, self.index, lots, self.last_ticks, fee, self.ts_ns = fill
        self.counted += 1
        amount = lots * self.last_ticks * self.steps.unit
        before = self.quantity
        self.quantity += lots
        self.cash -= amount
        self.fees += fee
        if lots > 0:
            self.bought += lots
        else:
            self.sold -= lots
        if before == 0 or (before > 0) == (lots > 0):
            self._base_cost, self._base, self._closed = self.cost + amount, abs(self.quantity), 0
        elif abs(lots) < abs(before):
            self._closed += abs(lots)
        else:
            self._base_cost = self.quantity * self.last_ticks * self.steps.unit
            self._base, self._closed = abs(self.quantity), 0
        return True

    def advance_to(self, at: tuple[int, int]) -> bool:
        """Counts the fills up to (seq, index); whether there is one of exactly that."""
        while self.at < at and self.next():
            pass
        return self.at == at

    def differences(self, record: messages.Position) -> list[str]:
        """Where the published record is not this position, with both numbers."""
        steps = self.steps
        average = self.average
        found = [
            *_unequal("quantity", Fraction(record.quantity), self.quantity * steps.lot),
            *_unequal("cost", money(record.cost), self.cost),
            *_unequal("realized_pnl", money(record.realized_pnl), self.realized),
            *_unequal("fees", money(record.fees), self.fees),
            *_unequal("bought_quantity", Fraction(record.bought_quantity), self.bought * steps.lot),
            *_unequal("sold_quantity", Fraction(record.sold_quantity), self.sold * steps.lot),
            *_unequal("last_price", Fraction(record.last_price), self.last_ticks * steps.tick),
            *_unequal("ts_ns", record.ts_ns, self.ts_ns),
        ]
        if average is None or record.average_price is None:
            if (average is None) != (record.average_price is None):
                found.append(f"average_price is {record.average_price}, must be {average}")
        else:
            found += _unequal("average_price", Fraction(record.average_price) * AVERAGE, round(average * AVERAGE))
        return found


def _unequal(field: str, published: Fraction | Decimal | int, exact: Fraction | int) -> list[str]:
    return [] if published == exact else [f"{field} is {published}, must be {exact}"]


class Account:
    """An account's P&L records in order."""

    def __init__(self) -> None:
        self.replays: dict[str, Replay] = {}
        self.peak_profit = 0
        self.last: messages.Pnl | None = None

    def differences(self, record: messages.Pnl) -> list[str]:
        """Where the record's arithmetic is wrong for the positions and marks that it names; its symbols' replays must
        stand at the fills that it names."""
        found: list[str] = []
        realized = unrealized = fees = gross = net = 0
        for symbol, mark in record.marks.items():
            replay = self.replays[symbol]
            found += _unequal(f"quantity of {symbol}", Fraction(mark.quantity), replay.quantity * replay.steps.lot)
            value = round(Fraction(mark.price) / replay.steps.tick * replay.quantity * replay.steps.unit)
            found += _unequal(f"unrealized_pnl of {symbol}", money(mark.unrealized_pnl), value - replay.cost)
            realized += replay.realized
            unrealized += value - replay.cost
            fees += replay.fees
            gross += abs(value)
            net += value
        profit = realized + unrealized - fees
        self.peak_profit = max(self.peak_profit, profit, 0)
        deposits = int(money(record.deposits))
        for field, text, exact in (
            ("realized_pnl", record.realized_pnl, realized),
            ("unrealized_pnl", record.unrealized_pnl, unrealized),
            ("fees", record.fees, fees),
            ("equity", record.equity, deposits + profit),
            ("peak_equity", record.peak_equity, deposits + self.peak_profit),
            ("drawdown", record.drawdown, self.peak_profit - profit),
            ("gross_exposure", record.gross_exposure, gross),
            ("net_exposure", record.net_exposure, net),
        ):
            found += _unequal(field, money(text), exact)
        return found
