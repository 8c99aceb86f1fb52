"""Whether Alpaca's account is what our books say: positions, open orders, cash. Pure.

The account that stands for Alpaca in our books has the other side of every fill: what it is short of there, Alpaca's
account holds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Final, NamedTuple

from streams.venues.alpaca.routing import Route, parts_of
from streams.venues.alpaca.wire import Balance, TheirOrder

CENT: Final = Decimal("0.01")
"""Alpaca tells cash in cents."""


class Difference(NamedTuple):
    """One thing that is not the same."""

    symbol: str | None
    text: str
    subject: str = ""
    """What differs, however its numbers move meanwhile; empty: the text."""

    @property
    def about(self) -> str:
        return self.subject or self.text


class Books(NamedTuple):
    """What our books say that Alpaca should have."""

    positions: Mapping[str, Decimal]
    """Symbol → signed quantity."""
    cash: Decimal


class Compared(NamedTuple):
    positions: int
    orders: int
    cash: Decimal
    """There."""
    differences: list[Difference]

    def report(self, name: str) -> str:
        """For people."""
        lines = [
            f"{name}  {self.positions:,} positions, {self.orders:,} open orders and cash {self.cash:,f} there",
            f"differing  {len(self.differences):,}",
        ]
        return "\n".join([*lines, *(f"  {one.text}" for one in self.differences)])


def books(deposits: Decimal, held: Iterable[tuple[str, Decimal, Decimal, Decimal]]) -> Books:
    """`deposits`, and (symbol, quantity, cash, fees) of each position, of the account that stands for Alpaca."""
    rows = list(held)
    return Books(
        {symbol: -quantity for symbol, quantity, _, _ in rows if quantity},
        deposits - sum((cash - fees for _, _, cash, fees in rows), start=Decimal(0)),
    )


def compare(
    ours: Books,
    routes: Iterable[Route],
    positions: Mapping[str, Decimal],
    orders: Iterable[TheirOrder],
    balance: Balance,
) -> Compared:
    """Differences, each in one line; empty where all is the same."""
    found = []
    for symbol in sorted(ours.positions.keys() | {name for name, quantity in positions.items() if quantity}):
        mine, theirs = ours.positions.get(symbol, Decimal(0)), positions.get(symbol, Decimal(0))
        if mine != theirs:
            found.append(Difference(symbol, f"{symbol}: {theirs:f} there, {mine:f} by our fills", symbol))
    there = {one.id: one for one in orders}
    known = list(routes)
    for route in known:
        waits = route.theirs is not None and route.theirs.status == "held"  # Alpaca does not list it among the open
        if route.works and not waits and (route.theirs is None or route.theirs.id not in there):
            text = f"order {route.order.order_id} of {route.order.account} works here and not there"
            found.append(Difference(route.order.symbol, text))
    wanted = {route.theirs.id for route in known if route.works and route.theirs is not None}
    for one in there.values():
        if one.id not in wanted:
            whose = "works there and not here" if parts_of(one.name) else "was not entered by this system"
            found.append(Difference(one.symbol, f"{one.symbol}: order {one.id} {whose}"))
    if abs(balance.cash - ours.cash) >= CENT:
        found.append(Difference(None, f"cash: {balance.cash:f} there, {ours.cash:f} by our fills and deposits", "cash"))
    if balance.is_blocked:
        found.append(Difference(None, "Alpaca has blocked the account for trading"))
    return Compared(len([q for q in positions.values() if q]), len(there), balance.cash, found)
