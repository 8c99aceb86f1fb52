"""Our side of the routes: the orders of some accounts and symbols, followed in the topic `order-events`."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Collection, Iterator
from decimal import Decimal
from typing import Final

import msgspec
from confluent_kafka import Message

from engine import messages, topics
from engine.words import WORKING_WORDS, ExecType
from streams.consumer import Cursor, LogReader, log_bounds, place, read_to_end
from streams.orders import fold
from streams.venues.alpaca import corrections
from streams.venues.alpaca.groups import Group
from streams.venues.alpaca.routing import Route

log = logging.getLogger(__name__)

KEPT_NS: Final = 3 * 86_400 * 10**9
"""Orders that ended longer ago are forgotten: nothing more is heard of them."""
BATCH: Final = 1000
NAMES: Final = (topics.ORDER_EVENTS.name, topics.ACCOUNTS.name)

_events: Final = msgspec.json.Decoder(messages.OrderEvent)
_accounts: Final = msgspec.json.Decoder(messages.Account)


class Ours:
    """Routes by order_id, as the topics tell of them."""

    def __init__(self, symbols: Collection[str], accounts: Collection[str], venue: str) -> None:
        self._symbols = frozenset(symbol.encode() for symbol in symbols)
        self._accounts = frozenset(accounts)
        self._venue = venue
        self.routes: dict[str, Route] = {}
        self.groups: dict[str, Group] = {}
        """Lists by list_id."""
        self.booked: dict[str, Decimal] = {}
        """Names of the fills that the topic has → their quantities."""
        self.unfinished: dict[str, messages.Order] = {}
        """Orders that stand for a correction of Alpaca's and still work: their fills are missing."""
        self.deposits = Decimal(0)
        """Of the account that stands for the venue."""
        self._reader: LogReader | None = None
        self._other_side: messages.OrderEvent | None = None
        """The venue's report of a fill, which comes just before the order's own."""

    def load(self, bootstrap: str) -> Cursor:
        """Reads all that there is; where it ends. Raises `KafkaException`."""
        cursor: Cursor = {partition: low for partition, (low, _) in log_bounds(bootstrap, NAMES).items()}
        for batch in read_to_end(bootstrap, dict(cursor), name="venue-history"):
            for message in batch:
                topic, partition, offset = place(message)
                cursor[topic, partition] = offset + 1
                self.take(message)
        self.forget(time.time_ns())
        return cursor

    def start(self, bootstrap: str, stop: threading.Event) -> None:
        """Reads all that there is, and follows it from there. Raises `KafkaException`, `Stopped`."""
        cursor = self.load(bootstrap)
        self._reader = LogReader(bootstrap, NAMES, name="venue", stop=stop, log=log)
        self._reader.start(cursor)

    def read(self, wait_s: float) -> set[str]:
        """Takes what is new; which orders have changed."""
        assert self._reader is not None
        return {
            order_id for message in self._reader.read(BATCH, wait_s) if (order_id := self.take(message)) is not None
        }

    def close(self) -> None:
        if self._reader is not None:
            self._reader.close()

    def take(self, message: Message) -> str | None:
        """The order that the record has changed, None where it changes none of ours."""
        if message.topic() == topics.ACCOUNTS.name:
            if message.key() == self._venue.encode():
                self.deposits = Decimal(_accounts.decode(message.value() or b"").deposits)
            return None
        if message.key() not in self._symbols:
            return None
        event = _events.decode(message.value() or b"")
        if event.account == self._venue:
            self._other_side = event
            return None
        if event.account not in self._accounts:
            return None
        if (changed := corrections.corrected(event.client_order_id)) is not None:
            self._note_correction(event, *changed)
            return None
        route = self.routes.get(event.order_id)
        order = fold(None if route is None else route.order, event)
        if order is None:
            return None
        if route is None:
            route = self.routes[event.order_id] = Route(order)
            if order.list_id is not None:
                self.groups.setdefault(order.list_id, Group(order.list_id)).add(route)
        route.order = order
        side = self._other_side
        if event.exec_type == ExecType.TRADE.wire and side is not None and side.seq == event.seq:
            self.booked[side.client_order_id] = Decimal(side.quantity)
            route.total = max(route.total, Decimal(event.filled_quantity))
        return event.order_id

    def _note_correction(self, event: messages.OrderEvent, order_id: str, revision: int) -> None:
        order = fold(self.unfinished.get(event.order_id), event)
        if order is not None and order.status in WORKING_WORDS:
            self.unfinished[event.order_id] = order
        else:
            self.unfinished.pop(event.order_id, None)
        if order_id in self.routes:
            self.routes[order_id].corrected.add(revision)

    def forget(self, now_ns: int) -> None:
        """Orders that are over, and were long ago; those of a list together."""
        for order_id, route in list(self.routes.items()):
            legs = [route] if route.group is None else route.group.legs
            if all(leg.is_over and leg.order.updated_ns < now_ns - KEPT_NS for leg in legs):
                self.routes.pop(order_id)
                self.groups.pop(route.order.list_id or "", None)

    def working(self) -> Iterator[Route]:
        return (route for route in self.routes.values() if route.works)
