"""The publisher and the Kafka door, on a real broker: every event once, in order, whatever was stopped when."""

from __future__ import annotations

import itertools
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest
from confluent_kafka import Consumer, KafkaError, Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from engine.messages import (
    Account,
    Book,
    CancelAll,
    DeadLetter,
    Fill,
    Instrument,
    Kill,
    NewOrder,
    OrderEvent,
    Print,
    SequencedCommand,
    SetPhase,
    Trade,
)
from engine.publisher import Publisher
from engine.topics import (
    ACCOUNTS,
    BOOKS,
    COMMANDS,
    DEAD_LETTERS,
    FILLS,
    INSTRUMENTS,
    ORDER_EVENTS,
    ORDERS,
    TOPICS,
    TRADES,
)
from engine.traces import of_headers, traceparent
from infra.kafka import create_topics
from streams.consumer import read_to_end
from tests.engine.doors import define, logged_in, open_engine
from tests.engine.sequences import MAX_ORDERS, orders, running
from tests.engine.sequences import define as define_all

pytestmark = pytest.mark.integration


@pytest.fixture
def bootstrap(kafka: str) -> Iterator[str]:
    """The broker with fresh topics of the system; what another test left in them is gone."""
    delete_topics(kafka)
    create_topics(kafka, 3, 1)
    yield kafka
    delete_topics(kafka)


def delete_topics(bootstrap: str) -> None:
    admin = AdminClient({"bootstrap.servers": bootstrap})
    existing = set(admin.list_topics(timeout=10).topics) & {topic.name for topic in TOPICS}
    if not existing:
        return
    for future in admin.delete_topics(sorted(existing), operation_timeout=20).values():
        future.result()
    wait_until(lambda: not set(admin.list_topics(timeout=5).topics) & {topic.name for topic in TOPICS})


def wait_until(condition: Callable[[], Any], seconds: float = 60.0) -> Any:
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, "what was waited for did not happen"
        time.sleep(0.05)
    return found


@contextmanager
def publishing(journal: Path, bootstrap: str, max_orders: int = 10_000) -> Iterator[None]:
    """A publisher that has caught up, in a thread; stopped at the end, abruptly as far as a thread can be."""
    publisher = Publisher(journal, bootstrap, max_orders)
    caught_up = threading.Event()
    thread = threading.Thread(target=publisher.run, args=(caught_up.set,))
    thread.start()
    try:
        assert caught_up.wait(60)
        yield
    finally:
        publisher.stopped.set()
        thread.join()


def read_all(bootstrap: str, topic: str, kind: Any) -> dict[int, list[Any]]:
    """Every record of a topic by partition, in order."""
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "test", "enable.partition.eof": True})
    numbers = list(consumer.list_topics(topic, timeout=10).topics[topic].partitions)
    consumer.assign([TopicPartition(topic, number, 0) for number in numbers])
    records: dict[int, list[Any]] = defaultdict(list)
    ended = 0
    while ended < len(numbers):
        message = consumer.poll(10)
        assert message is not None
        error = message.error()
        if error is not None:
            assert error.code() == KafkaError._PARTITION_EOF
            ended += 1
            continue
        records[message.partition() or 0].append(msgspec.json.decode(message.value() or b"", type=kind))
    consumer.close()
    return records


def check_traces(bootstrap: str) -> None:
    """Each record of an order carries its trace; what everybody sees carries none."""
    for topic in (ORDER_EVENTS, FILLS, TRADES, COMMANDS):
        counts = {(topic.name, number): None for number in range(1 if topic.single else 3)}
        for batch in read_to_end(bootstrap, counts):
            for message in batch:
                header = of_headers(message.headers()).decode()
                if topic in (ORDER_EVENTS, FILLS):
                    record = msgspec.json.decode(message.value() or b"", type=topic.record)
                    assert header == traceparent(record.account, record.client_order_id)
                else:
                    assert header == ""


def limit(side: str, quantity: int, price: int, account: str, **more: Any) -> NewOrder:
    return NewOrder(
        account=account, symbol="AAPL", side=side, quantity=Decimal(quantity), limit_price=Decimal(price), **more
    )


def flat(records: dict[int, list[Any]]) -> list[Any]:
    return [record for partition in records.values() for record in partition]


