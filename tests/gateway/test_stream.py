"""Server-sent events: a snapshot, then every change, and a resume without a gap or a repeat."""

from __future__ import annotations

import threading
from itertools import pairwise
from typing import Any

import httpx
import msgspec
import pytest

from engine import topics
from engine.client import Client
from engine.messages import Fill, Order, OrderEvent, Trade
from gateway import hub as hub_module
from gateway import stream as stream_module
from gateway import subscription as subscription_module
from streams.consumer import read_to_end
from tests.gateway.conftest import define, numbers
from tests.gateway.events import ServerEvent, stream
from tests.gateway.running import LIMIT_S, Running, eventually, running
from tests.gateway.slow import flood, narrow
from tests.gateway.test_orders import place
from tests.system import System

pytestmark = pytest.mark.integration

PARTITIONS = 4


def in_kafka(system: System, topic: topics.Topic, kind: Any, account: str) -> list[Any]:
    """Every record of the account that the topic holds, in the order of the engine."""
    decoder = msgspec.json.Decoder(kind)
    starts: dict[tuple[str, int], int | None] = {(topic.name, number): None for number in range(PARTITIONS)}
    batches = read_to_end(system.settings.bootstrap, starts)
    found = [decoder.decode(message.value() or b"") for batch in batches for message in batch]
    return sorted((r for r in found if r.account == account), key=lambda record: (record.seq, record.index))


def place_of(event: ServerEvent) -> tuple[int, int]:
    data = event.data
    return (data["last_seq"], data["last_index"]) if event.event == "orders" else (data["seq"], data["index"])


def order_of(seen: list[ServerEvent], topic: str) -> list[tuple[int, int]]:
    return [place_of(event) for event in seen if event.event == topic]


def is_order(order_id: str, status: str) -> Any:
    return lambda event: (
        event.event == "orders" and event.data["order_id"] == order_id and event.data["status"] == status
    )


# -------------------------------------------------------------------------------------------- snapshot and changes


def test_a_snapshot_then_every_change(
    gateway: Running, trader: httpx.Client, counterparty: httpx.Client, account: str, symbol: str
) -> None:
    resting = place(trader, symbol, limit_price=190, client_order_id="before")
    eventually(lambda: resting["order_id"] in gateway.gateway.hub.state.orders)
    eventually(lambda: trader.get(f"/api/book/{symbol}").json()["bids"])
    wanted = ["orders", "fills", "positions", "pnl", f"book:{symbol}", f"trades:{symbol}"]
    with stream(trader, *wanted) as events:
        assert events.answer.headers["content-type"].startswith("text/event-stream")
        assert events.answer.headers["cache-control"] == "no-store"
        shown = events.snapshots(len(wanted))
        assert list(shown) == wanted
        assert [order["client_order_id"] for order in shown["orders"]] == ["before"]
        assert set(shown["orders"][0]) == {*Order.__struct_fields__}
        assert shown["fills"] == shown["positions"] == shown[f"trades:{symbol}"] == []
        (book,) = shown[f"book:{symbol}"]
        assert book["bids"] == [["190.00", "10", 1]]
        assert isinstance(book["ts_ns"], str)

        place(counterparty, symbol, side="sell", quantity=4, limit_price=190)
        needed = {"orders", "fills", "positions", "pnl", f"book:{symbol}", f"trades:{symbol}"}
        seen: list[ServerEvent] = []
        for event in events:
            seen.append(event)
            if event.event != "pnl" or symbol in event.data["marks"]:
                needed.discard(event.event)
            if not needed:
                break
    by_name = {event.event: event.data for event in seen}
    assert (by_name["orders"]["order_id"], by_name["orders"]["filled_quantity"]) == (resting["order_id"], "4")
    assert set(by_name["fills"]) == {*Fill.__struct_fields__}
    assert (by_name["fills"]["account"], by_name["fills"]["liquidity"]) == (account, "maker")
    assert set(by_name[f"trades:{symbol}"]) == {*Trade.__struct_fields__}
    assert by_name["positions"]["quantity"] == "4"
    assert by_name[f"book:{symbol}"]["bids"] == [["190.00", "6", 1]]
    assert {event.data["account"] for event in seen if "account" in event.data} == {account}


