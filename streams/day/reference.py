"""What the engine told of instruments, accounts and prices, as far as a day was replayed."""

from __future__ import annotations

from collections import defaultdict
from decimal import Decimal

from engine import messages
from engine.units import Scale
from streams import marks


class Reference:
    """By name, and by the command after which it was so."""

    def __init__(self) -> None:
        self.scales: dict[str, Scale] = {}
        self.currencies: dict[str, str] = {}
        """Symbol → what it is traded in."""
        self.accounts: defaultdict[str, list[messages.Account]] = defaultdict(list)
        """Every version, in order."""
        self.books: dict[tuple[str, int], marks.TopOfBook] = {}
        """(symbol, seq), of those that somebody names."""
        self.closes: dict[tuple[str, int], str] = {}
        """The last price before a close, by the command that closed."""
        self.trades: defaultdict[tuple[str, int], list[marks.LastTrade]] = defaultdict(list)

    def method(self, account: str) -> str:
        return self.accounts[account][-1].cost_method

    def define(self, record: messages.Instrument) -> None:
        """An instrument as it is from here on."""
        self.scales[record.symbol] = Scale(Decimal(record.tick_size), Decimal(record.lot_size))
        self.currencies[record.symbol] = record.currency
        if record.closing_price is not None:
            self.closes[record.symbol, record.closing_seq] = record.closing_price
