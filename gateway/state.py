"""The latest state of everything that clients see, folded from Kafka's records. Pure: no clock, no network."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from engine.messages import Account, Instrument, Order, OrderEvent
from engine.words import WORKING_WORDS
from gateway import browser
from gateway.channels import BOOK, FEEDS, FILLS, ORDERS, TRADES, Channel, Feed
from gateway.cursor import Offsets
from gateway.events import Event
from streams.orders import fold

RECENT: Final = 50
"""Fills of an account and trades of a symbol that a snapshot holds."""
CLOSED_KEPT: Final = 20_000
"""Closed orders kept, so that reads are never older than what the stream said while the sinks catch up."""


Place = tuple[int, int]
"""(seq, index)"""
NOTHING: Final[Mapping[Place, bytes]] = {}


class State:
    """`offsets` says up to where each feed's partitions are folded in."""

    def __init__(self, closed_kept: int = CLOSED_KEPT) -> None:
        self.offsets: Offsets = {}
        self.whole: dict[str, bool] = {feed.name: True for feed in FEEDS}
        """Whether the feed was read from its beginning; fills and trades are read from near their end."""
        self.orders: dict[str, Order] = {}
        self.by_account: dict[str, dict[str, Order]] = {}
        self.latest: dict[str, dict[str, bytes]] = {feed.name: {} for feed in FEEDS if feed.conflates}
        """Feed name → key → the record's JSON as Kafka holds it."""
        self.fills: dict[str, deque[Event]] = {}
        self.trades: dict[str, deque[Event]] = {}
        self.instruments: dict[str, Instrument] = {}
        self.accounts: dict[str, Account] = {}
        self.last_seq = 0
        self._closed: deque[str] = deque()
        self._closed_kept = closed_kept
        self._applied = 0

    # ---------------------------------------------------------------------------------------------------- writing

    def put_order(self, order: Order) -> None:
        previous = self.orders.get(order.order_id)
        self.orders[order.order_id] = order
        self.by_account.setdefault(order.account, {})[order.order_id] = order
        if order.status not in WORKING_WORDS and (previous is None or previous.status in WORKING_WORDS):
            self._closed.append(order.order_id)
            if len(self._closed) > self._closed_kept:
                gone = self.orders.pop(self._closed.popleft())
                del self.by_account[gone.account][gone.order_id]

    def apply(self, event: Event) -> Event | None:
        """Folds one record in. What clients are to be told: the event, or None where nothing changed for them."""
        self.offsets[event.feed.name][event.partition] = event.offset + 1
        self._applied += 1
        shown: Event | None = event
        if event.feed is ORDERS:
            shown = self._apply_order(event)
        elif event.feed is FILLS:
            self._remember(self.fills, event.account, event)
        elif event.feed is TRADES:
            self._remember(self.trades, event.symbol, event)
        else:
            self.latest[event.feed.name][event.key] = event.raw
        if event.seq > self.last_seq:
            self.last_seq = event.seq
        if shown is not None:
            shown.number = self._applied
        return shown

    def _apply_order(self, event: Event) -> Event | None:
        order_event = event.order_event
        assert order_event is not None
        previous = self.orders.get(order_event.order_id)
        if previous is not None and _place(event) <= (previous.last_seq, previous.last_index):
            return None
        if previous is None and not _opens(order_event):
            # Closed before what this gateway has read began, or no order at all: nothing of it can change.
            return None
        order = fold(previous, order_event)
        if order is None or order == previous:
            return None
        self.put_order(order)
        return event.of_order(order)

    @staticmethod
    def _remember(rings: dict[str, deque[Event]], key: str, event: Event) -> None:
        ring = rings.get(key)
        if ring is None:
            ring = rings[key] = deque(maxlen=RECENT)
        if not ring or (ring[-1].seq, ring[-1].index) < (event.seq, event.index):
            ring.append(event)
            return
        # A symbol's records have one order; an account's come from the partitions of several symbols.
        ordered = sorted([*ring, event], key=_place)
        ring.clear()
        ring.extend(ordered)

    # ---------------------------------------------------------------------------------------------------- reading

    def working(self, accounts: Iterable[str] | None) -> list[Order]:
        """The working orders of these accounts (None: of all), oldest first."""
        found = [order for order in self.orders_of(accounts) if order.status in WORKING_WORDS]
        return sorted(found, key=lambda order: int(order.order_id))

    def orders_of(self, accounts: Iterable[str] | None) -> Iterator[Order]:
        """All orders in memory of these accounts (None: of all)."""
        for account in self.by_account if accounts is None else accounts:
            yield from self.by_account.get(account, {}).values()

    def values(self, feed: Feed, accounts: Iterable[str] | None) -> list[bytes]:
        """The latest positions or P&L of these accounts (None: of all), as Kafka holds them."""
        records = self.latest[feed.name]
        if accounts is None:
            return list(records.values())
        chosen = set(accounts)
        return [value for key, value in records.items() if key.partition("|")[0] in chosen]

    def recent_fills(self, accounts: Iterable[str] | None) -> list[Event]:
        """The latest fills of these accounts together (None: of all), oldest first."""
        rings = [self.fills.get(account, ()) for account in (self.fills if accounts is None else accounts)]
        return sorted((event for ring in rings for event in ring), key=_place)[-RECENT:]

    def recent(self, channel: Channel, accounts: Iterable[str] | None) -> list[Event]:
        """The latest fills or trades, oldest first."""
        return self.recent_fills(accounts) if channel.feed is FILLS else list(self.trades.get(channel.symbol or "", ()))

    def snapshot(
        self, channel: Channel, accounts: Iterable[str] | None, older: Mapping[Place, bytes] = NOTHING
    ) -> list[bytes]:
        """The records, as JSON for browsers, that a subscription to the channel begins with.

        `older` are fills or trades, by (seq, index), from before what is in memory."""
        feed, symbol = channel
        if feed is ORDERS:
            return [browser.encoded(order) for order in self.working(accounts)]
        if feed is FILLS or feed is TRADES:
            records = {**older, **{_place(event): event.json for event in self.recent(channel, accounts)}}
            return [records[place] for place in sorted(records)[-RECENT:]]
        if feed is BOOK:
            book = self.latest[BOOK.name].get(symbol or "")
            return [] if book is None else [browser.quoted(book)]
        return [browser.quoted(value) for value in self.values(feed, accounts)]


def _place(event: Event) -> Place:
    return event.seq, event.index


def _opens(event: OrderEvent) -> bool:
    """Whether the report is the first of an order (a refused cancel of an unknown one carries order number 0)."""
    return event.order_id == str(event.seq)
