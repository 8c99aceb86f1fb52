"""What has to be done next for one order that works here and at Alpaca. Pure: no clock, no network.

The order here is what is wanted; the one there is what is. Every step follows from the two as they stand, so that after
any outage the same question is asked again."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Final, NamedTuple

from engine.messages import Order
from engine.words import WORKING_WORDS, OrderStatus, Reason
from streams.venues.alpaca.statuses import UNCHANGEABLE
from streams.venues.alpaca.wire import TheirFill, TheirOrder

if TYPE_CHECKING:
    from streams.venues.alpaca.groups import Group

TIMES_IN_FORCE: Final = {
    "day": "day",
    "gtc": "gtc",
    "gtd": "gtc",
    "ioc": "ioc",
    "fok": "fok",
    "opg": "opg",
    "cls": "cls",
}
"""Ours → Alpaca's. The end of `gtd` comes here, and takes the order there back."""
AT_ONCE: Final = ("ioc", "fok")
ORDER_TYPES: Final = frozenset({"market", "limit", "stop", "stop_limit", "trailing_stop"})
STOPS: Final = ("stop", "stop_limit")
"""Whose stop price stays where it was put."""
NOT_ALLOWED: Final = (401, 403)
PREFIX: Final = "hft"


class Terms(NamedTuple):
    """What can be changed of an order."""

    quantity: Decimal
    limit_price: Decimal | None
    stop_price: Decimal | None


class Submit(NamedTuple):
    """Enter the order there by this name, for what is left of it; with the exits of its list, where it has some."""

    name: str
    quantity: Decimal
    order_class: str = "simple"
    """Alpaca's: `simple`, `bracket`, `oco`, `oto`."""
    take_profit: Order | None = None
    stop_loss: Order | None = None


class Change(NamedTuple):
    """Replace the order there by one of these terms and this name."""

    order_id: str
    name: str
    terms: Terms


class TakeBack(NamedTuple):
    """Cancel the order there."""

    order_id: str


class End(NamedTuple):
    """The order here is over."""

    outcome: str
    reason: Reason
    text: str
    field: str | None = None
    """Of our order, where that is why."""


class Restore(NamedTuple):
    """The order here gets the terms of the one there: Alpaca would not change it."""

    terms: Terms


class Look(NamedTuple):
    """Fills are missing: ask for them."""


class Refresh(NamedTuple):
    """Ask how an order of the list stands there."""

    order_id: str
    """Ours."""


Action = Submit | Change | TakeBack | End | Restore | Look | Refresh


class Route:
    """One order here, and what is known of it there."""

    def __init__(self, order: Order) -> None:
        self.order = order
        self.group: Group | None = None
        """The list that it came in."""
        self.is_child = order.status == OrderStatus.PENDING_NEW.wire
        """Whether it came in to wait for another one."""
        self.theirs: TheirOrder | None = None
        """The last of those that replaced each other."""
        self.counted: dict[str, Decimal] = {}
        """Names of fills → their quantities."""
        self.total = Decimal(order.filled_quantity)
        """Of all fills that are booked here."""
        self.revision = 0
        self.asked: Change | TakeBack | None = None
        """A request that is under way."""
        self.refused: End | None = None
        """Alpaca did not take the order."""
        self.unchanged: Terms | None = None
        """Terms that Alpaca would not have."""
        self.enters_again = False
        """What is left is entered anew once the order there is canceled."""
        self.corrected: set[int] = set()
        """Revisions that have had a fill corrected: what they say to have in all is not what their fills were."""

    @property
    def works(self) -> bool:
        return self.order.status in WORKING_WORDS

    @property
    def wanted(self) -> Terms:
        """As the order there would have them: of what the last one has replaced the fills are no part of it. How many
        an order of a list is for is Alpaca's to say, once it is there."""
        quantity = Decimal(self.order.quantity) - self.earlier
        return Terms(
            quantity if self.group is None or self.theirs is None else self.theirs.quantity,
            _number(self.order.limit_price),
            _number(self.order.stop_price) if self.order.order_type in STOPS else None,
        )

    @property
    def there(self) -> Terms | None:
        """The terms of the order there."""
        if self.theirs is None:
            return None
        is_stop = self.order.order_type in STOPS
        return Terms(self.theirs.quantity, self.theirs.limit_price, self.theirs.stop_price if is_stop else None)

    @property
    def is_over(self) -> bool:
        """Whether nothing can come of it any more."""
        return not self.works and (self.theirs is None or not self.theirs.stands.is_open) and not self.misses_fills

    @property
    def own(self) -> Decimal:
        """Counted of the last order there."""
        if self.theirs is None:
            return Decimal(0)
        mark = f"{self.theirs.id}:"
        return sum((lots for name, lots in self.counted.items() if name.startswith(mark)), start=Decimal(0))

    @property
    def earlier(self) -> Decimal:
        """Filled of the orders there before the last one, where its own numbers leave that out."""
        if self.theirs is None or self.theirs.filled == self.total:
            return Decimal(0)
        return self.total - self.own

    @property
    def misses_fills(self) -> bool:
        """Whether Alpaca has filled more of the last order than is counted. Whether it counts what those before it had,
        is not documented: both ways add up."""
        if self.theirs is None or self.is_corrected(self.theirs):
            return False
        return self.own < self.theirs.filled != self.total

    def is_corrected(self, theirs: TheirOrder) -> bool:
        return revision_of(theirs.name, self.order) in self.corrected

    def is_new(self, fill: TheirFill) -> bool:
        return fill.name not in self.counted

    def count(self, fill: TheirFill) -> None:
        self.counted[fill.name] = fill.quantity
        self.total += fill.quantity

    def saw(self, theirs: TheirOrder) -> None:
        """The order there, as REST or the stream has just told it."""
        number = revision_of(theirs.name, self.order)
        known = self.theirs
        is_known = known is not None and theirs.id == known.id
        if number is None and self.group is not None and (known is None or theirs.submitted_ns >= known.submitted_ns):
            number = self.revision  # Alpaca names the exits of a list
        if not is_known and (number is None or number < self.revision):
            return  # one that was replaced, or none of ours
        if known is not None and is_known:
            if theirs.filled < known.filled or (not known.stands.is_open and theirs.stands.is_open):
                return  # older than what is known
            if known.stands.is_pending and not theirs.stands.is_pending:
                self.asked = None
        else:
            self.asked = None
            self.enters_again = False
        self.revision = max(self.revision, number or 0)
        self.theirs = theirs

    def next(self) -> Action | None:
        """What has to be done now; None: nothing, or to wait."""
        if self.misses_fills:
            return Look()
        if self.group is not None:
            return self.group.next(self)
        theirs = self.theirs
        if not self.works:
            if theirs is None or not theirs.stands.is_open or self.asked is not None or theirs.stands.is_pending:
                return None
            return TakeBack(theirs.id)
        if self.refused is not None:
            return self.refused
        if theirs is None:
            return unroutable(self.order) or Submit(name_of(self.order, 0), self.left)
        if not theirs.stands.is_open:
            if self.enters_again and self.left > 0 and theirs.status == "canceled":
                return Submit(name_of(self.order, self.revision + 1), self.left)
            return None if theirs.status in ("filled", "replaced") else ended(self.order, theirs)
        return self.change(theirs)

    @property
    def left(self) -> Decimal:
        """To be filled."""
        return Decimal(self.order.quantity) - self.total

    def change(self, theirs: TheirOrder) -> Action | None:
        """What makes the order there, which can be filled, the one that is wanted."""
        wanted, there = self.wanted, self.there
        assert there is not None
        if self.asked is not None or theirs.status in UNCHANGEABLE or wanted == there:
            return None
        if self.unchanged == wanted:
            return Restore(there._replace(quantity=there.quantity + self.earlier))
        if theirs.filled > 0:
            if self.group is not None and self is self.group.entry:
                return Restore(there)  # a cancel there would take the exits along
            # Whether the quantity of a replacement counts what is filled is not documented: too much could trade.
            return TakeBack(theirs.id)
        return Change(theirs.id, name_of(self.order, self.revision + 1), wanted)