def test_every_event_once_across_restarts(tmp_path: Path, bootstrap: str) -> None:
    orders = 0
    with open_engine(tmp_path, bootstrap=bootstrap) as (server, address), logged_in(address) as client:
        define(client, "demo", "other")
        for _ in range(3):
            with publishing(tmp_path, bootstrap):
                for k in range(100):
                    client.submit(
                        [limit("buy", 1 + k % 4, 190 - k % 3, "demo"), limit("sell", 1 + k % 3, 189 + k % 2, "other")]
                    )
                    orders += 2
                if orders == 400:
                    client.submit([CancelAll(account="demo")])
        client.administer(Print(symbol="AAPL", price=Decimal(190), quantity=Decimal(7)))
        last = server._core.last_seq
        with publishing(tmp_path, bootstrap):
            wait_until(lambda: len(flat(read_all(bootstrap, COMMANDS.name, SequencedCommand))) >= last)
    commands = flat(read_all(bootstrap, COMMANDS.name, SequencedCommand))
    assert [command.seq for command in commands] == list(range(1, last + 1))
    events = flat(read_all(bootstrap, ORDER_EVENTS.name, OrderEvent))
    places = [(event.seq, event.index) for event in events]
    assert places == sorted(set(places))
    assert sum(event.exec_type == "new" for event in events) == orders
    fills = flat(read_all(bootstrap, FILLS.name, Fill))
    assert [fill.fill_id for fill in fills] == [event.exec_id for event in events if event.exec_type == "trade"]
    trades = flat(read_all(bootstrap, TRADES.name, Trade))
    check_traces(bootstrap)
    assert len(fills) == 2 * sum(not trade.hidden for trade in trades)
    assert [trade.quantity for trade in trades if trade.hidden] == ["7"]
    bought = sum(Decimal(fill.quantity) for fill in fills if fill.side == "buy")
    assert bought == sum(Decimal(fill.quantity) for fill in fills if fill.side == "sell")
    assert len(flat(read_all(bootstrap, INSTRUMENTS.name, Any))) == 1


