"""One comparison of Alpaca's account with our books, from outside of the process that routes."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Final

from engine.client import Client
from streams.venues.alpaca import finding, reconciliation, routing
from streams.venues.alpaca.booking import held
from streams.venues.alpaca.driver import venue_account
from streams.venues.alpaca.orders import Ours
from streams.venues.alpaca.trading import Trading

TIMES: Final = 4
AGAIN_S: Final = 1.0


def look(
    trading: Trading, client: Client, bootstrap: str, symbols: Sequence[str], accounts: Sequence[str], *, paper: bool
) -> reconciliation.Compared:
    """A difference counts where it is still there after some seconds: what is on its way is none. Raises `AwayError`,
    `RefusedError`, `MessageError`, `KafkaException`, and what the engine's client raises."""
    venue = venue_account(paper=paper)
    found = _once(trading, client, bootstrap, symbols, accounts, venue)
    for _ in range(TIMES):
        if not found.differences:
            break
        time.sleep(AGAIN_S)
        again = _once(trading, client, bootstrap, symbols, accounts, venue)
        known = {one.about for one in found.differences}
        found = again._replace(differences=[one for one in again.differences if one.about in known])
    return found


def _once(
    trading: Trading, client: Client, bootstrap: str, symbols: Sequence[str], accounts: Sequence[str], venue: str
) -> reconciliation.Compared:
    ours = Ours(symbols, accounts, venue)
    ours.load(bootstrap)
    orders = trading.open_orders()
    for one in orders:
        parts = routing.parts_of(one.name)
        route = None if parts is None else ours.routes.get(parts[0])
        if route is not None:
            route.saw(one)
    for route in list(ours.working()):
        if route.group is not None and route.theirs is None:
            finding.see(route, finding.find(trading, route))
    return reconciliation.compare(
        reconciliation.books(ours.deposits, held(client, venue)),
        ours.routes.values(),
        trading.positions(),
        orders,
        trading.balance(),
    )
