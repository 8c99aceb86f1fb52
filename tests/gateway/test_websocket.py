"""The stream's messages, and orders, over a WebSocket."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from engine.client import Client
from gateway import subscription as subscription_module
from gateway import websocket as websocket_module
from tests.gateway.running import LIMIT_S, Running, eventually
from tests.gateway.slow import flood, narrow
from tests.gateway.test_orders import place

pytestmark = pytest.mark.integration


class Socket:
    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection
        self.last_id = ""

    def send(self, **message: Any) -> None:
        self.connection.send(json.dumps(message))

    def receive(self) -> dict[str, Any]:
        message: dict[str, Any] = json.loads(self.connection.recv(timeout=LIMIT_S))
        self.last_id = message.get("id", self.last_id)
        return message

    def until(self, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        while not wanted(message := self.receive()):
            pass
        return message

    def closed(self) -> tuple[int, str]:
        """Reads to the end: the code and the reason."""
        with contextlib.suppress(ConnectionClosed):
            while True:
                self.receive()
        assert self.connection.close_code is not None
        return self.connection.close_code, self.connection.close_reason or ""


@contextmanager
def opened(gateway: Running) -> Iterator[Socket]:
    with connect(f"ws://127.0.0.1:{gateway.port}/ws", compression=None, max_queue=None) as connection:
        yield Socket(connection)


@contextmanager
def logged_in(gateway: Running, *accounts: str) -> Iterator[Socket]:
    with opened(gateway) as websocket:
        websocket.send(type="login", token=gateway.token(*accounts))
        session = websocket.receive()
        assert session == {
            "event": "session",
            "data": {"username": "tester", "role": "trader", "accounts": list(accounts)},
        }
        yield websocket


def test_orders_and_their_events(gateway: Running, account: str, symbol: str) -> None:
    with logged_in(gateway, account) as websocket:
        websocket.send(type="subscribe", topics=["orders", f"book:{symbol}"])
        assert websocket.receive()["data"] == {"topic": "orders", "records": []}
        (book,) = websocket.receive()["data"]["records"]
        assert (book["symbol"], book["bids"], book["asks"]) == (symbol, [], [])
        websocket.send(
            type="new",
            account=account,
            symbol=symbol,
            side="buy",
            quantity="10",
            limit_price="190",
            client_order_id="w",
        )
        reply = websocket.until(lambda message: message["event"] == "reply")["data"]
        assert (reply["outcome"], reply["order_status"], reply["account"]) == ("accepted", "new", account)
        websocket.send(type="replace", account=account, client_order_id="w", symbol=symbol, quantity="4")
        reply = websocket.until(lambda message: message["event"] == "reply")["data"]
        assert (reply["order_id"], reply["quantity"]) == (reply["order_id"], "4")
        websocket.send(type="cancel", account=account, order_id=reply["order_id"])
        order = websocket.until(lambda m: m["event"] == "orders" and m["data"]["status"] == "canceled")
        assert (order["data"]["source"], order["data"]["client_order_id"]) == ("websocket", "w")
        assert isinstance(order["data"]["updated_ns"], str)
        assert order["id"]
        websocket.send(type="cancel_all", account=account)
        assert websocket.until(lambda message: message["event"] == "reply")["data"]["affected"] == 0


def test_resume(gateway: Running, trader: httpx.Client, account: str, symbol: str) -> None:
    with logged_in(gateway, account) as websocket:
        websocket.send(type="subscribe", topics=["orders"])
        websocket.receive()
        first = place(trader, symbol)["order_id"]
        assert websocket.receive()["data"]["order_id"] == first
        last_id = websocket.last_id
    second = place(trader, symbol)["order_id"]
    with logged_in(gateway, account) as websocket:
        websocket.send(type="subscribe", topics=["orders"], last_event_id=last_id)
        message = websocket.receive()
        assert (message["event"], message["data"]["order_id"]) == ("orders", second)


def test_a_new_subscription_replaces_the_one_before(
    gateway: Running, trader: httpx.Client, account: str, symbol: str
) -> None:
    with logged_in(gateway, account) as websocket:
        websocket.send(type="subscribe", topics=["orders"])
        websocket.receive()
        websocket.send(type="subscribe", topics=[f"trades:{symbol}"])
        assert websocket.receive()["data"] == {"topic": f"trades:{symbol}", "records": []}
        place(trader, symbol, side="sell")
        place(trader, symbol)
        assert websocket.receive()["event"] == f"trades:{symbol}"


@pytest.mark.parametrize(
    ("message", "status", "reason", "field"),
    [
        ("{", 400, "malformed", None),
        ("[]", 400, "malformed", None),
        ('{"type":"dance"}', 422, "invalid_field", "type"),
        ("{}", 422, "missing_field", "type"),
        ('{"type":"login","token":"x"}', 422, "invalid_field", "type"),
        ('{"type":"subscribe"}', 422, "missing_field", "topics"),
        ('{"type":"subscribe","topics":"orders"}', 422, "invalid_field", "topics"),
        ('{"type":"subscribe","topics":["secrets"]}', 422, "invalid_field", "topics"),
        ('{"type":"subscribe","topics":["orders"],"last_event_id":"7"}', 422, "invalid_field", "Last-Event-ID"),
        ('{"type":"new","account":"ACCOUNT"}', 422, "missing_field", "symbol"),
        ('{"type":"cancel","account":"somebody","order_id":"1"}', 403, "not_authorized", "account"),
        ('{"type":"cancel","account":"ACCOUNT","order_id":"999999999"}', 404, "unknown_order", "order_id"),
        ('{"type":"cancel","account":"ACCOUNT"}', 422, "missing_field", "order_id"),
        ('{"type":"instrument","symbol":"X"}', 422, "invalid_field", "type"),
    ],
)
def test_bad_messages_are_answered_and_the_session_goes_on(
    gateway: Running, account: str, message: str, status: int, reason: str, field: str | None
) -> None:
    with logged_in(gateway, account) as websocket:
        websocket.connection.send(message.replace("ACCOUNT", account))
        answer = websocket.receive()
        assert answer["event"] == "problem"
        problem = answer["data"]
        assert (problem["status"], problem["reason"], problem["field"]) == (status, reason, field), problem
        websocket.send(type="ping")
        assert websocket.receive() == {"event": "pong", "data": {}}


@pytest.mark.parametrize(
    "first",
    [
        '{"type":"ping"}',
        '{"type":"login","token":"nonsense"}',
        '{"type":"login"}',
        "{",
        '{"type":"subscribe","topics":["orders"]}',
    ],
)
def test_nothing_goes_without_a_login(gateway: Running, first: str) -> None:
    with opened(gateway) as websocket:
        websocket.connection.send(first)
        answer = websocket.receive()
        assert answer["event"] == "problem"
        assert (answer["data"]["status"], answer["data"]["field"]) == (401, "token")
        assert websocket.closed()[0] == 1008


def test_whoever_does_not_log_in_is_shown_out(gateway: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(websocket_module, "LOGIN_S", 0.05)
    with opened(gateway) as websocket:
        assert websocket.receive()["data"]["status"] == 401
        assert websocket.closed()[0] == 1008


def test_binary_messages_are_refused(gateway: Running, account: str) -> None:
    with logged_in(gateway, account) as websocket:
        websocket.connection.send(b"{}")
        assert websocket.closed() == (1008, "messages are JSON text, not binary")


def test_messages_that_are_too_large_are_refused(gateway: Running, account: str) -> None:
    with logged_in(gateway, account) as websocket:
        websocket.connection.send(" " * (64 * 1024 + 1))
        assert websocket.closed()[0] == 1009


def test_a_quiet_subscription_has_a_heartbeat(gateway: Running, account: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subscription_module, "HEARTBEAT_S", 0.05)
    with logged_in(gateway, account) as websocket:
        websocket.send(type="subscribe", topics=["orders"])
        websocket.receive()
        heartbeat = websocket.receive()
        assert (heartbeat["event"], heartbeat["data"]) == ("heartbeat", {})
        assert heartbeat["id"]


def test_a_client_that_cannot_keep_up_is_told_why(gateway: Running, account: str) -> None:
    with logged_in(gateway, account) as websocket:
        websocket.send(type="subscribe", topics=["orders"])
        websocket.receive()
        (subscriber,) = [s for s in gateway.gateway.hub.directory.subscribers if s.accounts == {account}]
        gateway.in_loop(subscriber.end, "slow_consumer")
        last = websocket.until(lambda message: message["event"] == "disconnect")
        assert last["data"]["reason"] == "slow_consumer"
        assert websocket.closed() == (1013, "slow_consumer")


def test_a_client_that_reads_nothing_is_cut_off(
    gateway: Running, engine: Client, account: str, symbol: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(websocket_module, "STALLED_S", 0.5)
    metrics = gateway.gateway.metrics
    connected = metrics.websocket_clients._value.get()
    with connect(
        f"ws://127.0.0.1:{gateway.port}/ws",
        sock=narrow(gateway),
        compression=None,
        max_queue=1,
        ping_interval=None,
        close_timeout=0.1,
    ) as connection:
        connection.send(json.dumps({"type": "login", "token": gateway.token(account)}))
        connection.send(json.dumps({"type": "subscribe", "topics": ["orders"]}))
        eventually(lambda: any(s.accounts == {account} for s in gateway.gateway.hub.directory.subscribers))
        flood(engine, account, symbol, while_=lambda: metrics.websocket_clients._value.get() > connected)


@pytest.mark.parametrize("topics", [[], ["orders"]])
def test_a_session_ends_with_its_token(gateway: Running, account: str, topics: list[str]) -> None:
    with opened(gateway) as websocket:
        websocket.send(type="login", token=gateway.token(account, lifetime_s=2))
        websocket.receive()
        if topics:
            websocket.send(type="subscribe", topics=topics)
        ended = websocket.until(lambda message: message["event"] == "disconnect")
        assert ended["data"]["reason"] == "token_expired"
        assert websocket.closed() == (1008, "token_expired")


def test_an_order_list(gateway: Running, account: str, symbol: str) -> None:
    with logged_in(gateway, account) as websocket:
        orders = [
            {"side": "sell", "quantity": "1", "limit_price": "210"},
            {"side": "sell", "quantity": "1", "order_type": "stop", "stop_price": "170"},
        ]
        websocket.send(type="order_list", account=account, symbol=symbol, list_type="oco", orders=orders)
        reply = websocket.receive()
        assert (reply["event"], reply["data"]["outcome"]) == ("reply", "accepted")
        assert [leg["order_status"] for leg in reply["data"]["orders"]] == ["new", "new"]
