"""What things are called: names and their numbers, and the reference data behind them.

Numbers are given in the order of the journal, from 1, and never reused: the same journal gives the same ones."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Final, Generic, NamedTuple, TypeVar

from engine.messages import DefineInstrument, SymbolLimits
from engine.units import Scale


class ActionEntry(NamedTuple):
    """A corporate action."""

    seq: int
    ts_ns: int
    kind: str
    new_shares: int
    old_shares: int
    per_lot: int
    """Money units that a dividend pays for a lot, 0 for a split."""
    price_before: int
    """Ticks of the last match, 0 before the first."""
    price_after: int
    bought: int
    """Lots that all accounts together had bought."""
    sold: int


class InstrumentEntry(NamedTuple):
    number: int
    definition: DefineInstrument
    scale: Scale
    price_min: int
    """Ticks."""
    price_max: int
    """Ticks."""
    max_quantity: int
    """Lots."""
    seq: int
    ts_ns: int
    action: ActionEntry | None = None
    """The last one."""
    closing_price: int = 0
    """Ticks, 0 before the market has first closed with a trade."""
    closing_seq: int = 0
    venue: str | None = None
    """Where it is traded while its auction is held for that; empty: nowhere any more, None: it never was."""

    @property
    def action_seq(self) -> int:
        return 0 if self.action is None else self.action.seq


class AccountEntry(NamedTuple):
    number: int
    account: str
    currency: str
    deposits: int
    """Money units."""
    firm: str | None
    margin: int
    """Buying power in hundredths of the equity, 0: it is not checked."""
    self_trade_prevention: str
    self_trade_scope: str
    messages_per_second: int | None
    message_burst: int | None
    """None: as many as come in a second."""
    maker_fee_ppm: int | None
    """None: the instrument's."""
    taker_fee_ppm: int | None
    killed: bool
    limits: tuple[SymbolLimits, ...]
    """Those of the whole account first (`symbol` None), then those of single symbols."""
    seq: int
    """Of the last administrative command that changed any of this."""
    ts_ns: int
    cost_method: str


Entry = TypeVar("Entry", InstrumentEntry, AccountEntry)


class Registry(ABC, Generic[Entry]):
    """Entries by name and by number."""

    def __init__(self) -> None:
        self._by_name: dict[str, Entry] = {}
        self._by_number: list[Entry] = []

    @staticmethod
    @abstractmethod
    def name_of(entry: Entry) -> str:
        """What the entry is found by."""

    def put(self, entry: Entry) -> None:
        """Adds the entry, or takes the place of the one with its number."""
        self._by_name[self.name_of(entry)] = entry
        if entry.number > len(self._by_number):
            self._by_number.append(entry)
        else:
            self._by_number[entry.number - 1] = entry

    def find(self, name: str) -> Entry | None:
        return self._by_name.get(name)

    def by_number(self, number: int) -> Entry:
        """Raises IndexError for a number that was never given."""
        if number < 1:
            raise IndexError(number)
        return self._by_number[number - 1]

    def __iter__(self) -> Iterator[Entry]:
        return iter(self._by_number)

    def __len__(self) -> int:
        return len(self._by_number)


class Instruments(Registry[InstrumentEntry]):
    """By symbol."""

    def __init__(self) -> None:
        super().__init__()
        self.at_venues: set[int] = set()
        """Numbers of those that are traded elsewhere."""
        self.knows_venues = False
        """Whether one ever was."""

    def put(self, entry: InstrumentEntry) -> None:
        super().put(entry)
        self.at_venues.discard(entry.number)
        if entry.venue is not None:
            self.knows_venues = True
            if entry.venue:
                self.at_venues.add(entry.number)

    @staticmethod
    def name_of(entry: InstrumentEntry) -> str:
        return entry.definition.symbol


class Accounts(Registry[AccountEntry]):
    """By name."""

    @staticmethod
    def name_of(entry: AccountEntry) -> str:
        return entry.account


LARGEST_MONEY: Final = 1 << 62
LARGEST_QUANTITY: Final = 1 << 40


def max_quantity(price_max: int, money_per_tick_lot: int) -> int:
    """Most lots of one order: notional at the highest price stays below 2^62 money units."""
    return min(LARGEST_QUANTITY, LARGEST_MONEY // (price_max * money_per_tick_lot))
