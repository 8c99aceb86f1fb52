"""Limits and the kill switch over REST, and who may touch them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.gateway.running import Running, eventually
from tests.gateway.test_orders import body, place, read_as_canceled, working

pytestmark = pytest.mark.integration


@pytest.fixture
def administrator(gateway: Running) -> Iterator[httpx.Client]:
    with gateway.client("*", role="admin") as client:
        yield client


def refusal(client: httpx.Client, traded: str, **changes: Any) -> tuple[int, str | None]:
    answer = client.post("/api/order", json=body(traded, **changes))
    return answer.status_code, answer.json()["reason"]


def test_limits_are_set_and_shown(trader: httpx.Client, administrator: httpx.Client, account: str, symbol: str) -> None:
    before = trader.get("/api/risk").json()
    assert (before["account"], before["killed"], before["limits"]) == (account, False, [])
    limits = {"account": account, "symbol": symbol, "max_order_quantity": 5, "max_open_orders": 1}
    changed = administrator.put("/api/risk", json=limits)
    assert changed.status_code == 200, changed.text
    assert trader.get("/api/risk", params={"account": account}).json() == changed.json()
    (shown,) = changed.json()["limits"]
    assert (shown["symbol"], shown["max_order_quantity"], shown["max_open_orders"]) == (symbol, "5", 1)
    assert shown["max_long"] is None
    assert refusal(trader, symbol) == (422, "max_order_quantity")
    place(trader, symbol, quantity="5")
    assert refusal(trader, symbol, quantity="5") == (422, "max_open_orders")
    # Below 0 takes a limit away; the others stay.
    again = administrator.put("/api/risk", json={"account": account, "symbol": symbol, "max_order_quantity": -1})
    (shown,) = again.json()["limits"]
    assert (shown["max_order_quantity"], shown["max_open_orders"]) == (None, 1)


def test_the_whole_accounts_limits(trader: httpx.Client, administrator: httpx.Client, account: str) -> None:
    limits = {"account": account, "messages_per_second": 100, "margin_multiple": "2.5", "price_collar_ppm": 50000}
    changed = administrator.put("/api/risk", json=limits).json()
    assert (changed["messages_per_second"], changed["margin_multiple"]) == (100, "2.5")
    assert [(one["symbol"], one["price_collar_ppm"]) for one in changed["limits"]] == [(None, 50000)]
    (shown,) = trader.get("/api/account").json()["accounts"]
    assert (shown["margin_multiple"], shown["killed"]) == ("2.5", False)


def test_buying_power_is_refused_with_403(
    trader: httpx.Client, administrator: httpx.Client, account: str, symbol: str
) -> None:
    administrator.put("/api/risk", json={"account": account, "margin_multiple": 1})
    # 1,000,000 in cash, at 190.
    assert refusal(trader, symbol, quantity="6000") == (403, "buying_power")
    place(trader, symbol, quantity="5000")


def test_the_message_rate_is_refused_with_429(
    trader: httpx.Client, administrator: httpx.Client, account: str, symbol: str
) -> None:
    administrator.put("/api/risk", json={"account": account, "messages_per_second": 1, "message_burst": 2})
    answers = [refusal(trader, symbol, quantity=str(n + 1))[0] for n in range(4)]
    assert answers[:2] == [201, 201]
    assert 429 in answers[2:]


@pytest.mark.parametrize(
    ("limits", "status", "reason", "field"),
    [
        ({"max_longer": 1}, 422, "invalid_field", "max_longer"),
        ({"symbol": "NOPE", "max_long": 1}, 422, "unknown_symbol", "symbol"),
        ({"account": "nobody-at-all"}, 422, "unknown_account", "account"),
        ({"margin_multiple": -1}, 422, "invalid_field", "margin_multiple"),
        ({"max_open_orders": "many"}, 422, "invalid_field", "max_open_orders"),
        ({"type": "kill"}, 422, "invalid_field", "type"),
    ],
)
def test_limits_that_cannot_be(
    administrator: httpx.Client, account: str, limits: dict[str, Any], status: int, reason: str, field: str
) -> None:
    answer = administrator.put("/api/risk", json={"account": account, **limits})
    assert (answer.status_code, answer.json()["reason"], answer.json()["field"]) == (status, reason, field)


def test_a_trader_sets_no_limits_and_sees_only_his_own(trader: httpx.Client, account: str, other: str) -> None:
    answer = trader.put("/api/risk", json={"max_long": -1})
    assert (answer.status_code, answer.json()["reason"]) == (403, "not_authorized")
    assert trader.get("/api/risk", params={"account": other}).status_code == 403
    assert trader.get("/api/risk", params={"symbol": "X"}).status_code == 422


def test_an_unknown_account_has_no_limits_to_show(administrator: httpx.Client) -> None:
    answer = administrator.get("/api/risk", params={"account": "nobody-at-all"})
    assert (answer.status_code, answer.json()["reason"]) == (404, "unknown_account")


def test_the_owner_switches_his_account_off_and_on(trader: httpx.Client, account: str, symbol: str) -> None:
    place(trader, symbol)
    place(trader, symbol, limit_price="189")
    killed = trader.post("/api/risk/kill", json={}).json()
    assert (killed["account"], killed["active"], killed["affected"]) == (account, True, 2)
    read_as_canceled(killed, lambda: working(trader) == [])
    assert refusal(trader, symbol) == (403, "kill_switch")
    eventually(lambda: trader.get("/api/risk").json()["killed"] is True)
    again = trader.post("/api/risk/kill", json={"active": False}).json()
    assert (again["active"], again["affected"]) == (False, 0)
    place(trader, symbol)


def test_an_administrator_switches_everybody_off(
    trader: httpx.Client, counterparty: httpx.Client, administrator: httpx.Client, symbol: str
) -> None:
    place(trader, symbol)
    place(counterparty, symbol, side="sell", limit_price="200")
    answer = administrator.post("/api/risk/kill", json={"all": True})
    try:
        assert answer.status_code == 200, answer.text
        assert answer.json()["account"] is None
        assert answer.json()["affected"] >= 2
        read_as_canceled(answer.json(), lambda: (working(trader), working(counterparty)) == ([], []))
        assert refusal(trader, symbol) == (403, "kill_switch")
    finally:
        assert administrator.post("/api/risk/kill", json={"all": True, "active": False}).status_code == 200
    place(trader, symbol)


@pytest.mark.parametrize(
    ("role", "body", "status", "field"),
    [
        ("trader", {"all": True}, 403, "account"),
        ("trader", {"account": "demo"}, 403, "account"),
        ("viewer", {}, 403, "account"),
        ("trader", {"active": "yes"}, 422, "active"),
        ("admin", {"all": True, "account": "demo"}, 422, "account"),
    ],
)
def test_who_may_not(gateway: Running, account: str, role: str, body: dict[str, Any], status: int, field: str) -> None:
    with gateway.client(account, role=role) as client:
        answer = client.post("/api/risk/kill", json=body)
    assert (answer.status_code, answer.json()["field"]) == (status, field)
