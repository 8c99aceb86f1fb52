"""One client's queue."""

from __future__ import annotations

import random
from collections.abc import Iterator

import msgspec
import pytest

from gateway import channels, cursor
from gateway.channels import Feed
from gateway.cursor import Position
from gateway.events import Event
from gateway.subscriber import Directory, Message, Subscriber
from tests.gateway.records import order, order_event, record, report


def subscriber(*names: str, accounts: frozenset[str] | None = frozenset({"demo"}), limit: int = 100) -> Subscriber:
    chosen = channels.parse(list(names))
    made = Subscriber(chosen, accounts, Position("00000000", chosen), limit)
    for channel in chosen:
        made.position.place(channel.feed.name, [0, 0])
    return made


def offer(to: Subscriber, *events: Event) -> None:
    for event in events:
        offer.number += 1  # type: ignore[attr-defined]
        event.number = offer.number  # type: ignore[attr-defined]
        to.offer(event)


offer.number = 0  # type: ignore[attr-defined]


def offsets(message: Message) -> cursor.Offsets:
    return cursor.decode(message.position)[1]


def of_order(offset: int, partition: int = 0) -> Event:
    return order_event(offset, report(offset + 1), partition).of_order(order(offset + 1))


def test_every_order_and_the_latest_book() -> None:
    to = subscriber("orders", "book:AAPL")
    offer(to, of_order(0), record(channels.BOOK, 0), of_order(1), record(channels.BOOK, 1), of_order(2))
    messages = to.drain({"orders": [3, 0], "book": [2, 0]})
    assert [message.event for message in messages] == ["orders", "orders", "book:AAPL", "orders"]
    assert [offsets(message)["orders"][0] for message in messages] == [1, 2, 2, 3]
    assert [offsets(message)["book"][0] for message in messages] == [0, 0, 2, 2]
    assert to.waiting == 0


def test_the_last_message_says_how_far_the_hub_is() -> None:
    to = subscriber("orders", "fills")
    offer(to, of_order(4))
    (message,) = to.drain({"orders": [90, 80], "fills": [70, 60]})
    assert offsets(message) == {"orders": [90, 80], "fills": [70, 60]}


def test_a_client_that_cannot_keep_up_is_given_up() -> None:
    to = subscriber("orders", limit=10)
    offer(to, *(of_order(offset) for offset in range(10)))
    assert to.reason is None
    offer(to, of_order(10))
    assert to.reason == "slow_consumer"
    assert to.waiting == 0
    offer(to, of_order(11))
    assert to.waiting == 0


def test_books_alone_never_overflow() -> None:
    to = subscriber("book:AAPL", limit=10)
    offer(to, *(record(channels.BOOK, offset) for offset in range(1000)))
    assert to.waiting == 1
    assert to.reason is None


def test_what_a_client_has_seen_through_another_gateway_is_not_sent_again() -> None:
    to = subscriber("orders")
    to.position.place("orders", [5, 0])
    to.resume_ahead("orders", [5, 0])
    offer(to, of_order(3), of_order(4), of_order(5), of_order(0, partition=1))
    messages = to.drain({"orders": [6, 1]})
    assert len(messages) == 2
    assert offsets(messages[-1]) == {"orders": [6, 1]}


@pytest.mark.parametrize("seed", range(20))
def test_cut_off_anywhere_nothing_is_missing_and_nothing_comes_twice(seed: int) -> None:
    """Clients that drain now and then, are cut off after any message and resume there, end with every order once, in
    order, and with each key's latest record, never an older one after a newer."""
    chance = random.Random(seed)
    log: list[Event] = []

    def happen(feed: Feed) -> Event:
        partition = chance.randrange(2)
        offset = sum(1 for event in log if event.feed is feed and event.partition == partition)
        if feed is channels.ORDERS:
            event = of_order(offset, partition)
        else:
            event = record(feed, offset, partition=partition, symbol=f"S{partition}{chance.randrange(3)}", at=len(log))
        event.number = len(log)
        log.append(event)
        return event

    def reached() -> cursor.Offsets:
        found = {"orders": [0, 0], "positions": [0, 0]}
        for event in log:
            found[event.feed.name][event.partition] += 1
        return found

    def missed(since: cursor.Offsets) -> Iterator[Event]:
        latest: dict[str, Event] = {}
        for event in log:
            if event.offset >= since[event.feed.name][event.partition]:
                if event.feed.conflates:
                    latest[event.key] = event
                else:
                    yield event
        yield from sorted(latest.values(), key=lambda event: event.offset)

    to = subscriber("orders", "positions")
    seen: list[Message] = []
    for _ in range(300):
        to.offer(happen(chance.choice([channels.ORDERS, channels.POSITIONS])))
        if chance.random() < 0.2:
            messages = to.drain(reached())
            cut = chance.randrange(len(messages) + 1) if chance.random() < 0.5 else len(messages)
            seen += messages[:cut]
            if cut < len(messages):
                since = offsets(seen[-1]) if seen else {"orders": [0, 0], "positions": [0, 0]}
                to = subscriber("orders", "positions", limit=1000)
                for name, numbers in since.items():
                    to.position.place(name, numbers)
                for event in missed(since):
                    to.offer(event)
    seen += to.drain(reached())

    orders = [message.data for message in seen if message.event == "orders"]
    assert sorted(orders) == sorted(event.json for event in log if event.feed is channels.ORDERS)
    latest: dict[str, int] = {}
    for message in seen:
        if message.event == "positions":
            position = msgspec.json.decode(message.data)
            assert position["at"] > latest.get(position["symbol"], -1)
            latest[position["symbol"]] = position["at"]
    assert latest == {event.symbol: event.number for event in log if event.feed is channels.POSITIONS}


def test_the_directory_knows_who_is_interested() -> None:
    directory = Directory()
    mine, others, admin = subscriber("orders"), subscriber("orders", accounts=frozenset({"x"})), subscriber(
        "orders", "book:AAPL", accounts=None
    )  # fmt: skip
    for each in (mine, others, admin):
        directory.add(each)
    assert set(directory.interested(of_order(0))) == {mine, admin}
    assert set(directory.interested(record(channels.BOOK, 0))) == {admin}
    assert not directory.interested(record(channels.BOOK, 0, symbol="MSFT"))
    for each in (mine, others, admin):
        directory.remove(each)
    assert not directory.interested(of_order(0))
    assert directory.subscribers == set()
