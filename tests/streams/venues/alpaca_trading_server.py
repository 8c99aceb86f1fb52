"""A server that speaks the documented protocol of Alpaca's trading (version 2): orders, positions, account, clock and
activities by REST, `trade_updates` over a WebSocket; with faults on demand. On loopback.

It fills nothing by itself: a test says what the market does."""

from __future__ import annotations

import json
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qs, urlsplit

from websockets.exceptions import ConnectionClosed
from websockets.sync.server import ServerConnection

from tests.streams.loopback import listening

KEY, SECRET = "PKTESTKEY", "a-secret-of-alpaca"
OVER = frozenset({"filled", "canceled", "expired", "replaced", "rejected"})
"""Statuses in which an order is not among the open ones."""


def now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f") + "Z"


class TradingServer:
    """One account."""

    def __init__(self) -> None:
        self.orders: dict[str, dict[str, Any]] = {}
        self.activities: list[dict[str, Any]] = []
        self.holdings: dict[str, Decimal] = {}
        self.cash = Decimal(100_000)
        self.fail_next: list[int] = []
        """Status codes that the next requests by REST get."""
        self.lose_answers = 0
        """How many of the next new orders are taken and not answered."""
        self.refuse_next: list[tuple[int, str]] = []
        """Status and message for the next orders or changes."""
        self.holds_cancels = False
        """A cancel stays pending until the test says what becomes of it."""
        self.holds_replaces = False
        """A replacement stays pending until the test says what becomes of it."""
        self.mute = False
        """Updates are lost."""
        self.requests: list[tuple[str, str]] = []
        self.logins = 0
        self._connections: list[ServerConnection] = []
        self._lock = threading.RLock()
        self.trading_url = self.updates_url = ""

    # ----------------------------------------------------------------------------------------- what a test does

    def fill(self, order: dict[str, Any], lots: int, price: str, *, twice: bool = False) -> str:
        """The market trades with it; the execution's id."""
        with self._lock:
            total = Decimal(order["filled_qty"]) + lots
            order["filled_qty"] = str(total)
            done = total == Decimal(order["qty"])
            order["status"] = "filled" if done else "partially_filled"
            signed = lots if order["side"] == "buy" else -lots
            symbol = order["symbol"]
            self.holdings[symbol] = self.holdings.get(symbol, Decimal(0)) + signed
            self.cash -= signed * Decimal(price)
            when, name = now(), str(uuid.uuid4())
            self.activities.append(
                {
                    **{"id": f"{len(self.activities):017}::{name}", "activity_type": "FILL", "transaction_time": when},
                    **{"type": "fill" if done else "partial_fill", "price": price, "qty": str(lots)},
                    **{"side": order["side"], "symbol": symbol, "order_id": order["id"], "cum_qty": str(total)},
                    **{"leaves_qty": str(Decimal(order["qty"]) - total), "order_status": order["status"]},
                }
            )
            for _ in range(2 if twice else 1):
                extra = {"price": price, "qty": str(lots), "execution_id": name, "timestamp": when}
                self.say("fill" if done else "partial_fill", order, **extra)
            return name

    def correct(self, order: dict[str, Any], previous: str, lots: int, price: str, *, now_price: str | None) -> str:
        """A fill of `lots` at `price`, known as `previous`, is taken back, or is at another price now. What is said of
        a bust follows the example in Alpaca's documentation: a negative quantity, and less filled."""
        with self._lock:
            signed, name = lots if order["side"] == "buy" else -lots, str(uuid.uuid4())
            extra = {"execution_id": name, "previous_execution_id": previous}
            self.cash += signed * Decimal(price)
            if now_price is None:
                self.holdings[order["symbol"]] -= signed
                order["filled_qty"] = str(Decimal(order["filled_qty"]) - lots)
                self.say("trade_bust", order, price=price, qty=str(-lots), reason="TRADE_BUST", **extra)
            else:
                self.cash -= signed * Decimal(now_price)
                self.say("trade_correct", order, price=now_price, qty=str(lots), **extra)
            return name

    def move(self, order: dict[str, Any], status: str, event: str | None = None, **more: Any) -> None:
        """The order's status changes."""
        with self._lock:
            order["status"] = status
            self.say(event or status, order, **more)

    def say(self, event: str, order: dict[str, Any], **more: Any) -> None:
        if self.mute:
            return
        message = {
            "stream": "trade_updates",
            "data": {"event": event, "order": dict(order), "timestamp": now(), **more},
        }
        with self._lock:
            for connection in list(self._connections):
                try:
                    connection.send(json.dumps(message).encode())  # binary frames, as paper trading has them
                except ConnectionClosed:
                    self._connections.remove(connection)

    def drop(self) -> None:
        """Ends every connection without a word, as a network does."""
        with self._lock:
            connections, self._connections = self._connections, []
        for connection in connections:
            connection.socket.close()

    # ------------------------------------------------------------------------------------------------ the stream

    def session(self, connection: ServerConnection) -> None:
        try:
            login = json.loads(connection.recv())
            data = login["data"]
            allowed = login["action"] == "authenticate" and (data["key_id"], data["secret_key"]) == (KEY, SECRET)
            answer = {"status": "authorized" if allowed else "unauthorized", "action": "authenticate"}
            connection.send(json.dumps({"stream": "authorization", "data": answer}).encode())
            if not allowed:
                return
            asked = json.loads(connection.recv())
            connection.send(json.dumps({"stream": "listening", "data": asked["data"]}).encode())
            with self._lock:
                self._connections.append(connection)
                self.logins += 1
            connection.recv()  # until it ends
        except ConnectionClosed:
            pass

    # ------------------------------------------------------------------------------------------------ REST

    def answer(self, method: str, path: str, headers: Any, body: dict[str, Any]) -> tuple[int, Any]:
        if (headers["APCA-API-KEY-ID"], headers["APCA-API-SECRET-KEY"]) != (KEY, SECRET):
            return 403, {"message": "forbidden."}
        place = urlsplit(path)
        name = place.path.removeprefix("/v2")
        query = {key: values[0] for key, values in parse_qs(place.query).items()}
        with self._lock:
            self.requests.append((method, name))
            if self.fail_next:
                code = self.fail_next.pop(0)
                return code, {"code": code * 100_000, "message": "too many requests."}
            return self._answer(method, name, query, body)

    def _answer(self, method: str, name: str, query: dict[str, str], body: dict[str, Any]) -> tuple[int, Any]:
        match (method, name.strip("/").split("/")):
            case ("GET", ["account"]):
                return 200, {"account_number": "PA1", "cash": str(self.cash), "trading_blocked": False}
            case ("GET", ["clock"]):
                return 200, {"is_open": True, "timestamp": now()}
            case ("GET", ["positions"]):
                return 200, [
                    {"symbol": symbol, "qty": str(lots), "side": "long" if lots > 0 else "short"}
                    for symbol, lots in self.holdings.items()
                    if lots
                ]
            case ("GET", ["orders"]):
                return 200, [one for one in self.orders.values() if one["status"] not in OVER]
            case ("GET", ["orders:by_client_order_id"]):
                found = [one for one in self.orders.values() if one["client_order_id"] == query["client_order_id"]]
                return (200, found[0]) if found else (404, {"code": 40410000, "message": "order not found"})
            case ("GET", ["orders", number]):
                return (200, self.orders[number]) if number in self.orders else (404, {"message": "order not found"})
            case ("GET", ["account", "activities", "FILL"]):
                after = query.get("page_token", "")
                rows = [
                    row for row in self.activities if row["id"] > after and row["transaction_time"] >= query["after"]
                ]
                return 200, rows[: int(query["page_size"])]
            case ("POST", ["orders"]):
                return self._enter(body)
            case ("PATCH", ["orders", number]):
                return self._replace(self.orders[number], body)
            case ("DELETE", ["orders", number]):
                return self._cancel(self.orders[number])
        return 404, {"message": "not found"}

    def _enter(self, body: dict[str, Any]) -> tuple[int, Any]:
        if self.refuse_next:
            code, message = self.refuse_next.pop(0)
            return code, {"code": code * 100_000, "message": message}
        if any(one["client_order_id"] == body["client_order_id"] for one in self.orders.values()):
            return 422, {"code": 40010001, "message": "client_order_id must be unique"}
        order = {
            **{"id": str(uuid.uuid4()), "client_order_id": body["client_order_id"], "created_at": now()},
            **{"submitted_at": now(), "symbol": body["symbol"], "qty": _text(body["qty"])},
            **{"filled_qty": "0", "filled_avg_price": None, "type": body["type"], "side": body["side"]},
            **{"time_in_force": body["time_in_force"], "limit_price": _text(body.get("limit_price"))},
            **{"stop_price": _text(body.get("stop_price")), "status": "new", "replaced_by": None, "replaces": None},
        }
        self.orders[order["id"]] = order
        if self.lose_answers:
            self.lose_answers -= 1
            return 500, {"code": 50010000, "message": "internal server error occurred"}
        self.say("new", order)
        return 200, order

    def _replace(self, order: dict[str, Any], body: dict[str, Any]) -> tuple[int, Any]:
        if self.refuse_next:
            code, message = self.refuse_next.pop(0)
            return code, {"code": code * 100_000, "message": message}
        if order["status"] not in ("new", "partially_filled"):
            return 422, {"code": 42210000, "message": f"order is not open: {order['status']}"}
        new = {**order, "id": str(uuid.uuid4()), "client_order_id": body["client_order_id"], "replaces": order["id"]}
        new |= {"submitted_at": now(), "qty": str(body["qty"])}
        new |= {name: _text(body[name]) for name in ("limit_price", "stop_price") if name in body}
        self.orders[new["id"]] = new
        if self.holds_replaces:
            new["status"] = "pending_new"
            self.move(order, "pending_replace")
            return 200, new
        order["replaced_by"] = new["id"]
        self.move(order, "replaced")
        self.say("new", new)
        return 200, new

    def _cancel(self, order: dict[str, Any]) -> tuple[int, Any]:
        if order["status"] in OVER:
            return 422, {"code": 42210000, "message": "order is not cancelable"}
        if self.holds_cancels:
            self.move(order, "pending_cancel")
        else:
            self.move(order, "canceled")
        return 204, None


def _text(value: Any) -> str | None:
    return None if value is None else f"{Decimal(str(value)).normalize():f}"


@contextmanager
def alpaca_trading() -> Iterator[TradingServer]:
    server = TradingServer()
    with listening(server.answer, server.session) as (server.trading_url, server.updates_url):
        try:
            yield server
        finally:
            server.drop()
