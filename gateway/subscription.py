"""A client's view of its channels, whatever carries it: a snapshot or what it has missed, then every change."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Final

from gateway import backlog, cursor
from gateway.backlog import Backlogs, Span
from gateway.channels import FILLS, TRADES, Channel, Feed
from gateway.hub import Hub
from gateway.lookup import Lookup
from gateway.problems import Problem, unavailable
from gateway.state import NOTHING, Place
from gateway.subscriber import Message, Subscriber

HEARTBEAT_S: Final = 10.0
TOKEN_EXPIRED: Final = "token_expired"
TOKEN_REVOKED: Final = "token_revoked"
LOADING_S: Final = 5.0
"""How long a client waits for a gateway that has just been started."""


def not_loaded() -> Problem:
    return unavailable("stream", "the gateway has not read all of Kafka yet")


class Subscription:
    """`open` first; then `batches`; `close` in any case."""

    def __init__(
        self,
        hub: Hub,
        backlogs: Backlogs,
        lookup: Lookup,
        channels: tuple[Channel, ...],
        accounts: frozenset[str] | None,
        last_event_id: str | None,
    ) -> None:
        """Raises `Refusal` where `last_event_id` is no position of ours."""
        self._hub = hub
        self._backlogs = backlogs
        self._lookup = lookup
        self._channels = channels
        self._accounts = accounts
        self._feeds: list[Feed] = list(dict.fromkeys(channel.feed for channel in channels))
        covered, offsets = cursor.decode(last_event_id) if last_event_id else ("", {})
        same = covered == cursor.checksum(channels, ["*"] if accounts is None else accounts)
        self._resumed = offsets if same else {}
        self._first: list[Message] = []
        self._spans: list[Span] = []
        self._subscriber: Subscriber | None = None
        self._end: asyncio.TimerHandle | None = None

    @property
    def reason(self) -> str | None:
        """Why the hub has ended the subscription; None while it lives."""
        return None if self._subscriber is None else self._subscriber.reason

    async def open(self) -> None:
        """Raises `Problem` 503 where the gateway has not caught up with Kafka, or what it needs to resume is away."""
        hub = self._hub
        if not await hub.wait_loaded(LOADING_S):
            raise not_loaded()
        gone: frozenset[str] = frozenset()
        if self._resumed:
            gone = await self._backlogs.gone(self._spans_to_now())
        older = {
            channel: await self._lookup.older(channel, self._accounts)
            for channel in self._channels
            if channel.feed in (FILLS, TRADES)
        }
        # From here to the subscription's snapshots nothing waits: what is shown and what follows it are one step.
        if not hub.loaded.is_set():
            raise not_loaded()
        spans = {span.feed.name: span for span in self._spans_to_now() if span.feed.name not in gone}
        self._spans = list(spans.values())
        subscriber = self._subscriber = hub.subscribe(self._channels, self._accounts)
        position = subscriber.position
        for feed in self._feeds:
            span = spans.get(feed.name)
            if span is not None:
                position.place(feed.name, span.first)
                subscriber.resume_ahead(feed.name, span.first)
        for feed in self._feeds:
            if feed.name in spans:
                continue
            if feed.name in self._resumed:
                self._first.append(
                    Message("snapshot-required", b'{"topic":"%s"}' % feed.name.encode(), position.text())
                )
            self._show(feed, subscriber, older)
        if self._spans:
            self._first += await self._missed(subscriber)

    def _spans_to_now(self) -> list[Span]:
        reached = self._hub.state.offsets
        return [
            Span(feed, self._resumed[feed.name], list(reached[feed.name]))
            for feed in self._feeds
            if len(self._resumed.get(feed.name, ())) == len(reached[feed.name])
        ]

    def _show(self, feed: Feed, subscriber: Subscriber, older: dict[Channel, dict[Place, bytes]]) -> None:
        """Puts the snapshots of the feed's channels first in line."""
        state, position = self._hub.state, subscriber.position
        channels = [channel for channel in self._channels if channel.feed is feed]
        for channel in channels:
            records = b",".join(state.snapshot(channel, self._accounts, older.get(channel, NOTHING)))
            if channel is channels[-1]:
                position.place(feed.name, state.offsets[feed.name])
            data = b'{"topic":"%s","records":[%s]}' % (channel.name.encode(), records)
            self._first.append(Message("snapshot", data, position.text()))

    async def batches(self) -> AsyncIterator[list[Message]]:
        """Messages in the order in which they are to be sent; an empty batch is a heartbeat. Ends with the
        subscription (`reason` tells why), or runs until it is closed."""
        subscriber = self._subscriber
        assert subscriber is not None
        first, self._first = self._first, []
        if first:
            yield first
        while True:
            await subscriber.wait(HEARTBEAT_S)
            if subscriber.reason is not None:
                return
            # Empty where only others' records have gone by: the position moves on with them.
            yield subscriber.drain(self._hub.state.offsets)

    async def _missed(self, subscriber: Subscriber) -> list[Message]:
        found = await self._backlogs.read(self._spans, self._channels, self._accounts)
        known = await self._lookup.orders(backlog.unknown_orders(found))
        position = subscriber.position
        messages = []
        for event in backlog.folded(found, known):
            position.advance(event.feed.name, event.partition, event.offset + 1)
            messages.append(Message(event.name, event.json, position.text()))
        for feed, _, last in self._spans:
            for partition, offset in enumerate(last):
                position.advance(feed.name, partition, offset)
        if messages:
            messages[-1] = messages[-1]._replace(position=position.text())
        return messages

    @property
    def position(self) -> str:
        """From which a client that has been sent everything so far resumes."""
        assert self._subscriber is not None
        return self._subscriber.position.text()

    def end_at(self, time_s: int) -> None:
        """Ends it as `token_expired` at that time (seconds since the epoch)."""
        assert self._subscriber is not None
        loop = asyncio.get_running_loop()
        self._end = loop.call_later(max(0.0, time_s - time.time()), self._subscriber.end, TOKEN_EXPIRED)

    def end(self, reason: str) -> None:
        """Ends it before its client does."""
        assert self._subscriber is not None
        self._subscriber.end(reason)

    def close(self) -> None:
        if self._end is not None:
            self._end.cancel()
        if self._subscriber is not None:
            self._hub.unsubscribe(self._subscriber)
