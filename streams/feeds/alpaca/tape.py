"""Which trades are new: a stream that comes back and the list that fills its gap overlap. Pure."""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

from streams.feeds.alpaca.messages import Trade

REMEMBERED: Final = 20_000
"""Trades a symbol that are still known by their number."""


class Tape:
    """What is on our tape, as far as it matters."""

    def __init__(self) -> None:
        self._seen: dict[str, OrderedDict[tuple[str, int], None]] = {}
        self._last_ns: dict[str, int] = {}
        self._resumed_ns: dict[str, int] = {}
        self.attempted: Trade | None = None
        """A trade that was sent to the engine and of which no answer has told whether it arrived."""

    def resume(self, symbol: str, last_ns: int) -> None:
        """Trades up to this one, of that time, are there since an earlier process: their numbers are not known."""
        self._last_ns[symbol] = self._resumed_ns[symbol] = last_ns

    def is_new(self, trade: Trade) -> bool:
        if trade.ts_ns <= self._resumed_ns.get(trade.symbol, 0):
            return False
        return trade.key not in self._seen.get(trade.symbol, ())

    def note(self, trade: Trade) -> None:
        """It is there, or will never be."""
        self.attempted = None
        seen = self._seen.setdefault(trade.symbol, OrderedDict())
        seen[trade.key] = None
        if len(seen) > REMEMBERED:
            seen.popitem(last=False)
        self._last_ns[trade.symbol] = max(trade.ts_ns, self._last_ns.get(trade.symbol, 0))

    def last_ns(self, symbol: str) -> int | None:
        """Time of the latest trade, None before the first."""
        return self._last_ns.get(symbol)
