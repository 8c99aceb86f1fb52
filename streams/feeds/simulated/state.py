"""What the simulated traders know and hold."""

from __future__ import annotations

from typing import NamedTuple


class Listed(NamedTuple):
    """A symbol to trade. Prices in ticks."""

    symbol: str
    price_min: int
    price_max: int
    start: float
    """Where the fair value begins, and what it reverts to in days."""
    unit: int
    """Lots of an ordinary order."""
    opening: float = 0.0
    """Where the fair value stands at the beginning of this session; 0 = `start`."""


class Quote(NamedTuple):
    """Best prices in ticks and their sizes in lots; 0 where there is none."""

    bid: int
    bid_lots: int
    ask: int
    ask_lots: int


class OwnOrder:
    """A working order of one of the traders, as far as the engine has told."""

    __slots__ = ("account", "filled", "number", "price", "quantity", "side")

    def __init__(self, number: int, account: int, side: int, price: int, quantity: int) -> None:
        self.number = number
        self.account = account
        self.side = side
        self.price = price
        self.quantity = quantity
        self.filled = 0


class Answer(NamedTuple):
    """What the engine said to an instruction: the order's lots filled so far and still working."""

    accepted: bool
    known: bool
    """Whether the engine knows the order; `filled` and `leaves` are the order's, and 0 where it does not."""
    filled: int
    leaves: int


class SymbolState:
    """What moves in one symbol besides its book."""

    def __init__(self, listed: Listed, makers: int) -> None:
        self.listed = listed
        self.fair = listed.opening or listed.start
        self.average = self.fair
        """Slow average of the mid price: what trend traders compare with."""
        self.at_s = 0.0
        self.orders: dict[int, OwnOrder] = {}
        """Noise traders' working orders by number."""
        self.ladders: list[dict[tuple[int, int], OwnOrder]] = [{} for _ in range(makers)]
        """By maker: (side, level) → order."""
        self.opinions = [0.0] * makers
