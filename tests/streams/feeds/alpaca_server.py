"""A server that speaks the documented protocol of Alpaca's market data (version 2): the stream in MessagePack over a
WebSocket, and REST for past trades; with faults on demand. On loopback."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

import msgpack
from websockets.exceptions import ConnectionClosed
from websockets.sync.server import ServerConnection

from tests.streams.loopback import listening

KEY, SECRET = "PKTESTKEY", "a-secret-of-alpaca"


class AlpacaServer:
    """What it is told to `send` goes to whoever has subscribed; `trades` is what REST knows."""

    def __init__(self) -> None:
        self.trades: dict[str, list[dict[str, Any]]] = {}
        self.bars: dict[str, list[dict[str, Any]]] = {}
        self.logins = 0
        self.refusals = 0
        self.requests: list[dict[str, list[str]]] = []
        self.fail_next: list[int] = []
        """Status codes that the next requests by REST get."""
        self.page_size = 2
        self._connections: list[ServerConnection] = []
        self._lock = threading.Lock()
        self.stream_url = self.data_url = ""

    # ------------------------------------------------------------------------------------------------ the stream

    def session(self, connection: ServerConnection) -> None:
        """One client, from its greeting to its end."""
        try:
            self._say(connection, {"T": "success", "msg": "connected"})
            login = msgpack.unpackb(connection.recv())
            if (login["action"], login["key"], login["secret"]) != ("auth", KEY, SECRET):
                self.refusals += 1
                self._say(connection, {"T": "error", "code": 402, "msg": "auth failed"})
                return
            self._say(connection, {"T": "success", "msg": "authenticated"})
            asked = msgpack.unpackb(connection.recv())
            assert asked.pop("action") == "subscribe"
            self._say(connection, {"T": "subscription", **asked})
            with self._lock:
                self.logins += 1
                self._connections.append(connection)
            connection.recv()  # until it ends
        except ConnectionClosed:
            pass

    def _say(self, connection: ServerConnection, *messages: dict[str, Any]) -> None:
        connection.send(msgpack.packb(list(messages)))

    def send(self, *messages: dict[str, Any]) -> None:
        with self._lock:
            connections = list(self._connections)
        for connection in connections:
            try:
                self._say(connection, *messages)
            except ConnectionClosed:
                with self._lock:
                    self._connections.remove(connection)

    def drop(self) -> None:
        """Ends every connection without a word, as a network does."""
        with self._lock:
            connections, self._connections = self._connections, []
        for connection in connections:
            connection.socket.close()

    # ------------------------------------------------------------------------------------------------ REST

    def answer(self, method: str, path: str, headers: Any, body: dict[str, Any]) -> tuple[int, Any]:
        place = urlsplit(path)
        if (headers["APCA-API-KEY-ID"], headers["APCA-API-SECRET-KEY"]) != (KEY, SECRET):
            return 403, {"message": "forbidden."}
        if self.fail_next:
            return self.fail_next.pop(0), {"message": "too many requests."}
        name = place.path.removeprefix("/v2/stocks/")
        if name not in ("trades", "bars"):
            return 404, {"message": "not found"}
        kept = self.trades if name == "trades" else self.bars
        query = parse_qs(place.query)
        self.requests.append(query)
        rows = [
            (symbol, row)
            for symbol in query["symbols"][0].split(",")
            for row in kept.get(symbol, [])
            if row["t"] >= query["start"][0][:19]
        ]
        first = int(query.get("page_token", ["0"])[0])
        page: dict[str, list[dict[str, Any]]] = {}
        for symbol, row in rows[first : first + self.page_size]:
            page.setdefault(symbol, []).append(row)
        end = first + self.page_size
        return 200, {name: page, "next_page_token": f"{end}" if end < len(rows) else None}


@contextmanager
def alpaca() -> Iterator[AlpacaServer]:
    server = AlpacaServer()
    with listening(server.answer, server.session) as (server.data_url, server.stream_url):
        try:
            yield server
        finally:
            server.drop()


def quote(symbol: str, bid: float, bid_size: float, ask: float, ask_size: float) -> dict[str, Any]:
    """As the stream has it."""
    return {
        **{"T": "q", "S": symbol, "bx": "V", "bp": bid, "bs": bid_size, "ax": "V", "ap": ask, "as": ask_size},
        **{"c": ["R"], "z": "C", "t": msgpack.Timestamp.from_unix_nano(time.time_ns())},
    }


def trade(number: int, price: float, size: float, ts_ns: int) -> dict[str, Any]:
    """As REST has it."""
    stamp = datetime.fromtimestamp(ts_ns // 10**9, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    return {"t": f"{stamp}.{ts_ns % 10**9:09}Z", "x": "V", "p": price, "s": size, "c": ["@"], "i": number, "z": "C"}


def streamed(symbol: str, row: dict[str, Any], ts_ns: int) -> dict[str, Any]:
    """The same trade as the stream has it."""
    return {**row, "T": "t", "S": symbol, "t": msgpack.Timestamp.from_unix_nano(ts_ns)}
