"""One client's queue: bounded, and in memory only what it has not been sent yet."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable
from typing import Final, NamedTuple

from gateway.channels import Channel
from gateway.cursor import Offsets, Position
from gateway.events import Event

QUEUE_EVENTS: Final = 10_000
"""Orders, fills and trades that may wait for a client."""


class Message(NamedTuple):
    """What a client is sent: the event's name, its JSON, and the position to resume from once it has it."""

    event: str
    data: bytes
    position: str
    ts_ns: int = 0
    """When the command behind a live change of an order was sequenced; 0: of anything else."""


class Subscriber:
    """Events of feeds that conflate wait as the latest of their key, so there are never more than keys; of the others
    every one waits, and a client with more than `limit` waiting is given up (`reason` says so)."""

    def __init__(
        self,
        channels: tuple[Channel, ...],
        accounts: frozenset[str] | None,
        position: Position,
        limit: int = QUEUE_EVENTS,
    ) -> None:
        """`accounts`: whose private records it may see; None is everyone's."""
        self.channels = channels
        self.accounts = accounts
        self.position = position
        self.reason: str | None = None
        """Why the hub has ended the subscription; None while it lives."""
        self._limit = limit
        self._ahead: Offsets = {}
        self._queue: list[Event] = []
        self._latest: dict[tuple[str, str], Event] = {}
        self._wake = asyncio.Event()

    def resume_ahead(self, feed: str, offsets: list[int]) -> None:
        """The client has already seen records that this gateway has not reached yet: they are not sent again."""
        self._ahead[feed] = offsets

    def offer(self, event: Event) -> None:
        """Queues an event that this client is to see."""
        if self.reason is not None:
            return
        feed = event.feed
        ahead = self._ahead.get(feed.name)
        if ahead is not None and event.offset < ahead[event.partition]:
            return
        if feed.conflates:
            self._latest[feed.name, event.key] = event
        else:
            self._queue.append(event)
            if len(self._queue) > self._limit:
                self.end("slow_consumer")
                return
        self._wake.set()

    def end(self, reason: str) -> None:
        """No more events; those that wait are dropped, since the client resumes from what it was sent."""
        if self.reason is None:
            self.reason = reason
            self._queue.clear()
            self._latest.clear()
            self._wake.set()

    async def wait(self, timeout_s: float) -> None:
        """Until something waits, the subscription has ended, or the time is up."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await self._wake.wait()

    def drain(self, reached: Offsets) -> list[Message]:
        """All that waits, in the order of arrival. `reached` is how far the hub has folded: the last message's position
        says so for all feeds, so that records of others are not read again at a resume.

        Within one drain a key appears once, at its latest record, and offsets rise within each partition: whoever is
        cut off after any message resumes with neither a gap nor a repeat."""
        self._wake.clear()
        events = self._queue
        if self._latest:
            events = sorted([*events, *self._latest.values()], key=_number)
            self._latest.clear()
        self._queue = []
        position = self.position
        messages: list[Message] = []
        for event in events[:-1]:
            position.advance(event.feed.name, event.partition, event.offset + 1)
            messages.append(Message(event.name, event.json, position.text(), event.ts_ns))
        self.catch_up(reached)
        if events:
            messages.append(Message(events[-1].name, events[-1].json, position.text(), events[-1].ts_ns))
        return messages

    def catch_up(self, reached: Offsets) -> None:
        """Nothing waits any more that lies before `reached`."""
        for feed in self.position.offsets:
            for partition, offset in enumerate(reached[feed]):
                self.position.advance(feed, partition, offset)

    @property
    def waiting(self) -> int:
        return len(self._queue) + len(self._latest)


def _number(event: Event) -> int:
    return event.number


class Directory:
    """Who is to be told of an event."""

    def __init__(self) -> None:
        self._by_account: dict[tuple[str, str | None], set[Subscriber]] = {}
        self._by_symbol: dict[tuple[str, str | None], set[Subscriber]] = {}
        self.subscribers: set[Subscriber] = set()

    def add(self, subscriber: Subscriber) -> None:
        self.subscribers.add(subscriber)
        for table, key in self._places(subscriber):
            table.setdefault(key, set()).add(subscriber)

    def remove(self, subscriber: Subscriber) -> None:
        self.subscribers.discard(subscriber)
        for table, key in self._places(subscriber):
            members = table.get(key)
            if members is not None:
                members.discard(subscriber)
                if not members:
                    del table[key]

    def interested(self, event: Event) -> Iterable[Subscriber]:
        name = event.feed.name
        if not event.feed.private:
            return self._by_symbol.get((name, event.symbol), ())
        owners = self._by_account.get((name, event.account), ())
        everyone = self._by_account.get((name, None), ())
        return (*owners, *everyone) if everyone else owners

    def _places(
        self, subscriber: Subscriber
    ) -> list[tuple[dict[tuple[str, str | None], set[Subscriber]], tuple[str, str | None]]]:
        places = []
        for feed, symbol in subscriber.channels:
            if not feed.private:
                places.append((self._by_symbol, (feed.name, symbol)))
            elif subscriber.accounts is None:
                places.append((self._by_account, (feed.name, None)))
            else:
                places.extend((self._by_account, (feed.name, account)) for account in subscriber.accounts)
        return places
