"""The market-data PUB: numbers without gaps, conflated books, and what a late or slow subscriber can ask for."""

from __future__ import annotations

import asyncio
import time
from decimal import Decimal
from pathlib import Path

import msgspec
import numpy as np
import pytest

from engine.client import Client
from engine.layout import TRADE
from engine.market_data import KEPT_TRADES, Stream
from engine.messages import NewOrder, Print
from engine.subscriber import BOOKS, HEARTBEAT, TRADES, AsyncSubscriber, Message, Numbers, Subscriber
from tests.engine.doors import AAPL, define, free_address, logged_in, open_engine, until

A = msgspec.structs.replace(AAPL, symbol="A")


def limit(side: str, quantity: int, price: str, symbol: str = "AAPL", account: str = "demo") -> NewOrder:
    return NewOrder(account=account, symbol=symbol, side=side, quantity=Decimal(quantity), limit_price=Decimal(price))


def cross(client: Client, count: int, symbol: str = "AAPL") -> None:
    """So many trades of one share at 190.00."""
    client.submit([limit("sell", count, "190.00", symbol)])
    client.submit([limit("buy", 1, "190.00", symbol, "other") for _ in range(count)])


def messages(subscriber: Subscriber, stream: str, count: int) -> list[Message]:
    """The next so many messages of a stream."""
    found: list[Message] = []
    while len(found) < count:
        message = subscriber.receive(10.0)
        assert message is not None
        if message.stream == stream:
            found.append(message)
    return found


def wait_until_subscribed(subscriber: Subscriber) -> None:
    messages(subscriber, HEARTBEAT, 1)


def test_trades_are_numbered_for_each_symbol(tmp_path: Path) -> None:
    published = free_address()
    with open_engine(tmp_path, market_data=published) as (_, address), logged_in(address) as client:
        define(client, "demo", "other")
        client.administer(A)
        with Subscriber(published, trades=["AAPL"]) as subscriber:
            wait_until_subscribed(subscriber)
            cross(client, 2, "A")
            cross(client, 3)
            client.administer(Print(symbol="AAPL", price=Decimal("191.00"), quantity=Decimal(7)))
            first, printed = messages(subscriber, TRADES, 2)
            assert (first.symbol, first.first, first.records["quantity"].tolist()) == ("AAPL", 1, [1, 1, 1])
            assert set(first.records["aggressor_side"]) == {1}
            assert (printed.first, printed.records["price"].tolist()) == (4, [19100])
            assert not first.missed
            assert not printed.missed
        tape = client.trades("AAPL", 3)
        assert [(t.number, t.price, t.quantity, t.exec_type) for t in tape.trades] == [
            (3, "190.00", "1", "trade"),
            (4, "191.00", "7", "print"),
        ]
        assert client.trades("A", 99).trades == []


def test_a_book_comes_at_once_and_then_conflated(tmp_path: Path) -> None:
    published = free_address()
    with open_engine(tmp_path, market_data=published) as (_, address), logged_in(address) as client:
        define(client, "demo", "other")
        client.submit([limit("buy", 5, "189.00"), limit("buy", 2, "190.00"), limit("sell", 3, "191.00")])
        with Subscriber(published, books=["AAPL"]) as subscriber:
            [book] = messages(subscriber, BOOKS, 1)
            record = book.records[0]
            assert (int(record["bids"]), int(record["asks"])) == (2, 1)
            assert record["bid"][:2][["price", "quantity", "orders"]].tolist() == [(19000, 2, 1), (18900, 5, 1)]
            assert record["ask"][0]["price"] == 19100
            assert int(record["seq"]) == client.ping()
            for k in range(200):
                client.submit([limit("buy", 1, f"180.{k % 10}0")])
            last = client.ping()
            seen = [book]
            while int(seen[-1].records["seq"][0]) < last:
                seen += messages(subscriber, BOOKS, 1)
            assert len(seen) < 200
            assert [m.first for m in seen] == list(range(1, len(seen) + 1))
            assert not any(m.missed for m in seen)
        streams = client.market_data("AAPL")
        assert (streams.last_trade, streams.last_book) == (0, len(seen))
        assert streams.book.bids[0] == ("190.00", "2", 1)