def test_it_goes_on_from_a_snapshot_and_says_what_is_committed(
    tmp_path: Path, bootstrap: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The rest is published once; after Kafka has lost everything, all of it again."""
    with running(tmp_path) as sequencer:
        define_all(sequencer)
        sequencer.submit(orders(1, 500))
        with publishing(tmp_path, bootstrap, MAX_ORDERS):
            wait_until(lambda: sequencer.committed == sequencer.last_seq)
        assert sequencer.unpublished_bytes == 0
        sequencer.submit(orders(2, 100))
        assert sequencer.committed == 503
        sequencer.snapshot(wait=True)
        with publishing(tmp_path, bootstrap, MAX_ORDERS):
            wait_until(lambda: sequencer.committed == sequencer.last_seq)
        sequencer.submit(orders(3, 100))
        last = sequencer.last_seq
        caplog.set_level("INFO")
        caplog.clear()
        with publishing(tmp_path, bootstrap, MAX_ORDERS):
            wait_until(lambda: sequencer.committed == last)
        assert "took the state at command 603 from" in caplog.text
        bids, _ = sequencer.core.depth(1, 1)
    commands = flat(read_all(bootstrap, COMMANDS.name, SequencedCommand))
    assert [command.seq for command in commands] == list(range(1, last + 1))
    events = flat(read_all(bootstrap, ORDER_EVENTS.name, OrderEvent))
    places = [(event.seq, event.index) for event in events]
    assert places == sorted(set(places))
    book = flat(read_all(bootstrap, BOOKS.name, Book))[-1]
    assert (book.seq, Decimal(book.bids[0][1])) == (last, int(bids[0][1]))
    delete_topics(bootstrap)
    create_topics(bootstrap, 3, 1)
    with publishing(tmp_path, bootstrap, MAX_ORDERS):
        wait_until(lambda: len(flat(read_all(bootstrap, COMMANDS.name, SequencedCommand))) == last)
    again = flat(read_all(bootstrap, ORDER_EVENTS.name, OrderEvent))
    assert sorted(again, key=lambda e: (e.seq, e.index)) == events


def test_ids_carry_the_epoch_of_their_command(tmp_path: Path, bootstrap: str) -> None:
    with running(tmp_path) as sequencer:
        define_all(sequencer)
        sequencer.submit(orders(1, 10))
    with running(tmp_path, epoch=3) as sequencer:
        sequencer.submit(orders(2, 10))
        last = sequencer.last_seq
        with publishing(tmp_path, bootstrap, MAX_ORDERS):
            wait_until(lambda: sequencer.committed == last)
    events = flat(read_all(bootstrap, ORDER_EVENTS.name, OrderEvent))
    assert {event.exec_id for event in events} == {
        f"0.{1 if event.seq <= 13 else 3}.{event.seq}.{event.index}" for event in events
    }
    assert max(event.seq for event in events) > 13


def test_the_log_of_another_run_is_not_taken_for_this_one(tmp_path: Path, bootstrap: str) -> None:
    """Both end at the same command: the time of the last one tells them apart."""
    with running(tmp_path / "published") as sequencer:
        define_all(sequencer)
        sequencer.submit(orders(1, 10))
        with publishing(tmp_path / "published", bootstrap, MAX_ORDERS):
            wait_until(lambda: sequencer.committed == 13)
    before = len(flat(read_all(bootstrap, ORDER_EVENTS.name, OrderEvent)))
    with running(tmp_path / "another") as sequencer:
        sequencer._clock = itertools.count(10**18).__next__
        define_all(sequencer)
        sequencer.submit(orders(1, 20))
    with running(tmp_path / "shorter") as sequencer:
        define_all(sequencer)
    for name, complaint in (
        ("another", "Kafka's command 13 is of .* restore the journal that was published"),
        ("shorter", "Kafka holds events up to command 13, the journal in .* ends before it"),
    ):
        with pytest.raises(RuntimeError, match=complaint):
            Publisher(tmp_path / name, bootstrap, MAX_ORDERS).run(lambda: None)
    assert len(flat(read_all(bootstrap, ORDER_EVENTS.name, OrderEvent))) == before


def test_odd_commands_are_published_too(tmp_path: Path, bootstrap: str) -> None:
    """An instrument number that was never given, an `orders` record with a field of 600 kB: the publisher goes on."""
    odd = orders(1, 4)
    odd["type"], odd["instrument"] = [1, 4, 1, 4], [77, 77, 0, 4_000_000_000]
    long = b'{"type":"new","account":"ann","symbol":"%s","side":"buy","quantity":"1"}' % (b"X" * 600_000)
    producer = Producer({"bootstrap.servers": bootstrap})
    producer.produce(ORDERS.name, long, b"k")
    producer.flush(10)
    with open_engine(tmp_path, bootstrap=bootstrap) as (server, address):
        with logged_in(address) as client:
            define(client, "ann")
        wait_until(lambda: server._core.last_seq >= 3)
    with running(tmp_path, room=10_000) as sequencer:
        sequencer.submit(odd)
        last = sequencer.last_seq
        with publishing(tmp_path, bootstrap):
            wait_until(lambda: sequencer.committed == last)
    commands = flat(read_all(bootstrap, COMMANDS.name, SequencedCommand))
    assert [command.seq for command in commands] == list(range(1, last + 1))
    rejected = [e for e in flat(read_all(bootstrap, ORDER_EVENTS.name, OrderEvent)) if e.exec_type == "rejected"]
    assert {event.reason for event in rejected} >= {"unknown_symbol"}
    assert all(len(event.symbol) < 1000 for event in rejected)


def test_an_auction_and_the_kill_switch(tmp_path: Path, bootstrap: str) -> None:
    """Reports of administrative commands are published like any, and so are accounts and phases that they change."""
    with open_engine(tmp_path, bootstrap=bootstrap) as (server, address), logged_in(address) as client:
        define(client, "demo", "other")
        with publishing(tmp_path, bootstrap):
            client.administer(SetPhase(symbol="AAPL", phase="opening_auction"))
            client.submit([limit("buy", 5, 190, "demo"), limit("sell", 3, 189, "other")])
            wait_until(lambda: (book := latest_book(bootstrap)) and book.indicative_quantity == "3")
            client.administer(SetPhase(symbol="AAPL", phase="continuous"))
            client.administer(Kill(account="demo"))
            last = server._core.last_seq
            wait_until(lambda: len(flat(read_all(bootstrap, COMMANDS.name, SequencedCommand))) >= last)
            wait_until(lambda: (book := latest_book(bootstrap)) and not book.bids)
    events = flat(read_all(bootstrap, ORDER_EVENTS.name, OrderEvent))
    assert [(event.seq - last, event.index, event.exec_type, event.account, event.reason) for event in events] == [
        (-3, 0, "new", "demo", None),
        (-2, 0, "new", "other", None),
        (-1, 0, "trade", "demo", None),
        (-1, 1, "trade", "other", None),
        (0, 0, "canceled", "demo", "kill_switch"),
    ]
    fills = flat(read_all(bootstrap, FILLS.name, Fill))
    assert [(fill.account, fill.liquidity, fill.quantity) for fill in fills] == [
        ("demo", "maker", "3"),
        ("other", "taker", "3"),
    ]
    trades = flat(read_all(bootstrap, TRADES.name, Trade))
    assert [(trade.trade_id, trade.aggressor_side) for trade in trades] == [(fills[0].trade_id, "sell")]
    phases = [instrument.phase for instrument in flat(read_all(bootstrap, INSTRUMENTS.name, Instrument))]
    assert phases == ["continuous", "opening_auction", "continuous"]
    killed = {account.account: account.killed for account in flat(read_all(bootstrap, ACCOUNTS.name, Account))}
    assert killed == {"demo": True, "other": False}
    book = latest_book(bootstrap)
    assert book is not None
    assert (book.bids, book.asks, book.phase, book.indicative_price) == ([], [], "continuous", None)


def latest_book(bootstrap: str) -> Book | None:
    found: list[Book] = flat(read_all(bootstrap, BOOKS.name, Book))
    return found[-1] if found else None


def test_orders_from_kafka(tmp_path: Path, bootstrap: str) -> None:
    good = {"type": "new", "account": "demo", "symbol": "AAPL", "side": "buy", "quantity": "3", "limit_price": "190"}
    records = [
        good | {"client_order_id": "k1"},
        good | {"client_order_id": "k1"},
        good | {"client_order_id": "k1", "quantity": "9"},
        good | {"client_order_id": "k2", "symbol": "ZZZ"},
        good | {"client_order_id": "k3", "limit_price": "-4"},
        good | {"client_order_id": "k4", "limit_price": "190.001"},
        good | {"client_order_id": "k5", "side": "sell", "quantity": "1"},
        {"type": "cancel", "account": "demo", "client_order_id": "k1"},
        {"type": "cancel", "account": "demo", "client_order_id": "nothing"},
    ]
    producer = Producer({"bootstrap.servers": bootstrap})
    with open_engine(tmp_path, bootstrap=bootstrap) as (server, address):
        with logged_in(address) as client:
            define(client, "demo")
        for record in records:
            producer.produce(ORDERS.name, msgspec.json.encode(record), b"AAPL")
        for rubbish in (
            b"not json",
            b"[1,2]",
            b'{"hello":"world"}',
            b"",
            b'{"type":"new","account":"d\xff"}',
            b"[" * 5000,
        ):
            producer.produce(ORDERS.name, rubbish, b"AAPL")
        producer.flush(10)
        with publishing(tmp_path, bootstrap):
            wait_until(lambda: len(flat(read_all(bootstrap, DEAD_LETTERS.name, DeadLetter))) == 6)
        last = server._core.last_seq
    with open_engine(tmp_path, bootstrap=bootstrap) as (server, _):
        producer.produce(ORDERS.name, msgspec.json.encode(good | {"client_order_id": "k6"}), b"AAPL")
        producer.flush(10)
        wait_until(lambda: server._core.last_seq > last)
        assert server._core.last_seq == last + 1, "records of before the restart were read again"
    events = sorted(flat(read_all(bootstrap, ORDER_EVENTS.name, OrderEvent)), key=lambda e: (e.seq, e.index))
    assert [(e.client_order_id, e.exec_type, e.reason, e.field) for e in events] == [
        ("k1", "new", None, None),
        ("k1", "rejected", "duplicate_client_order_id", "client_order_id"),
        ("k2", "rejected", "unknown_symbol", "symbol"),
        ("k3", "rejected", "invalid_price", "limit_price"),
        ("k4", "rejected", "price_increment", "limit_price"),
        ("k5", "new", None, None),
        ("k1", "trade", None, None),
        ("k5", "trade", None, None),
        ("k1", "canceled", None, None),
        ("nothing", "rejected", "unknown_order", "client_order_id"),
    ]
    reasons = [letter.reason for letter in flat(read_all(bootstrap, DEAD_LETTERS.name, DeadLetter))]
    assert reasons == ["malformed", "malformed", "missing_field", "malformed", "malformed", "malformed"]
