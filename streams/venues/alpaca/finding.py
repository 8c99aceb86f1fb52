"""Which orders at Alpaca were entered for one of ours, asked for by REST."""

from __future__ import annotations

from itertools import takewhile

from streams.venues.alpaca import routing
from streams.venues.alpaca.routing import Route
from streams.venues.alpaca.trading import Trading
from streams.venues.alpaca.wire import TheirOrder


def find(trading: Trading, route: Route) -> list[TheirOrder]:
    """All of them, whatever became of them, the oldest first. Raises `AwayError`, `RefusedError`, `MessageError`.

    What we enter has a name of ours. Exits of a list that go with another order have not: they are told with that."""
    found = _named(trading, route)
    group = route.group
    if group is not None and route is not group.entry:
        lead = group.take_profit
        with_it = [leg for leg in (group.entry, lead) if leg is not None and leg is not route]
        legs = [leg for parent in with_it for one in _named(trading, parent) for leg in trading.legs(one.id)]
        for leg in legs:
            if group.exit_of(leg) is route:
                found += _and_after(trading, route, leg)
    unique = {one.id: one for one in found}
    return sorted(unique.values(), key=lambda one: one.submitted_ns)


def standing(found: list[TheirOrder]) -> TheirOrder | None:
    """The one that counts: a replacement that Alpaca refused leaves the one before it as it was."""
    return next(reversed([one for one in found if one.stands.is_open] or found), None)


def see(route: Route, found: list[TheirOrder]) -> None:
    """The route gets the one that counts."""
    stands = standing(found)
    if stands is None:
        return
    numbers = [n for one in found if (n := routing.revision_of(one.name, route.order)) is not None]
    route.revision = 0
    route.theirs = None if route.theirs is None or route.theirs.id != stands.id else route.theirs
    route.saw(stands)
    route.revision = max([route.revision, *numbers])


def _named(trading: Trading, route: Route) -> list[TheirOrder]:
    """Those that have a name of ours, and what has replaced them."""
    found: list[TheirOrder] = []
    number, highest = 0, -1
    while True:
        chain = chain_of(trading, route, routing.name_of(route.order, number))
        if not chain and (number > 0 or route.group is None):
            return found
        found += chain
        numbers = [n for one in chain if (n := routing.revision_of(one.name, route.order)) is not None]
        highest = max([highest, number, *numbers])
        number = highest + 1


def chain_of(trading: Trading, route: Route, name: str) -> list[TheirOrder]:
    """The order of this name, and those that have replaced it, as long as they are the route's; empty where there is
    none."""
    return list(takewhile(lambda one: _is_of(route, one), trading.orders(name)))


def _and_after(trading: Trading, route: Route, leg: TheirOrder) -> list[TheirOrder]:
    """The leg, and what has replaced it, as long as it is the route's."""
    chain: list[TheirOrder] = [leg]
    while (after := chain[-1].replaced_by) is not None:
        successor = trading.find(after)
        if successor is None or not _is_of(route, successor):
            break
        chain.append(successor)
    return chain


def _is_of(route: Route, theirs: TheirOrder) -> bool:
    """When a stop-loss trades Alpaca may say that it has replaced the take-profit: they stay two."""
    group = route.group
    return group is None or route is group.entry or group.exit_of(theirs) is route
