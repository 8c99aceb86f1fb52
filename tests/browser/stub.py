"""A gateway that only seems to be one: it serves the built page, and a market as fast as it is told to.

For measuring the page where the rate must be known; everything that is true of trading is tested on the real system."""

from __future__ import annotations

import itertools
import json
import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar, NamedTuple
from urllib.parse import parse_qs, urlsplit

SYMBOLS = ("AAPL", "MSFT", "NVDA", "BTCUSD")
TYPES = {".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
TICK_S = 0.01
TRADES_PER_S = 20
LEVELS = 20
WALK = 1000
"""Books that are made."""


def instrument(symbol: str, number: int) -> dict[str, Any]:
    return {
        "v": 1, "symbol": symbol, "instrument_id": number, "tick_size": "0.01", "lot_size": "1", "price_min": "1",
        "price_max": "2000", "maker_fee_ppm": 0, "taker_fee_ppm": 30, "currency": "USD",
        "description": f"{symbol}, stub", "calendar": "", "phase": "continuous", "seq": 1, "ts_ns": "0",
    }  # fmt: skip


class Market:
    """One symbol's made-up walk."""

    def __init__(self, symbol: str, seed: int) -> None:
        self.symbol = symbol
        self.random = random.Random(seed)
        self.middle = 19_000
        self.seq = 0

    def book(self) -> dict[str, Any]:
        self.seq += 1
        self.middle += self.random.choice((-1, 0, 0, 0, 1))

        def side(way: int) -> list[list[Any]]:
            return [
                [f"{(self.middle + way * (level + 1)) / 100:.2f}", str(self.random.randrange(1, 900)), 3]
                for level in range(LEVELS)
            ]

        return {
            "v": 1, "symbol": self.symbol, "seq": self.seq, "ts_ns": str(time.time_ns()), "bids": side(-1),
            "asks": side(1), "phase": "continuous", "indicative_price": None, "indicative_quantity": None,
        }  # fmt: skip

    def trade(self) -> dict[str, Any]:
        self.seq += 1
        side = self.random.choice(("buy", "sell"))
        return {
            "v": 1, "trade_id": f"t{self.seq}", "seq": self.seq, "index": 0, "ts_ns": str(time.time_ns()),
            "transact_ns": "0", "symbol": self.symbol, "price": f"{self.middle / 100:.2f}",
            "quantity": str(self.random.randrange(1, 300)), "aggressor_side": side, "hidden": False,
        }  # fmt: skip


class Stub(BaseHTTPRequestHandler):
    """Every stream gets `rate["books"]` books a second of the first symbol."""

    protocol_version = "HTTP/1.1"
    page: ClassVar[Path]
    rate: ClassVar[dict[str, int]]
    sent: ClassVar[dict[str, int]]

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def do_GET(self) -> None:
        path = urlsplit(self.path)
        answers: dict[str, Any] = {
            "/api/instruments": {"instruments": [instrument(symbol, n) for n, symbol in enumerate(SYMBOLS)]},
            "/api/account": {
                "accounts": [{"account": "demo", "currency": "USD", "deposits": "1000000", "killed": False}]
            },
            "/api/layouts": {"layouts": []},
            "/api/orders": {"orders": [], "next_cursor": None},
            "/api/executions": {"executions": [], "next_cursor": None},
        }  # fmt: skip
        if path.path == "/api/stream":
            self._stream(parse_qs(path.query)["topics"][0].split(","))
        elif path.path.startswith("/api/candles/"):
            self._json({"candles": self._candles()})
        elif path.path in answers:
            self._json(answers[path.path])
        elif path.path.startswith("/api/"):
            self._json({"title": "the stub has none"}, 503)
        else:
            file = self.page / (path.path.lstrip("/") or "index.html")
            self._answer(file.read_bytes(), TYPES.get(file.suffix, "text/plain"))

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self._json(
            {"access_token": None, "refresh_token": None, "csrf_token": "c", "expires_in": 900, "username": "demo",
             "role": "trader", "accounts": ["demo"]}
        )  # fmt: skip

    def do_PUT(self) -> None:
        self.do_POST()

    def _candles(self) -> list[dict[str, Any]]:
        market, now = Market("", 7), int(time.time()) // 60 * 60
        rows = []
        for index in range(300):
            prices = [float(market.trade()["price"]) + market.random.uniform(-0.2, 0.2) for _ in range(4)]
            market.book()
            open_, close = prices[0], prices[3]
            rows.append(
                {"time_s": now - 60 * (300 - index), "open": f"{open_:.2f}", "high": f"{max(prices):.2f}",
                 "low": f"{min(prices):.2f}", "close": f"{close:.2f}", "volume": "1000"}
            )  # fmt: skip
        return rows

    def _stream(self, topics: list[str]) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        markets = {symbol: Market(symbol, seed) for seed, symbol in enumerate(SYMBOLS)}
        try:
            for topic in topics:
                name, _, symbol = topic.partition(":")
                records = [markets[symbol].book()] if name == "book" else []
                self._event("snapshot", {"topic": topic, "records": records})
            self._run(markets[SYMBOLS[0]])
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    def _run(self, market: Market) -> None:
        """Books and trades at their rates, by a clock: a slow moment is caught up with."""
        made = [self._text(f"book:{market.symbol}", market.book()) for _ in range(WALK)]
        # There and back again: written anew each time, they would take the processor from the page that is measured.
        walk = itertools.cycle(made + made[::-1])
        before, books, trades = time.monotonic(), 0.0, 0.0
        while True:
            now = time.monotonic()
            books += (now - before) * self.rate["books"]
            trades += (now - before) * TRADES_PER_S
            before = now
            piece = list(itertools.islice(walk, int(books)))
            piece += [self._text(f"trades:{market.symbol}", market.trade()) for _ in range(int(trades))]
            self.sent["books"] += int(books)
            books, trades = books % 1, trades % 1
            self.wfile.write("".join(piece).encode())
            time.sleep(TICK_S)

    def _event(self, event: str, data: Any) -> None:
        self.wfile.write(self._text(event, data).encode())

    @staticmethod
    def _text(event: str, data: Any) -> str:
        return f"event: {event}\ndata: {json.dumps(data, separators=(',', ':'))}\nid: {data.get('seq', 0)}\n\n"

    def _json(self, content: Any, status: int = 200) -> None:
        self._answer(json.dumps(content).encode(), "application/json", status)

    def _answer(self, content: bytes, kind: str, status: int = 200) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


class Feed(NamedTuple):
    url: str
    rate: dict[str, int]
    """`books`: how many a second; may be changed at any moment."""
    sent: dict[str, int]


@contextmanager
def serving(page: Path, books_per_s: int) -> Iterator[Feed]:
    """`page` is the folder of the built page."""
    rate, sent = {"books": books_per_s}, {"books": 0}
    handler = type("Serving", (Stub,), {"page": page, "rate": rate, "sent": sent})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield Feed(f"http://127.0.0.1:{server.server_address[1]}", rate, sent)
    finally:
        server.shutdown()
        server.server_close()