def name_of(order: Order, revision: int) -> str:
    """What an order is called there: the same whoever asks when, so that one that was entered and not answered is
    found again. Another system's order of the same number has another time."""
    return f"{PREFIX}-{order.order_id}-{order.created_ns}-{revision}"


def parts_of(name: str) -> tuple[str, int, int] | None:
    """order_id, created_ns and revision; None where it is none of ours."""
    prefix, *numbers = name.split("-")
    if prefix != PREFIX or len(numbers) != 3 or not all(number.isdecimal() for number in numbers):
        return None
    return numbers[0], int(numbers[1]), int(numbers[2])


def revision_of(name: str, order: Order) -> int | None:
    """None where it is another order's name."""
    found = parts_of(name)
    return found[2] if found is not None and found[:2] == (order.order_id, order.created_ns) else None


def unroutable(order: Order) -> End | None:
    """Why Alpaca cannot have such an order. docs/alpaca.md has the same table."""
    for wrong, field, text in (
        (order.order_type not in ORDER_TYPES, "order_type", order.order_type),
        (order.time_in_force not in TIMES_IN_FORCE, "time_in_force", order.time_in_force),
        (order.display_quantity is not None, "display_quantity", "icebergs"),
        (order.post_only, "post_only", "it"),
        (order.reduce_only, "reduce_only", "it"),
        (Decimal(order.quantity) % 1 != 0 and order.order_type != "market", "quantity", "a part of a share"),
    ):
        if wrong:
            return End("canceled", Reason.UNSUPPORTED, f"{field}: Alpaca does not take {text}", field)
    return None


def ended(order: Order, theirs: TheirOrder) -> End:
    """What an order there that was not filled whole makes of ours."""
    text = f"{theirs.status} at Alpaca"
    if theirs.status == "rejected":
        return End("canceled", Reason.UNSUPPORTED, text)
    if order.time_in_force in AT_ONCE:
        return End("canceled", Reason.NO_LIQUIDITY, text)
    if theirs.status == "expired":
        return End("expired", Reason.DAY_ENDED, text)
    return End("canceled", Reason.NONE, text)


def refusal(status_code: int | None, text: str) -> End:
    """What a refusal by REST makes of ours."""
    lower = text.lower()
    if "buying power" in lower or "insufficient" in lower:
        reason = Reason.BUYING_POWER
    elif "market" in lower and ("closed" in lower or "hours" in lower):
        reason = Reason.MARKET_CLOSED
    elif "halt" in lower:
        reason = Reason.HALTED
    elif status_code in NOT_ALLOWED:
        reason = Reason.NOT_AUTHORIZED
    else:
        reason = Reason.UNSUPPORTED
    return End("canceled", reason, f"Alpaca: {text}")


def _number(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)
