"""An order by each of the three ways shows everywhere, with the same numbers, and a bad one gets its error."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import httpx
import psycopg
import pytest
import redis
from confluent_kafka import Consumer, Producer, TopicPartition
from psycopg.rows import dict_row

from engine.client import Client
from engine.messages import DefineAccount, NewOrder
from tests.integration.waiting import wait_for
from tests.system import System

PRICE = "190.00"


class Tap:
    """Follows topics from where they ended when it was made."""

    def __init__(self, bootstrap: str, *topics: str) -> None:
        self._consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "tap", "enable.auto.commit": False})
        places = []
        for topic in topics:
            for number in self._consumer.list_topics(topic, timeout=10).topics[topic].partitions:
                _, end = self._consumer.get_watermark_offsets(TopicPartition(topic, number), timeout=10)
                places.append(TopicPartition(topic, number, end))
        self._consumer.assign(places)
        self._seen: list[tuple[str, dict[str, Any]]] = []

    def find(self, topic: str, **fields: Any) -> dict[str, Any]:
        """The record of the topic that has these fields, as soon as it is there."""

        def look() -> dict[str, Any] | None:
            message = self._consumer.poll(0.1)
            if message is not None and message.error() is None:
                self._seen.append((message.topic() or "", json.loads(message.value() or b"null")))
            for name, record in self._seen:
                if name == topic and all(record.get(field) == value for field, value in fields.items()):
                    return record
            return None

        found = wait_for(f"a record of {topic} with {fields}", look)
        assert found is not None
        return found

    def close(self) -> None:
        self._consumer.close()


@pytest.fixture
def tap(system: System) -> Iterator[Tap]:
    made = Tap(system.settings.bootstrap, "order-events", "fills", "positions", "dead-letters")
    yield made
    made.close()


@pytest.fixture(scope="module")
def account(system: System) -> str:
    """An account of this module's own, and one that offers it a thousand shares at PRICE."""
    name = f"ways-{uuid.uuid4().hex[:8]}"
    with Client(system.settings.zeromq, system.token(role="service")) as client:
        client.administer(DefineAccount(account=name, deposit=Decimal(1_000_000)))
        client.administer(DefineAccount(account=f"{name}-s", deposit=Decimal(1_000_000)))
        offer = NewOrder(
            account=f"{name}-s", symbol="AAPL", side="sell", quantity=Decimal(1000), limit_price=Decimal(PRICE)
        )
        assert client.submit([offer])[0].outcome == "accepted"
    return name


def by_rest(system: System, order: dict[str, Any]) -> dict[str, Any]:
    headers = {"Authorization": f"Bearer {system.token(order['account'])}"}
    body = {name: value for name, value in order.items() if name != "type"}
    answer: dict[str, Any] = httpx.post(f"{system.url}/api/order", json=body, headers=headers, timeout=20).json()
    return answer


def by_zeromq(system: System, order: dict[str, Any]) -> dict[str, Any]:
    with Client(system.settings.zeromq, system.token("nobody", order["account"])) as client:
        number = client.send(json.dumps(order).encode())
        answered, payload = client.receive()
        if b"log in first" in payload:
            client.connect()
            number = client.send(json.dumps(order).encode())
            answered, payload = client.receive()
        assert answered == number
        answer: dict[str, Any] = json.loads(payload)
        return answer


def by_kafka(system: System, order: dict[str, Any]) -> dict[str, Any]:
    events = Tap(system.settings.bootstrap, "order-events")
    producer = Producer({"bootstrap.servers": system.settings.bootstrap})
    producer.produce("orders", json.dumps(order).encode(), key=str(order.get("symbol")).encode())
    producer.flush(20)
    event = events.find("order-events", client_order_id=order["client_order_id"])
    events.close()
    return event


def resting(account: str) -> dict[str, Any]:
    """An order far below the market, with an id of its own."""
    return {
        "type": "new",
        "account": account,
        "client_order_id": uuid.uuid4().hex,
        "symbol": "AAPL",
        "side": "buy",
        "quantity": "1",
        "limit_price": "150.00",
    }


WAYS: list[Callable[[System, dict[str, Any]], dict[str, Any]]] = [by_rest, by_zeromq, by_kafka]


