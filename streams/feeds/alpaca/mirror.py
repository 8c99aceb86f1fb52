"""Quotes of elsewhere as orders on our books. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

from engine.messages import Cancel, NewOrder, OrderCommand
from streams.feeds.alpaca.messages import Quote
from streams.strategies.instrument import Listed

STRATEGY: Final = "alpaca"


class Resting(NamedTuple):
    """One side of a quote as it stands on our book."""

    client_order_id: str
    ticks: int
    lots: int


class Mirror:
    """Keeps one order a side and symbol where the last quote is."""

    def __init__(self, account: str, tag: str, units: Mapping[str, Listed]) -> None:
        """`tag` begins the ids of its orders: one that no earlier session has had."""
        self._account = account
        self._tag = tag
        self._units = units
        self._number = 0
        self._resting: dict[tuple[str, str], Resting] = {}

    def follow(self, quote: Quote) -> list[OrderCommand]:
        """What brings our book to the quote: what has to go, then what comes, so that the sides never meet each other.
        A quote whose bid is not below its ask (two venues' prices crossing) says nothing: nothing is sent."""
        unit = self._units[quote.symbol]
        wanted = {
            "buy": self._level(unit, "buy", quote.bid, quote.bid_size),
            "sell": self._level(unit, "sell", quote.ask, quote.ask_size),
        }
        bid, ask = wanted["buy"], wanted["sell"]
        if bid is not None and ask is not None and bid[0] >= ask[0]:
            return []
        moved = [side for side, level in wanted.items() if level != self._level_of(quote.symbol, side)]
        gone = [cancel for side in moved if (cancel := self._take_back(quote.symbol, side)) is not None]
        return [*gone, *(self._place(unit, side, level) for side in moved if (level := wanted[side]) is not None)]

    def withdraw(self) -> list[OrderCommand]:
        """Takes every order back: nobody knows any more what they are worth."""
        return [cancel for symbol, side in list(self._resting) if (cancel := self._take_back(symbol, side)) is not None]

    def _level(self, unit: Listed, side: str, price: float, size: float) -> tuple[int, int] | None:
        """Ticks and lots, never better than quoted; None where nothing is left of it."""
        if price <= 0:
            return None
        ticks, lots = unit.passive_ticks(price, side), unit.lots(size)
        return (ticks, lots) if ticks > 0 and lots > 0 else None

    def _level_of(self, symbol: str, side: str) -> tuple[int, int] | None:
        there = self._resting.get((symbol, side))
        return None if there is None else (there.ticks, there.lots)

    def _take_back(self, symbol: str, side: str) -> Cancel | None:
        there = self._resting.pop((symbol, side), None)
        if there is None:
            return None
        return Cancel(account=self._account, symbol=symbol, client_order_id=there.client_order_id)

    def _place(self, unit: Listed, side: str, level: tuple[int, int]) -> NewOrder:
        self._number += 1
        name = f"{self._tag}-{self._number}"
        self._resting[unit.symbol, side] = Resting(name, *level)
        return NewOrder(
            account=self._account,
            symbol=unit.symbol,
            side=side,
            quantity=unit.exact_quantity(level[1]),
            limit_price=unit.exact_price(level[0]),
            time_in_force="gtc",
            client_order_id=name,
            strategy=STRATEGY,
        )
