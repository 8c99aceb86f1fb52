"""What a returning client has missed: the records of Kafka between its position and the hub's."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Final, NamedTuple, TypeVar

import msgspec
from confluent_kafka import KafkaException

from engine.messages import Order
from gateway import events
from gateway.channels import Channel, Feed
from gateway.events import Event
from gateway.problems import unavailable
from streams.consumer import Partition, log_bounds, read_to_end
from streams.orders import fold

READERS: Final = 4
"""Backlogs read at the same time; further clients wait their turn."""
LONGEST: Final = 100_000
"""Records of one feed. Whoever missed more gets a snapshot instead."""

T = TypeVar("T")


class Span(NamedTuple):
    """Of one feed: from the client's offsets to the hub's."""

    feed: Feed
    first: list[int]
    last: list[int]


class Backlogs:
    def __init__(self, bootstrap: str) -> None:
        self._bootstrap = bootstrap
        self._threads = ThreadPoolExecutor(READERS, thread_name_prefix="backlog")

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def gone(self, spans: list[Span]) -> frozenset[str]:
        """Feeds that cannot be resumed: their records are deleted, or too many, or the position lies beyond the log.

        Raises `Problem` 503 where Kafka is away."""
        return await self._in_thread(self._gone, spans)

    async def read(
        self, spans: list[Span], channels: tuple[Channel, ...], accounts: frozenset[str] | None
    ) -> list[Event]:
        """What the subscription is to see of the spans, in the order of the records of each partition; orders are not
        folded yet. Raises `Problem` 503 where Kafka is away."""
        return await self._in_thread(self._read, spans, Wants(channels, accounts))

    async def _in_thread(self, work: Callable[..., T], *arguments: object) -> T:
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._threads, work, *arguments)
        except KafkaException:
            raise unavailable("kafka", "Kafka, from which the stream resumes, is away") from None

    def _read(self, spans: list[Span], wants: Wants) -> list[Event]:
        starts: dict[tuple[str, int], int | None] = {}
        ends: dict[tuple[str, int], int] = {}
        for feed, first, last in spans:
            for partition, (begin, end) in enumerate(zip(first, last, strict=True)):
                if begin < end:
                    starts[feed.topic.name, partition] = begin
                    ends[feed.topic.name, partition] = end
        return latest_only(self._records(starts, ends, wants))

    def _records(
        self, starts: dict[tuple[str, int], int | None], ends: dict[tuple[str, int], int], wants: Wants
    ) -> list[Event]:
        found: list[Event] = []
        waiting = set(starts)
        if not waiting:
            return found
        for batch in read_to_end(self._bootstrap, starts, name="gateway-backlog"):
            for message in batch:
                partition = (message.topic() or "", message.partition() or 0)
                offset = message.offset() or 0
                if offset + 1 >= ends[partition]:
                    waiting.discard(partition)
                if offset >= ends[partition]:
                    continue
                try:
                    event = events.read(message)
                except (msgspec.MsgspecError, UnicodeDecodeError):
                    continue  # the hub has logged and counted it
                if wants(event):
                    found.append(event)
            if not waiting:
                break
        return found

    def _gone(self, spans: list[Span]) -> frozenset[str]:
        bounds = log_bounds(self._bootstrap, [span.feed.topic.name for span in spans])
        return frozenset(span.feed.name for span in spans if not readable(span, bounds))


def readable(span: Span, bounds: Mapping[Partition, tuple[int, int]]) -> bool:
    """Whether the log still has the span, and it is not too long."""
    count = 0
    for partition, (begin, end) in enumerate(zip(span.first, span.last, strict=True)):
        low, high = bounds[span.feed.topic.name, partition]
        # A compacted topic drops what a newer record of the same key replaces, and so do we.
        if begin > high or (begin < low and span.feed.topic.cleanup == "delete"):
            return False
        count += max(0, end - begin)
    return count <= LONGEST


class Wants:
    """Whether a subscription is to see an event."""

    def __init__(self, channels: tuple[Channel, ...], accounts: frozenset[str] | None) -> None:
        self._channels = frozenset((feed.name, symbol) for feed, symbol in channels)
        self._accounts = accounts

    def __call__(self, event: Event) -> bool:
        if not event.feed.private:
            return (event.feed.name, event.symbol) in self._channels
        mine = self._accounts is None or event.account in self._accounts
        return mine and (event.feed.name, None) in self._channels


def latest_only(found: Iterable[Event]) -> list[Event]:
    """Of feeds that conflate only the latest record of each key; all of the others, in the order in which the engine
    made them. Offsets rise within each partition, whose records have that same order."""
    latest: dict[tuple[str, str], Event] = {}
    kept: list[Event] = []
    for event in found:
        if event.feed.conflates:
            latest[event.feed.name, event.key] = event
        else:
            kept.append(event)
    kept.sort(key=lambda event: (event.seq, event.index))
    kept.extend(sorted(latest.values(), key=lambda event: (event.feed.name, event.partition, event.offset)))
    return kept


def unknown_orders(found: Iterable[Event]) -> list[str]:
    """Orders whose first report lies before the backlog: when they were made must be looked up."""
    opened: set[str] = set()
    unknown: dict[str, None] = {}
    for event in found:
        report = event.order_event
        if report is None:
            continue
        if report.order_id == str(report.seq):
            opened.add(report.order_id)
        elif report.order_id not in opened and report.order_id != "0":
            unknown[report.order_id] = None
    return list(unknown)


def folded(found: Iterable[Event], known: Mapping[str, Order]) -> list[Event]:
    """The events with their reports folded into orders; `known` holds, in any later state, each order that
    `unknown_orders` names. What changes no order is left out."""
    orders: dict[str, Order] = {}
    shown: list[Event] = []
    for event in found:
        report = event.order_event
        if report is None:
            shown.append(event)
            continue
        previous = orders.get(report.order_id)
        if previous is None and report.order_id in known:
            # What an order keeps for life is known; all else is as the report says.
            previous = msgspec.structs.replace(known[report.order_id], last_seq=0, last_index=0)
        if previous is None and report.order_id != str(report.seq):
            continue
        order = fold(previous, report)
        if order is None or order == previous:
            continue
        orders[report.order_id] = order
        shown.append(event.of_order(order))
    return shown
