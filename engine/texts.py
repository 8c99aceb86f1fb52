"""What the core's numbers are called: words by their numbers, names, and the texts of prices and quantities. Whole
columns at a time; texts that repeat are kept."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import repeat
from typing import Any, Final, NamedTuple

from numpy.typing import NDArray

from engine.core import Core
from engine.registry import InstrumentEntry
from engine.units import money_text, scaled_text
from engine.words import (
    REASONS,
    CommandType,
    Durability,
    ExecType,
    Flag,
    Liquidity,
    ListType,
    OrderStatus,
    OrderType,
    Reason,
    SelfTrade,
    Side,
    Source,
    TimeInForce,
    Word,
)

KEPT_PRICES: Final = 1 << 16
KEPT_AMOUNTS: Final = 1 << 14
PERCENT_PLACES: Final = 4
"""Millionths are ten-thousandths of a per cent."""

Text = Callable[[int], str]


def _names(words: type[Word]) -> dict[int, str | None]:
    return {int(member): member.wire for member in words} | {0: None}


SIDES: Final = _names(Side)
ORDER_TYPES: Final = _names(OrderType)
TIMES: Final = _names(TimeInForce)
LIQUIDITIES: Final = _names(Liquidity)
SELF_TRADES: Final = _names(SelfTrade)
LIST_TYPES: Final = _names(ListType)
DURABILITIES: Final = _names(Durability)
COMMANDS: Final = {int(kind): kind.wire for kind in CommandType}
EXECS: Final = {int(kind): kind.wire for kind in ExecType}
STATUSES: Final = {0: "", **{int(status): status.wire for status in OrderStatus}}
SOURCES: Final = {int(source): source.wire for source in Source}
TEXTS: Final = {0: None, **{int(reason): text.text for reason, text in REASONS.items()}}
REASON_WORDS: Final = _names(Reason)

fee_text: Final[Text] = lru_cache(KEPT_AMOUNTS)(money_text)


class Units(NamedTuple):
    """An instrument's name and how its ticks and lots are written."""

    symbol: str
    price: Text
    quantity: Text
    average: Callable[[int, int], str]
    """Of ticks × lots and lots: the average price."""


def _plain_average(notional: int, filled: int) -> str:
    return str(notional // filled)


NO_UNITS: Final = Units("", str, str, _plain_average)
"""Of a command that names no instrument: its numbers as they are."""


def units_of(entry: InstrumentEntry) -> Units:
    """The instrument's units, with a memory of the texts it has made."""
    scale = entry.scale
    price = lru_cache(KEPT_PRICES)(scale.price_text)

    def average(notional: int, filled: int) -> str:
        ticks, rest = divmod(notional, filled)
        return scale.average_price_text(notional, filled) if rest else price(ticks)

    return Units(entry.definition.symbol, price, lru_cache(KEPT_AMOUNTS)(scale.quantity_text), average)


class Names:
    """The names behind the numbers of accounts and instruments, as they stand in the core now."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._units: dict[int, tuple[InstrumentEntry, Units]] = {}
        self._accounts: dict[int, str] = {}

    def accounts(self, numbers: NDArray[Any]) -> list[str]:
        """Empty for a number that no account has."""
        if len(self._accounts) != len(self._core.accounts):
            self._accounts = {entry.number: entry.account for entry in self._core.accounts}
        names = self._accounts
        return [names.get(number, "") for number in numbers.tolist()]

    def units(self, numbers: NDArray[Any]) -> list[Units]:
        """`NO_UNITS` for a number that no instrument has."""
        wanted: list[int] = numbers.tolist()
        found = {number: self._find_units(number) for number in set(wanted)}
        return [found[number] for number in wanted]

    def _find_units(self, number: int) -> Units:
        if not 1 <= number <= len(self._core.instruments):
            return NO_UNITS
        entry = self._core.instruments.by_number(number)
        kept = self._units.get(number)
        if kept is None or kept[0] is not entry:
            kept = self._units[number] = entry, units_of(entry)
        return kept[1]


def each(values: Iterable[int], texts: Sequence[Text]) -> Iterator[str]:
    return (text(value) for value, text in zip(values, texts, strict=True))


def those_given(values: Sequence[int], texts: Sequence[Text]) -> Iterable[str | None]:
    """As `each`, None for 0; most columns are empty."""
    if not any(values):
        return repeat(None)
    return [text(value) if value else None for value, text in zip(values, texts, strict=True)]


def decoded(column: NDArray[Any]) -> Iterator[str]:
    return (value.decode("latin-1") for value in column.tolist())


def percent_text(trail: int) -> str:
    return scaled_text(trail, PERCENT_PLACES)


def trails(rows: NDArray[Any], prices: Sequence[Text]) -> tuple[Iterable[str | None], Iterable[str | None]]:
    """The column `trail` as amounts and as per cents, by the flag of each row."""
    trails = rows["trail"]
    in_percent = (rows["flags"] & int(Flag.TRAIL_PERCENT)) != 0
    percents = (trails * in_percent).tolist()
    return those_given((trails * ~in_percent).tolist(), prices), those_given(percents, [percent_text] * len(rows))


def flagged(rows: NDArray[Any], flag: Flag) -> list[bool]:
    flagged: list[bool] = ((rows["flags"] & int(flag)) != 0).tolist()
    return flagged
