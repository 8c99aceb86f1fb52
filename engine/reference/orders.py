"""Orders. Prices are ticks, quantities lots, money and fees money units, rates money units a lot."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any, Final

from engine.words import LIST_SHIFT, WORKING, Flag, ListType, OrderStatus, OrderType, Side, TimeInForce

AT_ONCE: Final = (TimeInForce.IOC, TimeInForce.FOK)
"""What is not filled at once is canceled."""
AUCTION_ONLY: Final = (TimeInForce.OPG, TimeInForce.CLS)
STOPS: Final = (OrderType.STOP, OrderType.STOP_LIMIT, OrderType.TRAILING_STOP)
PRICED: Final = (OrderType.LIMIT, OrderType.STOP_LIMIT)
"""Those with a limit price. All others take, once they trade, any price."""


class Place(Enum):
    """Where an order works, exactly one at a time."""

    NOWHERE = auto()
    """It is on its way in, or done."""
    BOOK = auto()
    STOPS = auto()
    ACTIVATION = auto()
    """Its stop was reached, or the order that it waited for has traded: it comes to the market next."""
    PARKED = auto()
    """For the closing auction, which has not begun."""
    HELD = auto()
    """The child of an order that has not ended."""


@dataclass(eq=False)
class Order:
    """An order that the engine remembers: one that works, or worked, or was rejected."""

    order_id: int
    account: int
    client_order_id: bytes
    content: tuple[Any, ...]
    instrument: int
    side: int
    order_type: int
    time_in_force: int
    quantity: int
    limit_price: int
    stop_price: int
    trail: int
    display_quantity: int
    expires_ns: int
    flags: int
    self_trade_prevention: int
    strategy: bytes
    source: int
    maker_ppm: int = 0
    taker_ppm: int = 0
    """Fees in force when it came in."""
    list_id: int = 0
    status: OrderStatus = OrderStatus.NEW
    place: Place = Place.NOWHERE
    filled: int = 0
    notional: int = 0
    first_reply: dict[str, int] = field(default_factory=dict)

    book_price: int = 0
    """The level at which it stands in the book: a market order's is the band's edge."""
    shown: int = 0
    """Lots that the book shows of it."""
    waits_until_ns: int = 0
    """Of an order that trades at once, which waits for what a venue says of it."""
    extreme: int = 0
    """Of a trailing stop: the best price since it began to trail."""

    counted: bool = False
    """Whether its leaves are in the open lots, and money is reserved for it."""
    reserved_lots: int = 0
    reserve_rate: int = 0

    sibling: Order | None = None
    """The other one of an OCO pair."""
    children: list[Order] = field(default_factory=list)
    """Orders that wait for this one to end, in the order of their legs."""

    @property
    def works(self) -> bool:
        return self.status in WORKING

    @property
    def leaves(self) -> int:
        return self.quantity - self.filled if self.works else 0

    @property
    def list_type(self) -> int:
        """`ListType`, 0 for none."""
        return list_type(self.flags)

    @property
    def post_only(self) -> bool:
        return bool(self.flags & Flag.POST_ONLY)

    @property
    def reduce_only(self) -> bool:
        return bool(self.flags & Flag.REDUCE_ONLY)

    @property
    def is_stop(self) -> bool:
        return self.order_type in STOPS

    @property
    def is_priced(self) -> bool:
        return self.order_type in PRICED

    @property
    def is_released(self) -> bool:
        """Its parent has traded, but it has not come to the market yet."""
        return self.place == Place.ACTIVATION and self.status == OrderStatus.PENDING_NEW

    @property
    def reserved(self) -> int:
        """Money units."""
        return self.reserved_lots * self.reserve_rate

    def show(self) -> None:
        """It comes to the end of a queue, and shows its display quantity, or all of it where it has none."""
        self.shown = min(self.display_quantity or self.leaves, self.leaves)

    def takes(self, price: int, limit: int) -> bool:
        """Whether the order may trade at this price when it goes as far as `limit`."""
        return price <= limit if self.side == Side.BUY else price >= limit


def list_type(flags: int) -> int:
    """`ListType`, 0 for none."""
    return flags >> LIST_SHIFT & 3


def other_side(side: int) -> int:
    return Side.SELL if side == Side.BUY else Side.BUY


def is_second_exit(order: Order, leg: int) -> bool:
    """Whether leg number `leg` (from 0) of a list is never counted: the other exit is, and only one of them trades."""
    return (order.list_type, leg) in ((ListType.OCO, 1), (ListType.BRACKET, 2))
