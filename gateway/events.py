"""One Kafka record on its way to clients."""

from __future__ import annotations

from typing import Final

import msgspec
from confluent_kafka import Message

from engine.messages import Order, OrderEvent
from gateway import browser
from gateway.channels import BOOK, BY_TOPIC, ORDERS, PNL, POSITIONS, Feed


class _Place(msgspec.Struct):
    """What routing needs to know of a record."""

    account: str = ""
    symbol: str = ""
    seq: int = 0
    index: int = 0


_place: Final = msgspec.json.Decoder(_Place)
_order_event: Final = msgspec.json.Decoder(OrderEvent)


class Event:
    """A record of a feed. Its JSON for browsers is made once, when the first client wants it."""

    __slots__ = ("_json", "_value", "account", "feed", "index", "number", "offset", "order_event", "partition", "seq",
                 "symbol", "ts_ns")  # fmt: skip

    def __init__(
        self,
        feed: Feed,
        partition: int,
        offset: int,
        account: str,
        symbol: str,
        seq: int,
        index: int,
        value: bytes | Order,
        order_event: OrderEvent | None = None,
    ) -> None:
        self.feed = feed
        self.partition = partition
        self.offset = offset
        self.account = account
        self.symbol = symbol
        self.seq = seq
        self.index = index
        self.order_event = order_event
        """Of a record of `order-events` that has not been folded yet."""
        self.number = 0
        """Counts the events of one hub in the order in which it applied them."""
        self.ts_ns = 0 if order_event is None else order_event.ts_ns
        """When the command behind a change of an order was sequenced; 0: of no order."""
        self._value = value
        self._json: bytes | None = None

    @property
    def key(self) -> str:
        """What the latest record is kept by."""
        if self.feed is POSITIONS:
            return f"{self.account}|{self.symbol}"
        return self.account if self.feed is PNL else self.symbol

    @property
    def name(self) -> str:
        """The name of the channel."""
        return self.feed.name if self.feed.private else f"{self.feed.name}:{self.symbol}"

    @property
    def json(self) -> bytes:
        if self._json is None:
            value = self._value
            self._json = browser.quoted(value) if isinstance(value, bytes) else browser.encoded(value)
        return self._json

    @property
    def raw(self) -> bytes:
        """The record as Kafka holds it; only for feeds that are not folded."""
        assert isinstance(self._value, bytes)
        return self._value

    def of_order(self, order: Order) -> Event:
        """The same record, showing the order that it made."""
        made = Event(self.feed, self.partition, self.offset, self.account, self.symbol, self.seq, self.index, order)
        made.ts_ns = self.ts_ns
        return made


def read(message: Message) -> Event:
    """The event of a Kafka record. Raises `msgspec.MsgspecError` where its bytes cannot be read."""
    topic, partition, offset, value = message.topic(), message.partition(), message.offset(), message.value()
    assert topic is not None
    assert partition is not None
    assert offset is not None
    feed = BY_TOPIC[topic]
    value = value or b""
    if feed is ORDERS:
        event = _order_event.decode(value)
        return Event(feed, partition, offset, event.account, event.symbol, event.seq, event.index, b"", event)
    if feed is BOOK:
        key = message.key()
        # The key says all that routing needs, and a book is long.
        if isinstance(key, bytes) and key:
            return Event(feed, partition, offset, "", key.decode(), 0, 0, value)
    place = _place.decode(value)
    return Event(feed, partition, offset, place.account, place.symbol, place.seq, place.index, value)
