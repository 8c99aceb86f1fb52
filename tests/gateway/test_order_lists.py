"""Orders that belong together: taken whole or refused whole."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.gateway.running import eventually
from tests.gateway.test_orders import place, working

pytestmark = pytest.mark.integration


def leg(side: str, **changes: Any) -> dict[str, Any]:
    return {"side": side, "quantity": "10", **changes}


def oco(symbol: str, **changes: Any) -> dict[str, Any]:
    return {
        "symbol": symbol,
        "list_type": "oco",
        "orders": [
            leg("sell", limit_price="210", client_order_id="target"),
            leg("sell", order_type="stop", stop_price="170", client_order_id="loss"),
        ],
        **changes,
    }


def bracket(symbol: str) -> dict[str, Any]:
    return {
        "symbol": symbol,
        "list_type": "bracket",
        "orders": [
            leg("buy", limit_price="190"),
            leg("sell", limit_price="210", time_in_force="gtc"),
            leg("sell", order_type="stop", stop_price="170", time_in_force="gtc"),
        ],
    }


def test_an_oco_is_two_orders_of_one_list(trader: httpx.Client, account: str, symbol: str) -> None:
    answer = trader.post("/api/order-lists", json=oco(symbol, strategy="exits"))
    assert answer.status_code == 201, answer.text
    reply = answer.json()
    assert (reply["outcome"], reply["account"]) == ("accepted", account)
    first, second = reply["orders"]
    assert [first["client_order_id"], second["client_order_id"]] == ["target", "loss"]
    assert [first["order_status"], second["order_status"]] == ["new", "new"]
    for placed in (first, second):
        order = trader.get(f"/api/orders/{placed['order_id']}").json()
        assert (order["list_id"], order["strategy"]) == (first["order_id"], "exits")
    # Canceling one cancels the other.
    assert trader.delete(f"/api/orders/{first['order_id']}").status_code == 200
    eventually(lambda: working(trader) == [])
    assert trader.get(f"/api/orders/{second['order_id']}").json()["reason"] == "linked_order"


def test_a_bracket_waits_for_its_entry(trader: httpx.Client, counterparty: httpx.Client, symbol: str) -> None:
    entry, target, loss = trader.post("/api/order-lists", json=bracket(symbol)).json()["orders"]
    assert [entry["order_status"], target["order_status"], loss["order_status"]] == [
        "new",
        "pending_new",
        "pending_new",
    ]
    assert all(placed["client_order_id"] for placed in (entry, target, loss))
    place(counterparty, symbol, side="sell")
    eventually(lambda: trader.get(f"/api/orders/{target['order_id']}").json()["status"] == "new")
    place(counterparty, symbol, side="buy", limit_price="210")
    eventually(lambda: trader.get(f"/api/orders/{target['order_id']}").json()["status"] == "filled")
    eventually(lambda: trader.get(f"/api/orders/{loss['order_id']}").json()["status"] == "canceled")
    assert working(trader) == []


def test_a_list_is_refused_whole(trader: httpx.Client, symbol: str) -> None:
    wrong = oco(symbol)
    wrong["orders"][1]["side"] = "buy"
    answer = trader.post("/api/order-lists", json=wrong)
    assert (answer.status_code, answer.json()["reason"]) == (422, "invalid_list")
    assert answer.headers["content-type"] == "application/problem+json"
    assert working(trader) == []
    # Nothing of it is remembered: the same ids are free.
    assert trader.post("/api/order-lists", json=oco(symbol)).status_code == 201


def test_the_same_list_again_gets_the_first_outcome(trader: httpx.Client, symbol: str) -> None:
    first = trader.post("/api/order-lists", json=oco(symbol)).json()
    again = trader.post("/api/order-lists", json=oco(symbol))
    assert (again.status_code, again.json()["outcome"]) == (200, "duplicate")
    assert [leg["order_id"] for leg in again.json()["orders"]] == [leg["order_id"] for leg in first["orders"]]
    assert len(working(trader)) == 2


@pytest.mark.parametrize(
    ("changes", "status", "reason", "field"),
    [
        ({"list_type": "ladder"}, 422, "invalid_field", "list_type"),
        ({"orders": []}, 422, "invalid_list", "orders"),
        ({"orders": "two"}, 422, "invalid_field", "orders"),
        ({"symbol": "NOPE"}, 422, "unknown_symbol", "symbol"),
        ({"account": "someone-else"}, 403, "not_authorized", "account"),
        ({"order": []}, 422, "invalid_field", "order"),
    ],
)
def test_what_is_no_list(
    trader: httpx.Client, symbol: str, changes: dict[str, Any], status: int, reason: str, field: str
) -> None:
    answer = trader.post("/api/order-lists", json={**oco(symbol), **changes})
    assert (answer.status_code, answer.json()["reason"], answer.json()["field"]) == (status, reason, field)