@pytest.mark.parametrize("way", WAYS)
def test_an_order_shows_everywhere_with_the_same_numbers(
    system: System, account: str, tap: Tap, way: Callable[[System, dict[str, Any]], dict[str, Any]]
) -> None:
    client_order_id = uuid.uuid4().hex
    headers = {"Authorization": f"Bearer {system.token(account)}"}
    stream = httpx.stream("GET", f"{system.url}/api/stream?topics=orders,fills,positions", headers=headers, timeout=60)
    with stream as events:
        lines = events.iter_lines()
        for line in lines:
            if line.startswith('data: {"topic":"positions"'):
                break
        way(
            system,
            {
                "type": "new",
                "account": account,
                "client_order_id": client_order_id,
                "symbol": "AAPL",
                "side": "buy",
                "quantity": "7",
                "limit_price": PRICE,
                "time_in_force": "ioc",
            },
        )
        streamed = from_stream(lines, client_order_id)

    fill = tap.find("fills", client_order_id=client_order_id)
    position = tap.find("positions", account=account, last_seq=fill["seq"])
    event = tap.find("order-events", client_order_id=client_order_id, order_status="filled")
    assert (fill["quantity"], fill["price"], fill["liquidity"], fill["side"]) == ("7", PRICE, "taker", "buy")
    assert (event["filled_quantity"], event["leaves_quantity"], event["average_price"]) == ("7", "0", PRICE)
    assert (position["average_price"], position["last_price"]) == (PRICE, PRICE)

    order_id = fill["order_id"]
    assert streamed["orders"]["filled_quantity"] == "7"
    assert streamed["fills"]["fill_id"] == fill["fill_id"]
    assert streamed["positions"]["quantity"] == position["quantity"]

    order = httpx.get(f"{system.url}/api/orders/{order_id}", headers=headers).json()
    assert (order["status"], order["filled_quantity"], order["average_price"]) == ("filled", "7", PRICE)
    executions = wait_for(
        "the execution in REST",
        lambda: [
            row
            for row in httpx.get(f"{system.url}/api/executions?account={account}", headers=headers).json()["executions"]
            if row["fill_id"] == fill["fill_id"]
        ],
    )
    assert executions[0]["fee"] == fill["fee"]
    positions = wait_for(
        "the position in REST",
        lambda: [
            row
            for row in httpx.get(f"{system.url}/api/positions?account={account}", headers=headers).json()["positions"]
            if row["last_seq"] >= position["last_seq"]
        ],
    )
    assert positions[0]["quantity"] == position["quantity"]

    with psycopg.connect(system.settings.dsn, autocommit=True, row_factory=dict_row) as database:
        row = wait_for(
            "the order's row",
            lambda: database.execute(
                "SELECT * FROM orders WHERE order_id = %s AND status = 'filled'", [order_id]
            ).fetchone(),
        )
        assert (row["client_order_id"], row["side"], row["filled_qty"], row["remaining_qty"]) == (
            client_order_id, "buy", Decimal(7), Decimal(0),
        )  # fmt: skip
        execution = wait_for(
            "the execution's row",
            lambda: database.execute("SELECT * FROM executions WHERE order_id = %s", [order_id]).fetchone(),
        )
        assert (execution["fill_price"], execution["fill_qty"], execution["ts_ns"]) == (
            Decimal(PRICE), Decimal(7), fill["ts_ns"],
        )  # fmt: skip

    with redis.Redis.from_url(system.settings.redis) as cache:
        kept = wait_for(
            "the order in Redis",
            lambda: (found := json.loads(cache.get(f"order:{order_id}") or "{}")).get("status") == "filled" and found,
        )
        assert kept["filled_quantity"] == "7"
        held = wait_for(
            "the position in Redis",
            lambda: (
                (found := json.loads(cache.get(f"position:{account}|AAPL") or "{}")).get("last_seq", 0)
                >= position["last_seq"]
                and found
            ),
        )
        assert (held["quantity"], held["fees"]) == (position["quantity"], position["fees"])


def from_stream(lines: Iterator[str], client_order_id: str) -> dict[str, dict[str, Any]]:
    """The filled order, its fill, and the position after it, as the stream tells them."""
    found: dict[str, dict[str, Any]] = {}
    position: dict[str, Any] = {}
    topic = ""
    deadline = time.monotonic() + 60
    for line in lines:
        assert time.monotonic() < deadline, f"the stream gave only {list(found)}"
        if line.startswith("event: "):
            topic = line.removeprefix("event: ")
        elif line.startswith("data: "):
            record = json.loads(line.removeprefix("data: "))
            if (
                topic == "orders" and record["client_order_id"] == client_order_id and record["status"] == "filled"
            ) or (topic == "fills" and record["client_order_id"] == client_order_id):
                found[topic] = record
            elif topic == "positions":
                position = record  # it may come before the fill: the stream's topics have no order among each other
            if "fills" in found and position.get("last_seq", 0) >= found["fills"]["seq"]:
                found["positions"] = position
        if len(found) == 3:
            return found
    raise AssertionError(f"the stream ended after {list(found)}")


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    ("change", "field", "reason"),
    [
        ({"symbol": "ZZZZ"}, "symbol", "unknown_symbol"),
        ({"limit_price": "-1"}, "limit_price", "invalid_price"),
        ({"limit_price": "190.005"}, "limit_price", "price_increment"),
        ({"quantity": "0"}, "quantity", "invalid_quantity"),
        ({"side": "long"}, "side", "invalid_field"),
    ],
)
def test_a_bad_order_is_told_its_field(
    system: System,
    account: str,
    way: Callable[[System, dict[str, Any]], dict[str, Any]],
    change: dict[str, str],
    field: str,
    reason: str,
) -> None:
    order = resting(account)
    answer = way(system, order | change)
    assert (answer["field"], answer["reason"]) == (field, reason)


@pytest.mark.parametrize("way", WAYS)
def test_the_same_id_with_another_content_is_refused(
    system: System, account: str, tap: Tap, way: Callable[[System, dict[str, Any]], dict[str, Any]]
) -> None:
    order = resting(account)
    way(system, order)
    way(system, order | {"quantity": "2"})
    event = tap.find("order-events", client_order_id=order["client_order_id"], exec_type="rejected")
    assert (event["field"], event["reason"]) == ("client_order_id", "duplicate_client_order_id")


def test_unreadable_records_land_in_dead_letters(system: System, tap: Tap) -> None:
    mark = uuid.uuid4().hex
    producer = Producer({"bootstrap.servers": system.settings.bootstrap})
    producer.produce("orders", f"not json {mark}".encode(), key=mark.encode())
    producer.flush(20)
    letter = tap.find("dead-letters", key=mark)
    assert (letter["topic"], letter["reason"]) == ("orders", "malformed")


def test_a_wrong_token_is_refused_everywhere(system: System, account: str) -> None:
    wrong = system.token(account)[:-3] + "abc"
    answer = httpx.get(f"{system.url}/api/orders", headers={"Authorization": f"Bearer {wrong}"})
    assert (answer.status_code, answer.json()["field"]) == (401, "token")
    client = Client(system.settings.zeromq, wrong)
    with pytest.raises(ValueError, match="token"):
        client.connect()
    client.close()