def test_an_admin_sees_every_account(gateway: Running, trader: httpx.Client, account: str, symbol: str) -> None:
    with gateway.client("*", role="admin") as admin, stream(admin, "orders") as events:
        events.snapshots(1)
        placed = place(trader, symbol)
        assert events.until(is_order(placed["order_id"], "new"))[-1].data["account"] == account


def test_a_snapshot_reaches_further_back_than_memory(
    system: System,
    trader: httpx.Client,
    counterparty: httpx.Client,
    account: str,
    symbol: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for _ in range(3):
        place(counterparty, symbol, side="sell", quantity=1)
        place(trader, symbol, quantity=1)
    eventually(lambda: len(trader.get("/api/positions").json()["positions"]) == 1)
    monkeypatch.setattr(hub_module, "RECENT_RECORDS", 1)
    with running(system) as gateway, gateway.wait_ready().client(account) as reader:
        assert len(gateway.gateway.hub.state.recent_fills([account])) < 3
        with stream(reader, "fills", f"trades:{symbol}") as events:
            shown = events.snapshots(2)
    seqs = [fill["seq"] for fill in shown["fills"]]
    assert len(seqs) == 3
    assert seqs == sorted(seqs)
    assert [trade["seq"] for trade in shown[f"trades:{symbol}"]] == seqs
    assert set(shown["fills"][0]) == {*Fill.__struct_fields__}


def test_a_snapshot_of_a_symbol_that_nobody_knows_is_empty(trader: httpx.Client) -> None:
    with stream(trader, "book:NOPE", "trades:NOPE") as events:
        assert events.snapshots(2) == {"book:NOPE": [], "trades:NOPE": []}


@pytest.mark.parametrize(
    ("query", "headers", "status", "field"),
    [
        ("", {}, 422, "topics"),
        ("topics=", {}, 422, "topics"),
        ("topics=everything", {}, 422, "topics"),
        ("topics=book", {}, 422, "topics"),
        ("topics=orders&from=0", {}, 422, "from"),
        ("topics=orders", {"Last-Event-ID": "7"}, 422, "Last-Event-ID"),
        ("topics=orders", {"Last-Event-ID": "00000000~q1"}, 422, "Last-Event-ID"),
    ],
)
def test_streams_that_are_refused(
    trader: httpx.Client, query: str, headers: dict[str, str], status: int, field: str
) -> None:
    refused = trader.get(f"/api/stream?{query}", headers=headers)
    assert (refused.status_code, refused.json()["field"]) == (status, field)


def test_a_quiet_stream_has_a_heartbeat_that_moves_on(
    trader: httpx.Client, counterparty: httpx.Client, symbol: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Others' records go by: the position moves with them, so that a resume does not read them again."""
    monkeypatch.setattr(subscription_module, "HEARTBEAT_S", 0.05)
    with stream(trader, "orders") as events:
        events.snapshots(1)
        before = events.last_id
        place(counterparty, symbol)
        eventually(lambda: events.heartbeat() != before)
        last_id = events.last_id
    placed = place(trader, symbol)
    with stream(trader, "orders", last_id=last_id) as events:
        assert next(iter(events)).data["order_id"] == placed["order_id"]


# ----------------------------------------------------------------------------------------------------------- resume


def test_resume_has_no_gap_and_nothing_twice(
    system: System, engine: Client, trader: httpx.Client, counterparty: httpx.Client, account: str
) -> None:
    """Ten connections, each cut after a few events while orders go on, over symbols of several partitions."""
    symbols = [define(engine, f"GW{next(numbers)}") for _ in range(6)]
    seen: list[ServerEvent] = []
    last_id = ""
    placed: dict[str, Any] = {}
    for turn in range(10):
        with stream(trader, "orders", "fills", last_id=last_id) as events:
            if turn == 0:
                assert events.snapshots(2) == {"orders": [], "fills": []}
            for number, symbol in enumerate(symbols):
                place(counterparty, symbol, side="sell", quantity=3, limit_price=100 + turn)
                placed = place(trader, symbol, quantity=5, limit_price=100 + turn)
                if number % 2:
                    trader.delete(f"/api/orders/{placed['order_id']}")
            cut = 1 + turn * 3 % 7
            for event in events:
                seen.append(event)
                cut -= 1
                if cut == 0:
                    break
            last_id = events.last_id
    # Of each order: its entry, its trade, and of every second one its cancel.
    reports, fills = 10 * 15, 10 * 6
    with stream(trader, "orders", "fills", last_id=last_id) as events:
        for event in events:
            seen.append(event)
            if len(order_of(seen, "orders")) >= reports and len(order_of(seen, "fills")) >= fills:
                break
    assert len(seen) == reports + fills
    for topic, kafka_topic, kind in (("orders", topics.ORDER_EVENTS, OrderEvent), ("fills", topics.FILLS, Fill)):
        records = in_kafka(system, kafka_topic, kind, account)
        assert sorted(order_of(seen, topic)) == [(record.seq, record.index) for record in records]
    for order_id in {event.data["order_id"] for event in seen if event.event == "orders"}:
        own = [place_of(e) for e in seen if e.event == "orders" and e.data["order_id"] == order_id]
        assert own == sorted(own)


def test_resume_across_a_restart_and_through_another_gateway(
    system: System, gateway: Running, account: str, other: str, symbol: str
) -> None:
    seen: list[ServerEvent] = []
    watched = ["orders", "fills", "positions", f"book:{symbol}", f"trades:{symbol}"]
    with running(system) as first, first.wait_ready().client(account) as trader:
        early = place(trader, symbol, limit_price=10, client_order_id="early")
        eventually(lambda: early["order_id"] in first.gateway.hub.state.orders)
        with stream(trader, *watched) as events:
            events.snapshots(len(watched))
            with first.client(other) as counterparty:
                place(counterparty, symbol, side="sell", quantity=7, limit_price=20)
            placed = place(trader, symbol, quantity=5, limit_price=20)
            seen += events.until(is_order(placed["order_id"], "filled"))
            last_id = events.last_id

    # The gateway is away, and things happen: through the other one, and to an order from before.
    with gateway.client(account) as trader:
        trader.delete(f"/api/orders/{early['order_id']}")
        for price in (11, 12, 13):
            placed = place(trader, symbol, limit_price=price)
            trader.delete(f"/api/orders/{placed['order_id']}")
        place(trader, symbol, quantity=2, limit_price=20)

    with (
        running(system) as second,
        second.wait_ready().client(account) as trader,
        stream(trader, *watched, last_id=last_id) as events,
    ):
        last = place(trader, symbol, limit_price=14)
        seen += events.until(is_order(last["order_id"], "new"))
        last_id = events.last_id
    with gateway.client(account) as trader, stream(trader, *watched, last_id=last_id) as events:
        trader.delete(f"/api/orders/{last['order_id']}")
        seen += events.until(is_order(last["order_id"], "canceled"))

    assert {event.event for event in seen} == set(watched)
    reports = in_kafka(system, topics.ORDER_EVENTS, OrderEvent, account)
    orders = order_of(seen, "orders")
    assert orders == [(report.seq, report.index) for report in reports][-len(orders) :]
    assert len(orders) == len(reports) - 1  # the first came before the stream
    assert order_of(seen, "fills") == [(fill.seq, fill.index) for fill in in_kafka(system, topics.FILLS, Fill, account)]
    for topic in ("positions", f"book:{symbol}"):
        stamps = [
            (e.data.get("last_seq", 0), e.data.get("last_index", 0), e.data.get("seq", 0))
            for e in seen
            if e.event == topic
        ]
        assert all(earlier < later for earlier, later in pairwise(stamps)), topic
    # An order made before the stream, and closed while no gateway of its own ran, keeps when it was made.
    canceled = next(e.data for e in seen if e.event == "orders" and e.data["order_id"] == early["order_id"])
    assert int(canceled["created_ns"]) == reports[0].ts_ns
    assert canceled["status"] == "canceled"


def test_another_subscription_begins_anew(trader: httpx.Client, symbol: str) -> None:
    with stream(trader, "orders") as events:
        events.snapshots(1)
        last_id = events.last_id
    with stream(trader, "orders", f"book:{symbol}", last_id=last_id) as events:
        assert list(events.snapshots(2)) == ["orders", f"book:{symbol}"]


def test_a_position_beyond_the_log_gets_a_snapshot(trader: httpx.Client, symbol: str) -> None:
    with stream(trader, "orders", "fills") as events:
        events.snapshots(2)
        covered = events.last_id.split("~")[0]
        place(trader, symbol)
        assert next(iter(events)).event == "orders"
    last_id = f"{covered}~offffff.0.0.0~f0.0.0.0"
    with stream(trader, "orders", "fills", last_id=last_id) as events:
        lines = iter(events)
        assert next(lines)[:2] == ("snapshot-required", {"topic": "orders"})
        shown = next(lines)
        assert (shown.event, shown.data["topic"], len(shown.data["records"])) == ("snapshot", "orders", 1)


# ------------------------------------------------------------------------------------------------------ slow clients


def test_a_client_that_reads_nothing_is_cut_off_and_another_is_not(
    gateway: Running,
    engine: Client,
    trader: httpx.Client,
    account: str,
    symbol: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(stream_module, "STALLED_S", 0.5)
    metrics = gateway.gateway.metrics

    def ended() -> float:
        return sum(float(metrics.ended.labels(reason)._value.get()) for reason in ("stalled", "slow_consumer"))

    before, connected = ended(), metrics.sse_clients._value.get()
    with narrow(gateway) as client:
        request = f"GET /api/stream?topics=orders HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {gateway.token(account)}"
        client.sendall(request.encode() + b"\r\n\r\n")
        eventually(lambda: metrics.sse_clients._value.get() == connected + 1)
        with stream(trader, "orders") as healthy:
            healthy.snapshots(1)
            seen: list[str] = []
            reading = threading.Thread(target=lambda: seen.extend(event.data.get("order_id") for event in healthy))
            reading.start()
            placed = flood(engine, account, symbol, while_=lambda: metrics.sse_clients._value.get() > connected + 1)
            assert ended() == before + 1
            eventually(lambda: len(seen) == len(placed))
            (subscriber,) = [s for s in gateway.gateway.hub.directory.subscribers if s.accounts == {account}]
            gateway.in_loop(subscriber.end, "shutdown")
            reading.join()
            assert seen[: len(placed)] == placed


def test_a_client_that_is_too_slow_is_told_why(
    gateway: Running, trader: httpx.Client, account: str, symbol: str
) -> None:
    with stream(trader, "orders") as events:
        events.snapshots(1)
        (subscriber,) = [s for s in gateway.gateway.hub.directory.subscribers if s.accounts == {account}]
        gateway.in_loop(subscriber.end, "slow_consumer")
        (last,) = list(events)
        assert (last.event, last.data["reason"]) == ("disconnect", "slow_consumer")
        assert "resume" in last.data["detail"]
        last_id = events.last_id
    placed = place(trader, symbol)
    with stream(trader, "orders", last_id=last_id) as events:
        assert next(iter(events)).data["order_id"] == placed["order_id"]


def test_a_gateway_that_stops_says_so(system: System, account: str) -> None:
    gateway = Running(system)
    try:
        with gateway.wait_ready().client(account) as trader, stream(trader, "orders") as events:
            events.snapshots(1)
            gateway._server.should_exit = True
            (last,) = list(events)
            assert (last.event, last.data["reason"]) == ("disconnect", "shutdown")
    finally:
        gateway.stop()


def test_a_stream_ends_with_its_token(gateway: Running, account: str) -> None:
    token = gateway.token(account, lifetime_s=2)
    headers = {"Authorization": f"Bearer {token}"}
    with httpx.Client(base_url=gateway.url, headers=headers, timeout=LIMIT_S) as client:
        with stream(client, "orders") as events:
            seen = list(events)
        assert [event.event for event in seen] == ["snapshot", "disconnect"]
        assert seen[-1].data["reason"] == "token_expired"
        again = client.get("/api/stream", params={"topics": "orders"}, headers={"Last-Event-ID": events.last_id})
        assert (again.status_code, again.json()["field"]) == (401, "token")
