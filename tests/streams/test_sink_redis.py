"""The Redis sink on a real Kafka and Redis: the latest of everything, and the whole of it again when Redis forgets."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
import redis

from engine import messages
from engine import topics as wire
from streams import orders
from streams.sinks import redis as sink_module
from streams.sinks.empty import empty_redis
from streams.sinks.redis import TOPICS, RedisSink
from streams.stores import read_redis
from streams.watcher import look_up_redis
from tests.streams import flow, servers
from tests.streams.servers import OurProcess, wait_for
from tests.streams.test_audit import keep_books

pytestmark = pytest.mark.integration


@pytest.fixture
def url(redis_url: str) -> Iterator[str]:
    """A database of Redis that is empty."""
    own = redis_url.rsplit("/", 1)[0] + "/9"
    with redis.Redis.from_url(own) as client:
        client.flushdb()
    yield own
    with redis.Redis.from_url(own) as client:
        client.flushdb()


@contextmanager
def running(bootstrap: str, url: str) -> Iterator[None]:
    stop = threading.Event()
    thread = threading.Thread(target=RedisSink(bootstrap, url, stop).run, args=(lambda: None,))
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(30)
        assert not thread.is_alive()


def stored(url: str) -> int:
    """Records that Redis has seen."""
    with redis.Redis.from_url(url) as client:
        return sum(int(offset) for topic in TOPICS for offset in client.hvals(f"cursor:{topic}"))


def is_caught_up(bootstrap: str, url: str) -> bool:
    written = {topic: count for topic, count in servers.counts(bootstrap, *TOPICS).items() if count}
    with redis.Redis.from_url(url) as client:
        stored = {topic: sum(map(int, client.hvals(f"cursor:{topic}"))) for topic in TOPICS}
    return {topic: count for topic, count in stored.items() if count} == written


def whole_day(seed: int, commands: int) -> list[flow.Record]:
    market = flow.Market(seed=seed)
    day = [*market.setup(), *market.commands(commands), *flow.order_events(commands)]
    books = keep_books(day)
    day += [("positions", f"{record.account}|{record.symbol}", record) for record in books["positions"]]
    return day + [("pnl", record.account, record) for record in books["pnl"]]


def expected(day: list[flow.Record]) -> dict[str, msgspec.Struct]:
    """Key → the message that Redis must hold."""
    latest: dict[str, msgspec.Struct] = {}
    states: dict[str, messages.Order | None] = {}
    for topic, _, record in day:
        if topic == "positions":
            latest[f"position:{record.account}|{record.symbol}"] = record
        elif topic == "pnl":
            latest[f"pnl:{record.account}"] = record
        elif topic == "books":
            latest[f"book:{record.symbol}"] = record
        elif topic == "order-events":
            states[record.order_id] = orders.fold(states.get(record.order_id), record)
    return latest | {f"order:{order_id}": order for order_id, order in states.items() if order is not None}


def check(url: str, day: list[flow.Record]) -> None:
    with redis.Redis.from_url(url, decode_responses=True) as client:
        wanted = expected(day)
        strings = {key for pattern in ("order:*", "position:*", "pnl:*", "book:*") for key in client.scan_iter(pattern)}
        assert strings == wanted.keys()
        for key, message in wanted.items():
            assert msgspec.json.decode(client.get(key), type=type(message)) == message, key
        accounts = {message.account for message in wanted.values() if isinstance(message, messages.Order)}
        for account in accounts:
            working = {
                order.order_id
                for order in wanted.values()
                if isinstance(order, messages.Order) and order.account == account and order.status == "new"
            }
            assert client.smembers(f"orders:working:{account}") == working
        held = {p.symbol for p in wanted.values() if isinstance(p, messages.Position) and p.account == "trader-1"}
        assert client.smembers("positions:trader-1") == held
        assert client.smembers("symbols") == set(flow.INSTRUMENTS)


def test_redis_holds_the_latest_of_each_key(topics: str, url: str) -> None:
    day = whole_day(1, 300)
    half = len(day) // 2
    with running(topics, url):
        flow.produce(topics, day[:half])
        wait_for(lambda: is_caught_up(topics, url), "the sink")
        flow.produce(topics, day[half:])
        wait_for(lambda: is_caught_up(topics, url), "the sink")
    check(url, day)


@pytest.mark.parametrize("together", [True, False], ids=["in one batch", "one by one"])
def test_an_older_position_that_comes_late_changes_nothing(topics: str, url: str, together: bool) -> None:
    day = whole_day(8, 100)
    positions = [record for record in day if record[0] == "positions"]
    late = positions[:3]
    with running(topics, url):
        for batch in [day + late] if together else [day, late]:
            flow.produce(topics, batch)
            wait_for(lambda: is_caught_up(topics, url), "the sink")
    check(url, day)


def test_closed_orders_expire_and_working_ones_stay(topics: str, url: str) -> None:
    flow.produce(topics, list(flow.order_events(2)))
    with running(topics, url):
        wait_for(lambda: is_caught_up(topics, url), "the sink")
    with redis.Redis.from_url(url) as client:
        assert client.ttl("order:1000") == -1
        assert 0 < client.ttl("order:1001") <= sink_module.CLOSED_S


def test_the_state_is_right_through_kills(topics: str, url: str, tmp_path: Path) -> None:
    day = whole_day(2, 1_000)
    flow.produce(topics, day)
    reached = 0
    for _ in range(3):
        with OurProcess("streams.sinks.redis", tmp_path / "sink.log", repr(topics), repr(url)) as process:
            process.wait_ready()
            wait_for(lambda least=reached: stored(url) >= least or is_caught_up(topics, url), "progress")
            process.kill()
        reached = stored(url) + 1
    with running(topics, url):
        wait_for(lambda: is_caught_up(topics, url), "the sink")
    check(url, day)


def test_an_emptied_redis_is_filled_again(topics: str, url: str) -> None:
    day = whole_day(3, 100)
    with running(topics, url), redis.Redis.from_url(url) as client:
        flow.produce(topics, day)
        wait_for(lambda: is_caught_up(topics, url), "the sink")
        client.flushdb()
        wait_for(lambda: is_caught_up(topics, url), "the sink")
        check(url, day)
        client.set("audit", "of another process")
        empty_redis(url)
        more = [(wire.BOOKS.name, "AAPL", flow.Market(seed=9).book("AAPL", 10**6, 0))]
        flow.produce(topics, more)
        wait_for(lambda: is_caught_up(topics, url), "the sink")
        check(url, day + more)
        assert client.get("audit") == b"of another process"


def test_a_redis_that_fell_back_is_brought_forward(topics: str, url: str) -> None:
    """As after a restart from an append-only file that had lost its last second."""
    day = list(flow.order_events(50))
    with running(topics, url), redis.Redis.from_url(url) as client:
        flow.produce(topics, day[:60])
        wait_for(lambda: is_caught_up(topics, url), "the sink")
        older = {key: client.dump(key) for key in client.scan_iter()}
        flow.produce(topics, day[60:])
        wait_for(lambda: is_caught_up(topics, url), "the sink")
        with client.pipeline(transaction=True) as pipeline:
            pipeline.flushdb()
            for key, value in older.items():
                pipeline.restore(key, 0, value)
            pipeline.execute()
        wait_for(lambda: is_caught_up(topics, url), "the sink")
    with redis.Redis.from_url(url, decode_responses=True) as client:
        for key, message in expected(day).items():
            assert msgspec.json.decode(client.get(key), type=messages.Order) == message


FOREIGN: dict[str, Callable[[Any, str], Any]] = {
    "a record that is none": lambda client, key: client.set(key, b'{"account":"ann"'),
    "a record of another type": lambda client, key: client.rpush(key, "x"),
    "a set that is text": lambda client, key: client.set(key, "x"),
    "a cursor that is text": lambda client, key: client.set(key, "x"),
    "a cursor that is no number": lambda client, key: client.hset(key, "0", "x"),
}


@pytest.mark.parametrize(
    ("what", "key"),
    [
        pytest.param(what, key, id=f"{what}: {key}")
        for what, key in (
            ("a record that is none", "position:trader-1|AAPL"),
            ("a record of another type", "position:trader-1|AAPL"),
            ("a record that is none", "pnl:trader-1"),
            ("a record of another type", "pnl:trader-1"),
            ("a set that is text", "orders:working:trader-1"),
            ("a set that is text", "positions:trader-1"),
            ("a set that is text", "symbols"),
            ("a cursor that is text", "cursor:order-events"),
            ("a cursor that is no number", "cursor:positions"),
        )
    ],
)
def test_what_others_put_in_the_place_of_ours_is_made_anew(topics: str, url: str, what: str, key: str) -> None:
    day = whole_day(6, 200)
    events = [record for record in day if record[0] == "order-events"]
    others = [record for record in day if record[0] != "order-events"]
    half = [*others[: len(others) // 2], *events[: len(events) // 2]]
    instruments = [record for record in day if record[0] == "instruments"]
    rest = [*others[len(others) // 2 :], *instruments, *events[len(events) // 2 :]]
    with running(topics, url), redis.Redis.from_url(url) as client:
        flow.produce(topics, half)
        wait_for(lambda: is_caught_up(topics, url), "the sink")
        client.unlink(key)
        FOREIGN[what](client, key)
        flow.produce(topics, rest)
        wait_for(lambda: is_caught_up(topics, url), "the sink")
    check(url, day)


@pytest.mark.parametrize("what", ["a record that is none", "a record of another type"])
def test_an_order_that_is_none_is_written_over_by_its_next_report(topics: str, url: str, what: str) -> None:
    """All but what only the first report says of it."""
    day = [record for record in flow.order_events(3) if record[2].order_id == "1002"]
    with running(topics, url), redis.Redis.from_url(url) as client:
        flow.produce(topics, day[:1])
        wait_for(lambda: is_caught_up(topics, url), "the sink")
        [key] = client.scan_iter("order:*")
        client.unlink(key)
        FOREIGN[what](client, key)
        flow.produce(topics, day[1:])
        wait_for(lambda: is_caught_up(topics, url), "the sink")
        found = msgspec.json.decode(client.get(key), type=messages.Order)
    wanted = expected(day)[key.decode()]
    assert isinstance(wanted, messages.Order)
    assert msgspec.structs.replace(found, created_ns=wanted.created_ns) == wanted


def test_redis_of_another_log_is_rebuilt(kafka: str, topics: str, url: str) -> None:
    with running(topics, url):
        flow.produce(topics, whole_day(4, 200))
        wait_for(lambda: is_caught_up(topics, url), "the sink")
    servers.fresh_topics(kafka)
    day = whole_day(5, 20)
    flow.produce(topics, day)
    with running(topics, url):
        wait_for(lambda: is_caught_up(topics, url), "the sink")
    check(url, day)


def test_an_audit_says_what_it_cannot_read(url: str) -> None:
    with redis.Redis.from_url(url) as client:
        client.set("position:ann|AAPL", b'{"account":"ann"')
        client.rpush("position:bob|AAPL", "x")
        looked = look_up_redis(client, [("position", "ann AAPL"), ("position", "bob AAPL")])
    kept = read_redis(url).kept["position"]
    assert set(kept["ann AAPL"]) == {"unreadable"} == set(looked.found["position", "ann AAPL"])
    assert set(kept["bob AAPL"]) == {"unreadable"}
    assert ("position", "bob AAPL") not in looked.found, "for MGET it is not there"


def test_what_an_audit_reads_is_of_one_moment(url: str) -> None:
    """While orders come in, of all that the cursor says to have been read each is there."""
    (event,) = [record for topic, _, record in flow.order_events(1) if topic == "order-events"][:1]
    order = orders.fold(None, event)
    assert order is not None
    stop = threading.Event()

    def write() -> None:
        with redis.Redis.from_url(url) as client:
            for number in range(20_000):
                if stop.is_set():
                    return
                with client.pipeline(transaction=True) as pipeline:
                    value = msgspec.structs.replace(order, order_id=str(number))
                    pipeline.set(f"order:{number}", msgspec.json.encode(value))
                    pipeline.hset("cursor:order-events", "0", number + 1)
                    pipeline.execute()

    writer = threading.Thread(target=write)
    writer.start()
    try:
        seen = 0
        while seen < 100:
            store = read_redis(url)
            seen = store.cursor.get(("order-events", 0), 0)
            assert len(store.kept["order"]) == seen
    finally:
        stop.set()
        writer.join(30)
