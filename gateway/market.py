"""What everybody sees: instruments, books, the tape, candles. A login is needed all the same."""

from __future__ import annotations

import contextlib
from typing import Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from engine.messages import Book, Instrument
from engine.words import Reason
from gateway import bodies, browser, paging
from gateway.auth import Authenticator
from gateway.channels import BOOK
from gateway.exchange import Exchange
from gateway.history import LATEST_S, History
from gateway.hub import Hub
from gateway.latest import Away, Latest
from gateway.problems import not_found, unavailable

BOOK_LEVELS: Final = 20
LARGEST_INTERVAL_S: Final = 86_400
LARGEST_CANDLES: Final = 5_000
INTERVALS: Final = {
    "1s": 1, "5s": 5, "15s": 15, "30s": 30, "1m": 60, "5m": 300, "15m": 900, "30m": 1800, "1h": 3600, "4h": 14_400,
    "1d": 86_400,
}  # fmt: skip
"""Words for the usual lengths; any whole number of seconds is one too."""


class _Phase(msgspec.Struct):
    seq: int
    phase: str


_book: Final = msgspec.json.Decoder(Book)
_phase: Final = msgspec.json.Decoder(_Phase)


class Market:
    def __init__(
        self, authenticator: Authenticator, exchange: Exchange, hub: Hub, latest: Latest, history: History
    ) -> None:
        self._authenticator = authenticator
        self._exchange = exchange
        self._hub = hub
        self._latest = latest
        self._history = history

    def _known(self) -> dict[str, Instrument]:
        """Raises `Problem` 503 where neither Kafka nor the engine has told yet."""
        known = {listed.symbol: listed for listed in self._exchange.listings} | self._hub.state.instruments
        if not known:
            raise unavailable("engine", "neither the engine nor Kafka has told the instruments yet")
        return known

    async def _symbol(self, request: Request) -> str:
        """Raises `Problem` 404 for an instrument that there is not."""
        symbol: str = request.path_params["symbol"]
        if symbol not in self._known() and not self._hub.live and self._exchange.connected:
            await self._exchange.refresh()
        if symbol not in self._known():
            raise not_found(f"no instrument has the symbol {symbol[:24]}", "symbol", Reason.UNKNOWN_SYMBOL.wire)
        return symbol

    async def instruments(self, request: Request) -> Response:
        """GET /api/instruments"""
        self._authenticator.identify(request)
        bodies.parameters(request)
        known = sorted(map(self._now, self._known().values()), key=lambda listed: listed.instrument_id)
        return browser.reply(browser.encoded({"instruments": known}))

    def _now(self, listed: Instrument) -> Instrument:
        """With the phase that its book was last published in, where that is newer."""
        value = self._hub.state.latest[BOOK.name].get(listed.symbol)
        if value is None:
            return listed
        book = _phase.decode(value)
        return listed if book.seq < listed.seq else msgspec.structs.replace(listed, phase=book.phase)

    async def book(self, request: Request) -> Response:
        """GET /api/book/{symbol}?levels="""
        self._authenticator.identify(request)
        symbol = await self._symbol(request)
        levels = bodies.whole(bodies.parameters(request, "levels"), "levels", BOOK_LEVELS, 1, BOOK_LEVELS)
        value = self._hub.state.latest[BOOK.name].get(symbol)
        if value is None and not self._hub.loaded.is_set():
            with contextlib.suppress(Away):
                value = await self._latest.book(symbol)
        if value is not None:
            book = _book.decode(value)
        else:
            # An empty book has never been published: the engine says what there is.
            book = await self._exchange.depth(symbol, levels)
        shown = msgspec.structs.replace(book, bids=book.bids[:levels], asks=book.asks[:levels])
        return browser.reply(browser.encoded(shown))

    async def trades(self, request: Request) -> Response:
        """GET /api/trades/{symbol}?limit=&cursor=: newest first."""
        self._authenticator.identify(request)
        symbol = await self._symbol(request)
        values = bodies.parameters(request, "limit", "cursor")
        limit, beyond = bodies.page_size(values), paging.cursor_place(values.get("cursor"))
        ring = self._hub.state.trades.get(symbol, ())
        places = [(event.seq, event.index) for event in ring]
        found = {
            place: event.json for place, event in zip(places, ring, strict=True) if beyond is None or place < beyond
        }
        if len(found) < limit:
            stored = await self._history.trades(symbol, limit, beyond)
            found = {(trade.seq, trade.index): browser.encoded(trade) for trade in stored} | found
        newest = sorted(found, reverse=True)[:limit]
        more = paging.cursor_text(newest[-1]) if len(newest) == limit else None
        rest = b',"next_cursor":' + msgspec.json.encode(more)
        return browser.reply(browser.listed("trades", [found[place] for place in newest], rest))

    async def candles(self, request: Request) -> Response:
        """GET /api/candles/{symbol}?interval=1m&start_s=&end_s=&limit=500: oldest first."""
        self._authenticator.identify(request)
        symbol = await self._symbol(request)
        values = bodies.parameters(request, "interval", "start_s", "end_s", "limit")
        interval_s = INTERVALS.get(values.get("interval", "1m"))
        if interval_s is None:
            interval_s = bodies.whole(values, "interval", 60, 1, LARGEST_INTERVAL_S)
        limit = bodies.whole(values, "limit", 500, 1, LARGEST_CANDLES)
        start_s = bodies.whole(values, "start_s", 0, 0, LATEST_S)
        end_s = bodies.whole(values, "end_s", LATEST_S, 0, LATEST_S)
        candles = await self._history.candles(symbol, interval_s, limit, start_s, end_s)
        return browser.reply(browser.encoded({"symbol": symbol, "interval_s": interval_s, "candles": candles}))
