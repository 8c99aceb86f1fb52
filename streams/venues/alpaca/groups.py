"""Order lists as Alpaca has them: an entry with its exits (`bracket`, `oto`), or two exits (`oco`), entered by one
request and ended together. What has to be done next for one order of a list. Pure, like `routing`.

The engine decides what becomes of the list here and follows the fills there by the same rules: an exit enters when the
entry is filled, what one exit trades the other loses. Alpaca is told what ends here; what ends there is told here."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from engine.messages import Order
from engine.words import OrderStatus, Reason
from streams.venues.alpaca.routing import (
    STOPS,
    Action,
    End,
    Refresh,
    Route,
    Submit,
    TakeBack,
    ended,
    name_of,
    unroutable,
)
from streams.venues.alpaca.wire import TheirOrder

LARGEST: Final = 3
TIMES_IN_FORCE: Final = frozenset({"day", "gtc"})
WITH_ENTRY: Final = ("bracket", "oto")
"""Alpaca's classes of orders that were entered with an entry."""
ENTRIES: Final = ("market", "limit")


class Group:
    """The orders of one list."""

    def __init__(self, list_id: str) -> None:
        self.list_id = list_id
        self._legs: dict[int, Route] = {}
        self.is_complete = False
        """Whether all its orders are known."""
        self.asked_to_enter = False
        """Whether the engine was asked to have its exits enter."""

    def add(self, route: Route) -> None:
        self._legs[int(route.order.order_id) - int(self.list_id)] = route
        route.group = self
        self.is_complete = len(self._legs) == LARGEST

    @property
    def legs(self) -> list[Route]:
        return [self._legs[number] for number in sorted(self._legs)]

    @property
    def begins(self) -> bool:
        """Whether its first order is known: the topics may have forgotten it."""
        return 0 in self._legs

    @property
    def third_id(self) -> str:
        """order_id that a third order of it has."""
        return str(int(self.list_id) + LARGEST - 1)

    @property
    def entry(self) -> Route | None:
        """None where the list is two exits."""
        first, *rest = self.legs
        waits = any(leg.is_child or leg.order.side != first.order.side for leg in rest)
        return first if waits or len(rest) > 1 else None

    @property
    def exits(self) -> list[Route]:
        return self.legs if self.entry is None else self.legs[1:]

    @property
    def take_profit(self) -> Route | None:
        return next((leg for leg in self.exits if leg.order.order_type == "limit"), None)

    @property
    def stop_loss(self) -> Route | None:
        return next((leg for leg in self.exits if leg.order.order_type in STOPS), None)

    def exit_of(self, theirs: TheirOrder) -> Route | None:
        """Which exit an order of the group there is: Alpaca gives them names of its own."""
        return self.take_profit if theirs.order_type == "limit" else self.stop_loss

    @property
    def waits_in_vain(self) -> bool:
        """Whether the entry has ended with a part filled, and the exits have not entered yet."""
        entry = self.entry
        return (
            entry is not None
            and not entry.works
            and entry.order.status != OrderStatus.FILLED.wire
            and Decimal(entry.order.filled_quantity) > 0
            and any(leg.order.status == OrderStatus.PENDING_NEW.wire for leg in self.exits)
        )

    def waits_for_entry(self, route: Route) -> bool:
        """Whether it can have no fill before one of the entry's that is not booked yet."""
        entry = self.entry
        return entry is not None and entry is not route and entry.works and entry.left > 0

    # ------------------------------------------------------------------------------------------------- what to do

    def next(self, route: Route) -> Action | None:
        """As `Route.next`, of one whose fills are all known."""
        theirs = route.theirs
        if not route.works:
            return self._take_back(route)
        if route.refused is not None:
            return route.refused
        if route.order.status == OrderStatus.PENDING_NEW.wire:
            return None
        if theirs is None:
            return self._enter(route)
        if theirs.stands.is_open:
            if self._is_released(route):  # it went with its entry, which is over there
                return Refresh(route.order.order_id)
            return route.change(theirs)
        return self._over(route, theirs)

    def _take_back(self, route: Route) -> Action | None:
        """One request ends all of a group; exits whose entry still works there cannot end without it."""
        theirs = route.theirs
        if theirs is None or not theirs.stands.is_open or route.asked is not None or theirs.stands.is_pending:
            return None
        others = [leg for leg in self.legs if leg is not route and leg.theirs is not None and leg.theirs.stands.is_open]
        if any(other is self.entry or isinstance(other.asked, TakeBack) for other in others):
            return None
        return TakeBack(theirs.id)

    def _enter(self, route: Route) -> Action | None:
        if not self.is_complete:
            return None
        wrong = self.unroutable()
        if wrong is not None:
            return wrong if route is self.legs[0] else None
        if self.entry is None or route is self.entry:
            return self._submit(route, 0)
        return self._submit(route, 1) if self._is_released(route) else None  # else it was entered with its entry

    def _over(self, route: Route, theirs: TheirOrder) -> Action | None:
        """The order there is over, the one here works."""
        if theirs.status in ("filled", "replaced"):
            return None
        other = next((leg for leg in self.exits if leg is not route and route in self.exits), None)
        if other is not None and other.theirs is not None:
            if other.theirs.stands.is_open or other.misses_fills:
                return Refresh(other.order.order_id)
            if other.theirs.status == "filled":
                return None  # by its fill this one has ended
        if (route.enters_again or self._is_released(route)) and route.left > 0 and theirs.status == "canceled":
            return self._submit(route, route.revision + 1)
        return ended(route.order, theirs)

    def _is_released(self, route: Route) -> bool:
        """Whether it works since its entry was canceled with a part filled, and has no order there of its own yet."""
        entry, theirs = self.entry, route.theirs
        if entry is None or route is entry or entry.works or entry.order.status == OrderStatus.FILLED.wire:
            return False
        is_over = entry.theirs is None or not entry.theirs.stands.is_open
        return is_over and (theirs is None or theirs.order_class in WITH_ENTRY)

    def _submit(self, route: Route, revision: int) -> Action | None:
        """The entry takes its exits along, the take-profit the stop-loss."""
        profit, stop = (
            None if leg is None or not leg.works else leg.order for leg in (self.take_profit, self.stop_loss)
        )
        count = (profit is not None) + (stop is not None)
        name = name_of(route.order, revision)
        if route is self.entry:
            order_class = ("simple", "oto", "bracket")[count]
        elif count == 1:
            return Submit(name, route.left)
        elif route is not self.take_profit:
            return None
        else:
            order_class = "oco"
        return Submit(name, route.left, order_class, profit, stop)

    # --------------------------------------------------------------------------------------------- what can be routed

    def unroutable(self) -> End | None:
        """Why Alpaca cannot have such a list. docs/alpaca.md has the same table."""
        orders = [leg.order for leg in self.legs]
        for order in orders:
            wrong = unroutable(order)
            if wrong is not None:
                return wrong
        entry = None if self.entry is None else self.entry.order
        exits = [leg.order for leg in self.exits]
        times, limits = {order.time_in_force for order in orders}, [one.order_type == "limit" for one in exits]
        for is_wrong, field, text in (
            (any(_is_part(order) for order in orders), "quantity", "a part of a share in a list"),
            (not times <= TIMES_IN_FORCE, "time_in_force", "a list but day or gtc"),
            (len(times) > 1, "time_in_force", "one list for several times"),
            (entry is not None and entry.order_type not in ENTRIES, "order_type", "a stop as the entry of a list"),
            (any(one.order_type not in ("limit", *STOPS) for one in exits), "order_type", "such an exit"),
            (len(set(limits)) < len(limits), "order_type", "two exits of one kind"),
            (entry is not None and entry.side == exits[0].side, "side", "an entry and an exit of one side"),
            (entry is not None and entry.quantity != exits[0].quantity, "quantity", "an exit for a part"),
        ):
            if is_wrong:
                return End("canceled", Reason.UNSUPPORTED, f"{field}: Alpaca does not take {text}", field)
        return None


def _is_part(order: Order) -> bool:
    return Decimal(order.quantity) % 1 != 0
