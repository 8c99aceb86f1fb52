"""What a client can subscribe to: a feed, and for the public ones a symbol (`orders`, `book:AAPL`)."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from engine import topics
from engine.layout import NAME_LENGTH
from engine.refusal import Refusal
from engine.topics import Topic
from engine.words import Reason

LARGEST_SUBSCRIPTION: Final = 64
"""Channels of one subscription."""
SYMBOL: Final = re.compile(rf"[A-Za-z0-9._:/-]{{1,{NAME_LENGTH}}}")


class Feed(NamedTuple):
    """One Kafka topic as clients see it."""

    name: str
    topic: Topic
    code: str
    """One letter that stands for the feed in resume positions."""
    private: bool
    """Holds only the accounts of whoever asks; a public feed is asked for by symbol."""
    conflates: bool
    """Only the latest record of each key matters to one who is behind; other feeds never drop a record."""


ORDERS: Final = Feed("orders", topics.ORDER_EVENTS, "o", private=True, conflates=False)
FILLS: Final = Feed("fills", topics.FILLS, "f", private=True, conflates=False)
POSITIONS: Final = Feed("positions", topics.POSITIONS, "p", private=True, conflates=True)
PNL: Final = Feed("pnl", topics.PNL, "l", private=True, conflates=True)
BOOK: Final = Feed("book", topics.BOOKS, "b", private=False, conflates=True)
TRADES: Final = Feed("trades", topics.TRADES, "t", private=False, conflates=False)

FEEDS: Final = (ORDERS, FILLS, POSITIONS, PNL, BOOK, TRADES)
BY_NAME: Final = {feed.name: feed for feed in FEEDS}
BY_CODE: Final = {feed.code: feed for feed in FEEDS}
BY_TOPIC: Final = {feed.topic.name: feed for feed in FEEDS}


class Channel(NamedTuple):
    feed: Feed
    symbol: str | None

    @property
    def name(self) -> str:
        return self.feed.name if self.symbol is None else f"{self.feed.name}:{self.symbol}"


def parse(names: list[str]) -> tuple[Channel, ...]:
    """The channels that `names` stand for, each once. Raises `Refusal` with field `topics`."""
    channels = dict.fromkeys(_channel(name.strip()) for name in names if name.strip())
    if not channels:
        raise Refusal(Reason.MISSING_FIELD, "topics", "topics must name what to subscribe to, as in orders,book:AAPL")
    if len(channels) > LARGEST_SUBSCRIPTION:
        raise Refusal(Reason.INVALID_FIELD, "topics", f"at most {LARGEST_SUBSCRIPTION} topics in one subscription")
    return tuple(channels)


def _channel(name: str) -> Channel:
    feed_name, colon, symbol = name.partition(":")
    feed = BY_NAME.get(feed_name)
    if feed is None:
        known = ", ".join(feed.name if feed.private else f"{feed.name}:SYMBOL" for feed in FEEDS)
        raise Refusal(Reason.INVALID_FIELD, "topics", f"{name[:40]!r} is not one of {known}")
    if feed.private:
        if colon:
            raise Refusal(Reason.INVALID_FIELD, "topics", f"{feed.name} takes no symbol")
        return Channel(feed, None)
    if not SYMBOL.fullmatch(symbol):
        raise Refusal(Reason.INVALID_FIELD, "topics", f"{feed.name} needs a symbol, as in {feed.name}:AAPL")
    return Channel(feed, symbol)
