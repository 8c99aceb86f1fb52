"""Records that are let go before a store has them: told before, and never passed over."""

from __future__ import annotations

import logging
import threading

import pytest
import redis
from confluent_kafka import TopicPartition

from engine.topics import BOOKS, ORDER_EVENTS, PNL
from infra import kafka
from streams import metrics
from streams.consumer import LogReader, log_bounds
from streams.sinks.reach import Reach, unread
from streams.sinks.redis import RedisSink
from tests.streams import flow
from tests.streams.servers import wait_for

FILLS = ("fills", 0)


@pytest.mark.parametrize(
    ("cursor", "bounds", "part"),
    [
        pytest.param({FILLS: 0}, (0, 100), 0.0, id="nothing was ever let go"),
        pytest.param({}, (100, 200), 0.0, id="nothing is known of the store"),
        pytest.param({FILLS: 200}, (100, 200), 0.0, id="all is read"),
        pytest.param({FILLS: 150}, (100, 200), 0.5, id="half"),
        pytest.param({FILLS: 100}, (100, 200), 1.0, id="the next is lost"),
        pytest.param({FILLS: 50}, (100, 200), 1.0, id="some were"),
        pytest.param({FILLS: 200}, (200, 200), 0.0, id="all was let go, and read"),
    ],
)
def test_the_part_that_is_unread(cursor: dict[tuple[str, int], int], bounds: tuple[int, int], part: float) -> None:
    assert unread(cursor, {FILLS: bounds}) == {"fills": part}


def test_the_partition_counts_of_which_most_is_unread() -> None:
    other = ("fills", 1)
    assert unread({FILLS: 190, other: 170}, {FILLS: (100, 200), other: (100, 200)}) == {"fills": 0.3}


def let_go(bootstrap: str, topic: str, partition: int, before: int) -> None:
    admin = kafka.admin_client(bootstrap)
    for future in admin.delete_records([TopicPartition(topic, partition, before)]).values():
        future.result(30)


@pytest.mark.integration
def test_it_is_said_once_and_again_when_it_was_better(topics: str, caplog: pytest.LogCaptureFixture) -> None:
    records = [(PNL.name, "ann", record) for _, _, record in flow.order_events(40)]
    flow.produce(topics, records)
    [[number, end]] = [[number, high] for (_, number), (_, high) in log_bounds(topics, [PNL.name]).items() if high]
    let_go(topics, PNL.name, number, 10)
    read = 12
    stop = threading.Event()
    reader = LogReader(topics, (PNL.name,), name="reach", stop=stop, log=logging.getLogger(__name__))
    reach = Reach(topics, reader, "postgres", lambda: {(PNL.name, number): read}, stop)
    with caplog.at_level(logging.WARNING):
        for read in (12, 13, end, 15):
            reach.look()
            part = (end - read) / (end - 10)
            assert metrics.UNREAD.labels("postgres", PNL.name)._value.get() == pytest.approx(part)
    assert reader.lag == {PNL.name: end - read}, "while it does not read itself"
    reader.start({(PNL.name, number): read})
    while reader.read(100, 1.0):
        pass
    reach.look()
    assert reader.lag == {PNL.name: 0}, "its own figure"
    reader.close()
    said = [record.message for record in caplog.records]
    assert len(said) == 2
    assert said[0].startswith("postgres has not read ")
    assert said[0].endswith(" of what pnl holds, and the oldest is let go next")


@pytest.mark.integration
def test_redis_goes_on_behind_a_gap_with_what_it_has(
    topics: str, redis_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The topics could not fill it again."""
    url = redis_url.rsplit("/", 1)[0] + "/9"

    def sink_up_to(count: int) -> None:
        stop = threading.Event()
        thread = threading.Thread(target=RedisSink(topics, url, stop).run, args=(lambda: None,))
        thread.start()
        try:
            wait_for(lambda: sum(map(int, client.hvals("cursor:order-events"))) == count, "the sink")
        finally:
            stop.set()
            thread.join(30)

    def ends() -> dict[int, int]:
        return {number: high for (_, number), (_, high) in log_bounds(topics, [ORDER_EVENTS.name]).items()}

    with redis.Redis.from_url(url) as client:
        client.flushdb()
        try:
            flow.produce(topics, [(BOOKS.name, "AAPL", flow.Market(seed=1).book("AAPL", 1, 0)), *flow.order_events(30)])
            read = ends()
            sink_up_to(sum(read.values()))
            before = {key: client.get(key) for key in client.scan_iter("order:*")}
            flow.produce(topics, list(flow.order_events(30, first=5_000)))
            partition = max(read, key=lambda number: read[number])
            let_go(topics, ORDER_EVENTS.name, partition, read[partition] + 3)
            sink_up_to(sum(ends().values()))
            assert {key: client.get(key) for key in before} == before
            assert len(list(client.scan_iter("order:*"))) > len(before)
            assert client.get("book:AAPL") is not None
        finally:
            client.flushdb()
    said = [record.message for record in caplog.records if record.levelno == logging.ERROR]
    assert said == [f"3 records of order-events/{partition} were let go before redis had them"]
    assert metrics.LOST.labels("redis", ORDER_EVENTS.name)._value.get() == 3
