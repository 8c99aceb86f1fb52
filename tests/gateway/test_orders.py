"""Entering, replacing and canceling orders."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from engine.messages import Order
from engine.traces import traceparent
from tests.gateway.running import eventually

pytestmark = pytest.mark.integration

FIELDS = {*Order.__struct_fields__}


def body(traded: str, **changes: Any) -> dict[str, Any]:
    order = {"symbol": traded, "side": "buy", "quantity": "10", "limit_price": "190.00", **changes}
    return {name: value for name, value in order.items() if value is not None}


def place(client: httpx.Client, traded: str, **changes: Any) -> dict[str, Any]:
    answer = client.post("/api/order", json=body(traded, **changes))
    assert answer.status_code == 201, answer.text
    placed: dict[str, Any] = answer.json()
    return placed


def working(client: httpx.Client) -> list[str]:
    return [order["order_id"] for order in client.get("/api/orders", params={"status": "working"}).json()["orders"]]


def read_as_canceled(answer: dict[str, Any], canceled: Callable[[], bool]) -> None:
    """Whether whoever has this reply reads no older state, at once where the reply says so."""
    if answer["shown"]:
        assert canceled()
    else:
        eventually(canceled)


def test_an_order_rests(trader: httpx.Client, account: str, symbol: str) -> None:
    answer = trader.post("/api/order", json=body(symbol, client_order_id="first", strategy="mine"))
    assert answer.status_code == 201
    assert answer.headers["content-type"] == "application/json"
    reply = answer.json()
    assert answer.headers["location"] == f"/api/orders/{reply['order_id']}"
    assert (reply["outcome"], reply["order_status"], reply["durability"]) == ("accepted", "new", "journaled")
    assert (reply["account"], reply["client_order_id"]) == (account, "first")
    assert (reply["quantity"], reply["filled_quantity"], reply["leaves_quantity"]) == ("10", "0", "10")
    order = trader.get(answer.headers["location"]).json()
    assert set(order) == FIELDS
    assert (order["account"], order["symbol"], order["side"], order["strategy"]) == (account, symbol, "buy", "mine")
    assert (order["limit_price"], order["source"], order["status"]) == ("190.00", "rest", "new")
    assert isinstance(order["created_ns"], str)


def test_orders_meet(trader: httpx.Client, counterparty: httpx.Client, symbol: str) -> None:
    resting = place(counterparty, symbol, side="sell", quantity="6")
    taken = place(trader, symbol, time_in_force="ioc")
    assert (taken["order_status"], taken["filled_quantity"], taken["average_price"]) == ("canceled", "6", "190.00")
    eventually(lambda: trader.get(f"/api/orders/{taken['order_id']}").json()["reason"] == "no_liquidity")
    eventually(lambda: counterparty.get(f"/api/orders/{resting['order_id']}").json()["status"] == "filled")


@pytest.mark.parametrize("price", ["190.1", 190.1, "190.10"])
def test_prices_are_exact_however_they_are_written(trader: httpx.Client, symbol: str, price: str | float) -> None:
    placed = place(trader, symbol, limit_price=price)
    assert trader.get(f"/api/orders/{placed['order_id']}").json()["limit_price"] == "190.10"


def test_the_same_again_gets_the_first_outcome(trader: httpx.Client, symbol: str) -> None:
    first = place(trader, symbol, client_order_id="once")
    again = trader.post("/api/order", json=body(symbol, client_order_id="once"))
    assert again.status_code == 200
    assert (again.json()["outcome"], again.json()["order_id"]) == ("duplicate", first["order_id"])
    assert working(trader) == [first["order_id"]]


def test_the_same_id_with_another_content_is_refused(trader: httpx.Client, symbol: str) -> None:
    place(trader, symbol, client_order_id="once")
    other = trader.post("/api/order", json=body(symbol, client_order_id="once", quantity="11"))
    assert other.status_code == 409
    assert other.json()["reason"] == "duplicate_client_order_id"
    assert other.json()["field"] == "client_order_id"


NOT_READ = [
    # what is wrong, status, reason, field
    ({"symbol": None}, 422, "missing_field", "symbol"),
    ({"side": None}, 422, "missing_field", "side"),
    ({"quantity": None}, 422, "missing_field", "quantity"),
    ({"price": "190"}, 422, "invalid_field", "price"),
    ({"type": "cancel"}, 422, "invalid_field", "type"),
    ({"side": 1}, 422, "invalid_field", "side"),
    ({"quantity": "ten"}, 422, "invalid_field", "quantity"),
    ({"quantity": True}, 422, "invalid_field", "quantity"),
    ({"quantity": {"a": 1}}, 422, "invalid_field", "quantity"),
    ({"post_only": "yes"}, 422, "invalid_field", "post_only"),
    ({"symbol": "way too long a symbol"}, 422, "invalid_field", "symbol"),
    ({"client_order_id": "with space"}, 422, "invalid_field", "client_order_id"),
    ({"client_order_id": "x" * 49}, 422, "invalid_field", "client_order_id"),
    ({"client_order_id": ""}, 422, "invalid_field", "client_order_id"),
    ({"account": "no such account!"}, 422, "invalid_field", "account"),
]
NOT_TAKEN = [
    ({"symbol": "NOPE"}, 422, "unknown_symbol", "symbol"),
    ({"side": "hold"}, 422, "invalid_field", "side"),
    ({"order_type": "iceberg"}, 422, "invalid_field", "order_type"),
    ({"order_type": "stop", "stop_price": "180"}, 422, "invalid_field", "limit_price"),
    ({"time_in_force": "forever"}, 422, "invalid_field", "time_in_force"),
    ({"quantity": "0"}, 422, "invalid_quantity", "quantity"),
    ({"quantity": "-1"}, 422, "invalid_quantity", "quantity"),
    ({"quantity": "1.5"}, 422, "quantity_increment", "quantity"),
    ({"quantity": "1e30"}, 422, "invalid_field", "quantity"),
    ({"limit_price": "0"}, 422, "invalid_price", "limit_price"),
    ({"limit_price": "-190"}, 422, "invalid_price", "limit_price"),
    ({"limit_price": "190.001"}, 422, "price_increment", "limit_price"),
    ({"limit_price": "2000.01"}, 422, "price_band", "limit_price"),
    ({"limit_price": "0.99"}, 422, "price_band", "limit_price"),
    ({"limit_price": None}, 422, "missing_field", "limit_price"),
    ({"order_type": "market"}, 422, "invalid_field", "limit_price"),
]


@pytest.mark.parametrize(("changes", "status", "reason", "field"), NOT_READ + NOT_TAKEN)
def test_bad_orders_are_refused_by_field(
    trader: httpx.Client, symbol: str, changes: dict[str, Any], status: int, reason: str, field: str
) -> None:
    refused = trader.post("/api/order", json=body(symbol, **changes))
    problem = refused.json()
    assert (refused.status_code, problem["reason"], problem["field"]) == (status, reason, field), problem
    assert refused.headers["content-type"] == "application/problem+json"
    assert set(problem) >= {"type", "title", "status", "detail", "field", "reason"}
    assert problem["status"] == status
    assert field in problem["detail"]
    assert working(trader) == []


@pytest.mark.parametrize(
    ("content", "status", "reason", "field"),
    [
        (b"", 400, "malformed", "body"),
        (b"{", 400, "malformed", "body"),
        (b"price=190", 400, "malformed", "body"),
        (b'{"symbol":"\xff"}', 400, "malformed", "body"),
        (b'{"quantity":1e}', 400, "malformed", "body"),
        (b'{"symbol":"A","side":"buy","quantity":1,"quantity":2}', 400, "malformed", "quantity"),
        (b"[]", 422, "invalid_field", "body"),
        (b'"order"', 422, "invalid_field", "body"),
        (b"null", 422, "invalid_field", "body"),
        (b"[" * 10_000, 422, "invalid_field", "body"),
        (b" " * (64 * 1024 + 1), 413, "too_large", None),
    ],
)
def test_bodies_that_are_no_order(
    trader: httpx.Client, content: bytes, status: int, reason: str, field: str | None
) -> None:
    refused = trader.post("/api/order", content=content)
    problem = refused.json()
    assert (refused.status_code, problem["reason"], problem["field"]) == (status, reason, field), problem


def test_a_body_that_grows_too_large_on_the_way(trader: httpx.Client) -> None:
    chunks = (b" " * 1024 for _ in range(100))
    assert trader.post("/api/order", content=chunks).status_code == 413


def test_a_rejected_order_can_be_looked_up(trader: httpx.Client, symbol: str, account: str) -> None:
    """What the engine itself refuses has a number, and its problem says which."""
    place(trader, symbol, client_order_id="once")
    refused = trader.post("/api/order", json=body(symbol, client_order_id="once", side="sell")).json()
    assert refused["client_order_id"] == "once"
    assert refused["account"] == account
    assert int(refused["seq"]) > 0


def test_replace(trader: httpx.Client, symbol: str) -> None:
    placed = place(trader, symbol, client_order_id="mine")
    path = f"/api/orders/{placed['order_id']}"
    reply = trader.patch(path, json={"quantity": 4})
    assert reply.status_code == 200
    assert (reply.json()["quantity"], reply.json()["leaves_quantity"]) == ("4", "4")
    assert (reply.json()["order_id"], reply.json()["client_order_id"]) == (placed["order_id"], "mine")
    assert trader.get(path).json()["quantity"] == "4"
    assert trader.patch(path, json={"limit_price": "189.5"}).status_code == 200
    order = trader.get(path).json()
    assert (order["limit_price"], order["quantity"], order["status"]) == ("189.50", "4", "new")


@pytest.mark.parametrize(
    ("change", "status", "reason", "field"),
    [
        ({}, 422, "missing_field", "quantity"),
        ({"side": "sell"}, 422, "invalid_field", "side"),
        ({"quantity": 0}, 422, "invalid_quantity", "quantity"),
        ({"quantity": "0.5"}, 422, "quantity_increment", "quantity"),
        ({"limit_price": "1.001"}, 422, "price_increment", "limit_price"),
        ({"limit_price": 5000}, 422, "price_band", "limit_price"),
    ],
)
def test_replaces_that_are_refused(
    trader: httpx.Client, symbol: str, change: dict[str, Any], status: int, reason: str, field: str
) -> None:
    placed = place(trader, symbol)
    path = f"/api/orders/{placed['order_id']}"
    refused = trader.patch(path, json=change)
    problem = refused.json()
    assert (refused.status_code, problem["reason"], problem["field"]) == (status, reason, field), problem
    order = trader.get(path).json()
    assert (order["quantity"], order["limit_price"], order["status"]) == ("10", "190.00", "new")


def test_cancel(trader: httpx.Client, symbol: str) -> None:
    placed = place(trader, symbol)
    path = f"/api/orders/{placed['order_id']}"
    reply = trader.delete(path)
    assert (reply.status_code, reply.json()["order_status"], reply.json()["leaves_quantity"]) == (200, "canceled", "0")
    assert trader.get(path).json()["status"] == "canceled"
    again = trader.delete(path)
    assert (again.status_code, again.json()["reason"], again.json()["order_status"]) == (422, "too_late", "canceled")
    late = trader.patch(path, json={"quantity": 1})
    assert (late.status_code, late.json()["reason"]) == (422, "too_late")
    assert trader.get(path).json()["reason"] is None


@pytest.mark.parametrize("order_id", ["0", "999999999", "x", "-1", "1.5", "9223372036854775808", "9" * 30, "%00"])
def test_orders_that_are_not_there(trader: httpx.Client, order_id: str) -> None:
    path = f"/api/orders/{order_id}"
    for refused in (trader.get(path), trader.delete(path), trader.patch(path, json={"quantity": 1})):
        assert refused.status_code == 404
        assert (refused.json()["reason"], refused.json()["field"]) == ("unknown_order", "order_id")


def test_cancel_all(trader: httpx.Client, account: str, symbol: str) -> None:
    buys = [place(trader, symbol, limit_price=price)["order_id"] for price in (100, 101, 102)]
    sell = place(trader, symbol, side="sell", limit_price=300)["order_id"]
    assert working(trader) == [sell, *reversed(buys)]
    some = trader.delete("/api/orders", params={"side": "buy", "symbol": symbol})
    assert (some.status_code, some.json()["affected"], some.json()["account"]) == (207, 3, account)
    results = some.json()["orders"]
    assert [(result["status"], result["order_status"], result["reason"]) for result in results] == [
        (200, "canceled", None)
    ] * len(results)
    read_as_canceled(some.json(), lambda: working(trader) == [sell])
    assert trader.delete("/api/orders", params={"symbol": "AAPL"}).json()["affected"] == 0
    rest = trader.delete("/api/orders").json()
    assert rest["affected"] == 1
    read_as_canceled(rest, lambda: working(trader) == [])


@pytest.mark.parametrize(
    ("parameters", "field"),
    [({"side": "both"}, "side"), ({"symbol": "NOPE"}, "symbol"), ({"sides": "buy"}, "sides")],
)
def test_cancel_alls_that_are_refused(trader: httpx.Client, parameters: dict[str, str], field: str) -> None:
    refused = trader.delete("/api/orders", params=parameters)
    assert (refused.status_code, refused.json()["field"]) == (422, field)


def test_nobody_reads_an_older_state_than_their_reply(
    trader: httpx.Client, counterparty: httpx.Client, symbol: str
) -> None:
    for number in range(30):
        placed = place(trader, symbol, side="sell", limit_price=200)
        path = f"/api/orders/{placed['order_id']}"
        assert trader.get(path).json()["status"] == "new"
        assert placed["order_id"] in working(trader)
        if number % 3 == 0:
            trader.delete(path)
            assert trader.get(path).json()["status"] == "canceled"
        elif number % 3 == 1:
            trader.patch(path, json={"quantity": 3})
            assert trader.get(path).json()["leaves_quantity"] == "3"
            trader.delete(path)
        else:
            assert place(trader, symbol, limit_price=200)["order_status"] == "filled"
            # The maker's side is in no reply of its own, and yet the list is as new as the taker's.
            assert working(trader) == []
        assert working(trader) == []


def test_decimals_travel_as_text(trader: httpx.Client, symbol: str) -> None:
    raw = json.dumps(body(symbol)).replace('"190.00"', "190.010000000000000000000000000000")
    placed = trader.post("/api/order", content=raw.encode()).json()
    assert trader.get(f"/api/orders/{placed['order_id']}").json()["limit_price"] == "190.01"


def test_a_preview_tells_cost_and_risk_and_sends_nothing(
    trader: httpx.Client, counterparty: httpx.Client, account: str, symbol: str
) -> None:
    place(counterparty, symbol, side="sell", quantity="4", limit_price="189.00")
    answer = trader.post("/api/orders/preview", json=body(symbol))
    assert answer.status_code == 200
    shown = answer.json()
    assert (shown["accepted"], shown["reason"], shown["account"]) == (True, None, account)
    assert (shown["risk_price"], shown["notional"], shown["opening_quantity"]) == ("190.00", "1900.00", "10")
    assert (shown["fills_now"], shown["fills_now_price"], shown["fills_now_notional"]) == ("4", "189.00", "756.00")
    assert shown["fills_now_fee"] == "0.02268"
    assert (shown["position"], shown["position_after"], shown["buying_power"]) == ("0", "10", None)
    assert working(trader) == []
    place(trader, symbol, quantity="4")
    eventually(lambda: trader.get("/api/positions", params={"symbol": symbol}).json()["positions"])
    assert trader.post("/api/orders/preview", json=body(symbol, side="sell")).json()["opening_quantity"] == "6"


def test_a_preview_tells_why_an_order_would_be_refused(trader: httpx.Client, other: str, symbol: str) -> None:
    refused = trader.post("/api/orders/preview", json=body(symbol, reduce_only=True)).json()
    assert (refused["accepted"], refused["reason"], refused["field"]) == (False, "reduce_only", "reduce_only")
    assert trader.post("/api/orders/preview", json=body(symbol, limit_price="2001.00")).json()["reason"] == "price_band"
    answer = trader.post("/api/orders/preview", json=body(symbol, limit_price="190.001"))
    assert (answer.status_code, answer.json()["reason"]) == (422, "price_increment")
    assert trader.post("/api/orders/preview", json=body(symbol, account=other)).status_code == 403
    assert trader.post("/api/orders/preview", json=body("NOPE")).status_code == 422


def test_an_order_has_a_trace_and_takes_the_clients(trader: httpx.Client, account: str, symbol: str) -> None:
    answer = trader.post("/api/order", json=body(symbol, client_order_id="traced"))
    assert answer.headers["traceparent"] == traceparent(account, "traced")
    order_id = answer.json()["order_id"]
    assert trader.delete(f"/api/orders/{order_id}").headers["traceparent"] == traceparent(account, "traced")
    refused = trader.post("/api/order", json=body(symbol, client_order_id="worse", quantity="0"))
    assert refused.status_code == 422
    trace, span = "4bf92f3577b34da6a3ce929d0e0e4736", uuid.uuid4().hex[:16]
    given = {"traceparent": f"00-{trace}-{span}-00"}
    answer = trader.post("/api/order", json=body(symbol), headers=given)
    assert answer.json()["client_order_id"] == trace + span
    assert answer.headers["traceparent"] == f"00-{trace}-{span}-01"
    assert trader.post("/api/order", json=body(symbol), headers=given).json()["outcome"] == "duplicate"
    answer = trader.post("/api/order", json=body(symbol, client_order_id="own"), headers=given)
    assert answer.headers["traceparent"] == traceparent(account, "own")
    answer = trader.post("/api/order", json=body(symbol), headers={"traceparent": "no trace"})
    assert len(answer.json()["client_order_id"]) == 32
