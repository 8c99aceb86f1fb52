"""Orders of every type by REST: what is sent is what is shown, before and after Kafka has told of it."""

from __future__ import annotations

import time
from typing import Any

import httpx
import pytest

from engine.client import Client
from engine.messages import SetPhase
from tests.gateway.running import Running, eventually
from tests.gateway.test_orders import body, place

pytestmark = pytest.mark.integration

LATER_NS = (time.time_ns() // 10**9 + 3600) * 10**9


def shown(client: httpx.Client, order_id: str, *fields: str) -> dict[str, Any]:
    order = client.get(f"/api/orders/{order_id}").json()
    return {field: order[field] for field in fields}


@pytest.fixture
def traded(trader: httpx.Client, counterparty: httpx.Client, symbol: str) -> str:
    """An instrument with a last price of 190."""
    place(counterparty, symbol, side="sell", quantity="1", time_in_force="gtc")
    assert place(trader, symbol, quantity="1")["order_status"] == "filled"
    return symbol


@pytest.mark.parametrize(
    ("changes", "status", "expected"),
    [
        (
            {"order_type": "stop", "limit_price": None, "stop_price": "195", "time_in_force": "gtc"},
            "new",
            {"limit_price": None, "stop_price": "195.00"},
        ),
        (
            {"order_type": "stop_limit", "limit_price": "196", "stop_price": 195.5},
            "new",
            {"limit_price": "196.00", "stop_price": "195.50"},
        ),
        (
            {"order_type": "trailing_stop", "limit_price": None, "side": "sell", "trail_amount": "2.5"},
            "new",
            {"trail_amount": "2.50", "trail_percent": None},
        ),
        (
            {"order_type": "trailing_stop", "limit_price": None, "side": "sell", "trail_percent": "1.5"},
            "new",
            {"trail_amount": None},
        ),
        ({"limit_price": "180", "display_quantity": 3}, "new", {"display_quantity": "3"}),
        ({"limit_price": "180", "post_only": True}, "new", {"post_only": True, "reduce_only": False}),
        (
            {"limit_price": "180", "time_in_force": "gtd", "expires_ns": LATER_NS},
            "new",
            {"time_in_force": "gtd", "expires_ns": str(LATER_NS)},
        ),
        ({"limit_price": "180", "time_in_force": "fok"}, "canceled", {"time_in_force": "fok"}),
        ({"limit_price": "180", "time_in_force": "cls"}, "new", {"time_in_force": "cls"}),
        ({"limit_price": "180", "self_trade_prevention": "cancel_oldest"}, "new", {}),
    ],
)
def test_what_is_sent_is_what_is_shown(
    trader: httpx.Client, gateway: Running, traded: str, changes: dict[str, Any], status: str, expected: dict[str, Any]
) -> None:
    placed = place(trader, traded, **changes)
    assert placed["order_status"] == status
    order_id = placed["order_id"]
    assert shown(trader, order_id, *expected) == expected
    eventually(lambda: order_id in gateway.gateway.hub.state.orders)
    assert shown(trader, order_id, *expected) == expected


@pytest.mark.parametrize(
    ("changes", "reason", "field"),
    [
        ({"order_type": "stop", "limit_price": None}, "missing_field", "stop_price"),
        ({"order_type": "stop", "stop_price": "195"}, "invalid_field", "limit_price"),
        ({"stop_price": "195"}, "invalid_field", "stop_price"),
        ({"order_type": "trailing_stop", "limit_price": None}, "missing_field", "trail_amount"),
        ({"trail_amount": "1"}, "invalid_field", "trail_amount"),
        ({"display_quantity": "11"}, "invalid_field", "display_quantity"),
        ({"order_type": "market", "limit_price": None, "post_only": True}, "invalid_field", "post_only"),
        ({"limit_price": "191", "side": "sell", "reduce_only": True}, None, None),
        ({"limit_price": "180", "reduce_only": True}, "reduce_only", "reduce_only"),
        ({"time_in_force": "gtd"}, "missing_field", "expires_ns"),
        ({"time_in_force": "opg"}, "trading_phase", "time_in_force"),
        ({"self_trade_prevention": "maybe"}, "invalid_field", "self_trade_prevention"),
    ],
)
def test_what_does_not_fit_names_its_field(
    trader: httpx.Client, traded: str, changes: dict[str, Any], reason: str | None, field: str | None
) -> None:
    answer = trader.post("/api/order", json=body(traded, **changes))
    if reason is None:
        assert answer.status_code == 201, answer.text
        return
    assert (answer.status_code, answer.json()["reason"], answer.json()["field"]) == (422, reason, field)


def test_a_stop_is_moved(trader: httpx.Client, traded: str) -> None:
    stop = place(trader, traded, order_type="stop", limit_price=None, stop_price="195", time_in_force="gtc")
    path = f"/api/orders/{stop['order_id']}"
    moved = trader.patch(path, json={"stop_price": "196.5"})
    assert moved.status_code == 200, moved.text
    assert trader.get(path).json()["stop_price"] == "196.50"
    nothing = trader.patch(path, json={})
    assert (nothing.status_code, nothing.json()["field"]) == (422, "quantity")
    wrong = trader.patch(path, json={"limit_price": "190"})
    assert (wrong.status_code, wrong.json()["field"]) == (422, "limit_price")


def test_a_post_only_order_that_would_trade(trader: httpx.Client, counterparty: httpx.Client, traded: str) -> None:
    place(counterparty, traded, side="sell")
    answer = trader.post("/api/order", json=body(traded, post_only=True))
    assert (answer.status_code, answer.json()["reason"]) == (422, "post_only")


def test_the_phase_of_an_instrument(trader: httpx.Client, engine: Client, symbol: str) -> None:
    def phase() -> str:
        listed = trader.get("/api/instruments").json()["instruments"]
        return next(str(one["phase"]) for one in listed if one["symbol"] == symbol)

    assert phase() == "continuous"
    assert engine.administer(SetPhase(symbol=symbol, phase="closing_auction")).outcome == "accepted"
    eventually(lambda: phase() == "closing_auction")
    book = trader.get(f"/api/book/{symbol}").json()
    assert book["phase"] == "closing_auction"
    assert engine.administer(SetPhase(symbol=symbol, phase="closed")).outcome == "accepted"
    eventually(lambda: phase() == "closed")
    refused = trader.post("/api/order", json=body(symbol))
    assert (refused.status_code, refused.json()["reason"]) == (422, "market_closed")
