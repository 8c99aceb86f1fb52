"""A server that speaks the documented protocol of Alpaca's trading (version 2): orders, positions, account, clock and
activities by REST, `trade_updates` over a WebSocket; with faults on demand. On loopback.

It fills nothing by itself: a test says what the market does. Orders of a group are each other's as Alpaca documents it:
the exits are held until the entry is filled, what the take-profit trades the stop-loss loses, and one that is canceled
takes the others along. What is reported besides is done too: exits are told with the entry only, under names of
Alpaca's, a stop-loss is never among the open orders, and its end by the take-profit is not in the stream."""

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
        self.groups: list[list[str]] = []
        """Ids of orders that were entered together, the parent first."""
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
            self._follow(order, lots, done)
            return name

    def _follow(self, order: dict[str, Any], lots: int, done: bool) -> None:
        """What a fill does to the others of the group."""
        for other in self._others(order):
            if done and other["status"] == "held" and order["side"] != other["side"]:
                if other["type"] == "limit" or order["order_class"] == "oto":
                    self.move(other, "new")
            elif order["side"] == other["side"] and other["status"] not in OVER:
                other["qty"] = str(Decimal(other["qty"]) - lots)
                if done:
                    other["status"] = "canceled"  # the stream does not tell

    def stop_out(self, order: dict[str, Any], price: str) -> dict[str, Any]:
        """A stop-loss is reached: the take-profit, whose shares it gets, is replaced, and so is itself, by the order
        that trades."""
        with self._lock:
            for other in self._others(order):
                if other["status"] not in OVER:
                    other["replaced_by"] = order["id"]
                    self.move(other, "replaced")
            new = {**order, "id": str(uuid.uuid4()), "client_order_id": str(uuid.uuid4()), "replaces": order["id"]}
            new |= {"submitted_at": now(), "status": "new", "legs": None}
            self.orders[new["id"]] = new
            order["replaced_by"] = new["id"]
            self.move(order, "replaced")
            self.fill(new, int(Decimal(new["qty"])), price)
            return new

    def _others(self, order: dict[str, Any]) -> list[dict[str, Any]]:
        """The rest of its group, as it stands now."""
        for group in self.groups:
            if order["id"] in group:
                return [self.orders[one] for one in group if one != order["id"]]
        return []

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
                return 200, [one for one in self.orders.values() if one["status"] not in OVER | {"held"}]
            case ("GET", ["orders:by_client_order_id"]):
                found = [one for one in self.orders.values() if one["client_order_id"] == query["client_order_id"]]
                return (200, found[0]) if found else (404, {"code": 40410000, "message": "order not found"})
            case ("GET", ["orders", number]):
                if number not in self.orders:
                    return 404, {"message": "order not found"}
                legs = self.orders[number]["with_it"] if query.get("nested", "").lower() == "true" else []
                return 200, {**self.orders[number], "legs": [self.orders[leg] for leg in legs]}
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
        wrong = self._wrong_class(body)
        if wrong:
            return 422, {"code": 42210000, "message": wrong}
        exits = [body[name] for name in ("take_profit", "stop_loss") if name in body]
        kind = body.get("order_class", "simple")
        order = self._order(body, body["client_order_id"], body["side"], body["type"], body, "new")
        if kind == "oco":
            order["limit_price"] = _text(exits.pop(0)["limit_price"])
        side = body["side"] if kind == "oco" else {"buy": "sell", "sell": "buy"}[body["side"]]
        for terms in exits:
            name = "limit" if "stop_price" not in terms else "stop_limit" if "limit_price" in terms else "stop"
            leg = self._order(body, str(uuid.uuid4()), side, name, terms, "held")
            order["with_it"].append(leg["id"])
        if exits:
            self.groups.append([order["id"], *order["with_it"]])
        if self.lose_answers:
            self.lose_answers -= 1
            return 500, {"code": 50010000, "message": "internal server error occurred"}
        self.say("new", order)
        legs = [self.orders[leg] for leg in order["with_it"]]
        for leg in legs:
            self.say("held", leg)
        return 200, {**order, "legs": legs or None}

    def _wrong_class(self, body: dict[str, Any]) -> str:
        """What Alpaca's documentation asks of a group, where the order has not got it."""
        kind = body.get("order_class", "simple")
        exits = [name for name in ("take_profit", "stop_loss") if name in body]
        if kind == "simple":
            return "simple orders have no exits" if exits else ""
        if body["time_in_force"] not in ("day", "gtc"):
            return f"{kind} orders must be day or gtc"
        if len(exits) != {"bracket": 2, "oco": 2, "oto": 1}[kind]:
            return f"{kind} orders require other exits"
        if kind == "oco":
            holds = self.holdings.get(body["symbol"], Decimal(0)) * (1 if body["side"] == "sell" else -1)
            return "" if body["type"] == "limit" and holds >= Decimal(str(body["qty"])) else "oco orders must be exits"
        return "" if body["type"] in ("market", "limit") else "bracket orders must be entry orders"

    def _order(
        self, body: dict[str, Any], name: str, side: str, kind: str, terms: dict[str, Any], status: str
    ) -> dict[str, Any]:
        order = {
            **{"id": str(uuid.uuid4()), "client_order_id": name, "created_at": now(), "order_class": ""},
            **{"submitted_at": now(), "symbol": body["symbol"], "qty": _text(body["qty"])},
            **{"filled_qty": "0", "filled_avg_price": None, "type": kind, "side": side},
            **{"time_in_force": body["time_in_force"], "limit_price": _text(terms.get("limit_price"))},
            **{"stop_price": _text(terms.get("stop_price")), "status": status, "replaced_by": None, "replaces": None},
            **{"order_class": body.get("order_class", "simple"), "legs": None, "with_it": []},
        }
        self.orders[order["id"]] = order
        return order

    def _replace(self, order: dict[str, Any], body: dict[str, Any]) -> tuple[int, Any]:
        if self.refuse_next:
            code, message = self.refuse_next.pop(0)
            return code, {"code": code * 100_000, "message": message}
        grouped = [group for group in self.groups if order["id"] in group]
        if order["status"] not in ("new", "partially_filled", *(["held"] if grouped else [])):
            return 422, {"code": 42210000, "message": f"order is not open: {order['status']}"}
        new = {**order, "id": str(uuid.uuid4()), "client_order_id": body["client_order_id"], "replaces": order["id"]}
        new |= {"submitted_at": now(), "qty": str(body.get("qty", order["qty"]))}
        for group in grouped:
            assert "qty" not in body, "only prices of such an order can be changed"
            group[group.index(order["id"])] = new["id"]
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
        for one in [order, *self._others(order)]:
            if one["status"] not in OVER:
                self.move(one, "pending_cancel" if self.holds_cancels else "canceled")
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