def test_a_book_may_be_subscribed_to_before_there_is_an_instrument(tmp_path: Path) -> None:
    published = free_address()
    with open_engine(tmp_path, market_data=published) as (_, address), logged_in(address) as client:
        define(client, "demo")
        with Subscriber(published, books=["A"]) as subscriber:
            wait_until_subscribed(subscriber)
            client.submit([limit("buy", 1, "188.00")])
            client.administer(A)
            client.connect()  # for the directory with the new symbol
            [reply] = client.submit([limit("buy", 5, "190.00", "A")])
            [book] = messages(subscriber, BOOKS, 1)
            if int(book.records["seq"][0]) < reply.seq:  # the empty one, from the definition
                [book] = messages(subscriber, BOOKS, 1)
            assert (int(book.records["seq"][0]), int(book.records["bids"][0])) == (reply.seq, 1)
        told = client.market_data("A").book.ts_ns
        client.submit([limit("buy", 1, "188.00")])
        assert client.market_data("A").book.ts_ns == told > 0
        assert client.market_data("AAPL").book.ts_ns > told


def test_what_nobody_subscribed_to_is_numbered_all_the_same(tmp_path: Path) -> None:
    published = free_address()
    with open_engine(tmp_path, market_data=published) as (_, address), logged_in(address) as client:
        define(client, "demo", "other")
        cross(client, 5)
        with Subscriber(published, trades=["AAPL"]) as subscriber:
            wait_until_subscribed(subscriber)
            cross(client, 1)
            [message] = messages(subscriber, TRADES, 1)
            assert message.first == 6


def test_an_engine_started_anew_is_noticed(tmp_path: Path) -> None:
    published = free_address()
    with Subscriber(published, trades=["AAPL"]) as subscriber:
        with open_engine(tmp_path, market_data=published) as (_, address), logged_in(address) as client:
            define(client, "demo", "other")
            wait_until_subscribed(subscriber)
            cross(client, 1)
            assert not messages(subscriber, TRADES, 1)[0].missed
        until(lambda: subscriber.receive(0.0) is None)
        later = lambda: time.time_ns() + 5_000_000_000  # noqa: E731 - a start in another second
        with open_engine(tmp_path, market_data=published, clock_ns=later) as (_, address), logged_in(address) as client:
            wait_until_subscribed(subscriber)
            cross(client, 1)
            message = messages(subscriber, TRADES, 1)[0]
            assert (message.first, message.missed) == (1, True)


@pytest.mark.parametrize(
    ("seen", "missed"),
    [
        ([(7, 5, 2), (7, 7, 1)], [False, False]),
        ([(7, 5, 2), (7, 8, 1)], [False, True]),
        ([(7, 5, 2), (9, 7, 1)], [False, True]),
        ([(7, 5, 2), (7, 5, 2)], [False, True]),
    ],
)
def test_a_gap_is_noticed(seen: list[tuple[int, int, int]], missed: list[bool]) -> None:
    numbers = Numbers()
    assert [numbers.note("trades", "A", *message) for message in seen] == missed


def test_only_the_last_trades_are_kept() -> None:
    stream = Stream()
    for k in range(50):
        trades = np.zeros(77, TRADE)
        trades["seq"] = np.arange(77 * k, 77 * (k + 1))
        stream.keep(trades)
    kept = stream.last_trades()
    assert kept["seq"].tolist() == list(range(50 * 77 - KEPT_TRADES, 50 * 77))
    assert stream.kept_size < KEPT_TRADES + 77


def test_the_async_subscriber_reads_the_same(tmp_path: Path) -> None:
    published = free_address()

    async def first_message() -> Message | None:
        async with AsyncSubscriber(published, books=["AAPL"]) as subscriber:
            while True:
                message = await subscriber.receive(10.0)
                if message is None or message.stream == BOOKS:
                    return message

    with open_engine(tmp_path, market_data=published) as (_, address), logged_in(address) as client:
        define(client, "demo", "other")
        client.submit([limit("buy", 5, "189.00")])
        message = asyncio.run(first_message())
        assert message is not None
        assert message.records["bids"].tolist() == [1]
