"""Alpaca's trading by their own client (alpaca-py): REST, and the stream `trade_updates` into a queue."""

from __future__ import annotations

import asyncio
import logging
import queue
import threading
import warnings
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final

from requests import RequestException

from engine.messages import Order
from streams.feeds.alpaca.messages import MessageError
from streams.feeds.alpaca.source import Keys, State, one_line
from streams.venues.alpaca import wire
from streams.venues.alpaca.routing import TIMES_IN_FORCE, Submit, Terms
from streams.venues.alpaca.wire import Balance, TheirFill, TheirOrder, Update

with warnings.catch_warnings():
    # alpaca-py uses an interface of websockets that has a successor.
    warnings.simplefilter("ignore", DeprecationWarning)
    from alpaca.common.enums import Sort
    from alpaca.common.exceptions import APIError
    from alpaca.trading.client import TradingClient
    from alpaca.trading.enums import OrderClass, OrderSide, OrderType, QueryOrderStatus, TimeInForce
    from alpaca.trading.requests import (
        GetOrderByIdRequest,
        GetOrdersRequest,
        LimitOrderRequest,
        MarketOrderRequest,
        OrderRequest,
        ReplaceOrderRequest,
        StopLimitOrderRequest,
        StopLossRequest,
        StopOrderRequest,
        TakeProfitRequest,
        TrailingStopOrderRequest,
    )
    from alpaca.trading.stream import TradingStream

log = logging.getLogger(__name__)

SECOND_NS: Final = 10**9
PAGE: Final = 100
MOST_ORDERS: Final = 500
"""Orders that one answer has at most."""
REFUSALS: Final = range(400, 500)
BUSY: Final = 429
NOT_FOUND: Final = 404


class AwayError(Exception):
    """Alpaca does not answer, or says that it cannot now; whether a request was carried out is not known. One line."""


class RefusedError(Exception):
    """Alpaca has understood the request and will not do it; one line."""

    def __init__(self, status_code: int, text: str) -> None:
        super().__init__(text)
        self.status_code = status_code


class Resync:
    """A message that cannot be used has come: ask for everything again."""


Message = Update | State | Resync


class Trading:
    """One account there."""

    def __init__(self, keys: Keys, *, paper: bool, trading_url: str, updates_url: str, retry_s: int = 3) -> None:
        """Empty addresses: Alpaca's own. `retry_s`: how long the client waits after a 429, three times."""
        # On debug level it logs frames, and the first has the keys in it.
        logging.getLogger("websockets.client").setLevel(logging.INFO)
        self.messages: queue.Queue[Message] = queue.Queue()
        self._rest = TradingClient(keys.key, keys.secret, paper=paper, raw_data=True, url_override=trading_url or None)
        self._rest._retry_wait = retry_s
        self._stream = _Stream(keys, paper, updates_url or None, self.messages)
        self._thread = threading.Thread(target=self._stream.run, name="trade-updates", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        if self._thread.is_alive():
            self._stream.stop()
            self._thread.join(timeout=10)

    # ------------------------------------------------------------------------------------------------- questions

    def balance(self) -> Balance:
        return wire.balance(self._ask(self._rest.get_account))

    def is_open(self) -> bool:
        """Whether the market trades now."""
        return bool(self._ask(self._rest.get_clock).get("is_open"))

    def positions(self) -> dict[str, Any]:
        """Symbol → signed quantity."""
        return dict(wire.position(raw) for raw in self._ask(self._rest.get_all_positions))

    def open_orders(self) -> list[TheirOrder]:
        """All of them, oldest first."""
        found: dict[str, TheirOrder] = {}
        after: datetime | None = None
        while True:
            asked = GetOrdersRequest(status=QueryOrderStatus.OPEN, limit=MOST_ORDERS, direction=Sort.ASC, after=after)
            page = [wire.order(raw) for raw in self._ask(self._rest.get_orders, asked)]
            new = [one for one in page if one.id not in found]
            found |= {one.id: one for one in new}
            if len(page) < MOST_ORDERS or not new:
                return list(found.values())
            after = datetime.fromtimestamp(page[-1].submitted_ns // SECOND_NS, UTC)

    def orders(self, name: str) -> list[TheirOrder]:
        """The order of this name, and those that have replaced it, one after the other; empty where there is none."""
        try:
            found = [wire.order(self._ask(self._rest.get_order_by_client_id, name))]
            while found[-1].replaced_by is not None:
                found.append(wire.order(self._ask(self._rest.get_order_by_id, found[-1].replaced_by)))
            return found
        except RefusedError as error:
            if error.status_code == NOT_FOUND:
                return []
            raise

    def find(self, order_id: str) -> TheirOrder | None:
        """The order of this id of theirs."""
        try:
            return wire.order(self._ask(self._rest.get_order_by_id, order_id))
        except RefusedError as error:
            if error.status_code == NOT_FOUND:
                return None
            raise

    def legs(self, order_id: str) -> tuple[TheirOrder, ...]:
        """The orders that were entered with the one of this id of theirs."""
        return wire.order(self._ask(self._rest.get_order_by_id, order_id, GetOrderByIdRequest(nested=True))).legs

    def fills(self, since_ns: int) -> list[TheirFill]:
        """All executions since then, in the order of time."""
        after = datetime.fromtimestamp(since_ns // SECOND_NS, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        asked: dict[str, Any] = {"after": after, "direction": "asc", "page_size": PAGE}
        found: list[TheirFill] = []
        while True:
            page: Sequence[Any] = self._ask(self._rest.get, "/account/activities/FILL", asked)
            found += [wire.activity(raw) for raw in page]
            if len(page) < PAGE:
                return found
            asked = {**asked, "page_token": page[-1]["id"]}

    # -------------------------------------------------------------------------------------------------- requests

    def submit(self, order: Order, asked: Submit) -> TheirOrder:
        return wire.order(self._ask(self._rest.submit_order, request(order, asked)))

    def replace(self, order_id: str, name: str, terms: Terms, *, with_quantity: bool) -> TheirOrder:
        """`with_quantity`: Alpaca changes prices only of the orders of a list."""
        asked = ReplaceOrderRequest(
            qty=int(terms.quantity) if with_quantity else None,
            limit_price=None if terms.limit_price is None else float(terms.limit_price),
            stop_price=None if terms.stop_price is None else float(terms.stop_price),
            client_order_id=name,
        )
        return wire.order(self._ask(self._rest.replace_order_by_id, order_id, asked))

    def cancel(self, order_id: str) -> None:
        self._ask(self._rest.cancel_order_by_id, order_id)

    def _ask(self, how: Any, *arguments: Any) -> Any:
        """Raises `AwayError`, `RefusedError`; `MessageError` is the caller's."""
        try:
            return how(*arguments)
        except APIError as error:
            code = error.status_code
            if code is not None and code in REFUSALS and code != BUSY:
                raise RefusedError(code, _said(error)) from None
            raise AwayError(one_line(error)) from None
        except (RequestException, ValueError) as error:
            raise AwayError(one_line(error)) from None


def _said(error: Any) -> str:
    """Alpaca's own words."""
    try:
        return str(error.message)[:200]
    except (ValueError, KeyError, TypeError):
        return one_line(error)


def request(order: Order, asked: Submit) -> OrderRequest:
    """Our order as alpaca-py's, with what goes with it."""
    common: dict[str, Any] = {
        "symbol": order.symbol,
        "qty": float(asked.quantity),
        "side": OrderSide(order.side),
        "time_in_force": TimeInForce(TIMES_IN_FORCE[order.time_in_force or ""]),
        "client_order_id": asked.name,
    }
    limit, stop = _price(order.limit_price), _price(order.stop_price)
    if asked.order_class != OrderClass.SIMPLE:
        common["order_class"] = OrderClass(asked.order_class)
    if asked.take_profit is not None:
        common["take_profit"] = TakeProfitRequest(limit_price=float(asked.take_profit.limit_price or 0))
    if asked.stop_loss is not None:
        exit_at = _price(asked.stop_loss.limit_price)
        common["stop_loss"] = StopLossRequest(stop_price=float(asked.stop_loss.stop_price or 0), limit_price=exit_at)
    if asked.order_class == OrderClass.OCO:
        return LimitOrderRequest(**common)
    match OrderType(order.order_type):
        case OrderType.MARKET:
            return MarketOrderRequest(**common)
        case OrderType.LIMIT:
            return LimitOrderRequest(**common, limit_price=limit)
        case OrderType.STOP:
            return StopOrderRequest(**common, stop_price=stop)
        case OrderType.STOP_LIMIT:
            return StopLimitOrderRequest(**common, stop_price=stop, limit_price=limit)
        case OrderType.TRAILING_STOP:
            amount = None if order.trail_amount is None else float(order.trail_amount)
            percent = None if order.trail_percent is None else float(order.trail_percent)
            return TrailingStopOrderRequest(**common, trail_price=amount, trail_percent=percent)


def _price(text: str | None) -> float | None:
    return None if text is None else float(text)


class _Stream(TradingStream):
    """Tells when the connection is up and when it is down; the client connects again by itself."""

    def __init__(self, keys: Keys, paper: bool, url: str | None, messages: queue.Queue[Message]) -> None:
        super().__init__(keys.key, keys.secret, paper=paper, raw_data=True, url_override=url)  # type: ignore[arg-type]
        self._messages = messages
        self._is_up = False
        self.subscribe_trade_updates(self._on_update)

    async def _on_update(self, raw: Any) -> None:
        try:
            self._messages.put(wire.update(raw.get("data") or {}))
        except MessageError as error:
            log.warning("an update of Alpaca cannot be used, all orders are looked at again: %s", error)
            self._messages.put(Resync())

    async def _start_ws(self) -> None:
        await super()._start_ws()  # type: ignore[no-untyped-call]
        self._is_up = True
        self._messages.put(State.UP)

    def stop(self) -> None:
        """Nothing to stop before the thread has begun."""
        loop: asyncio.AbstractEventLoop | None = getattr(self, "_loop", None)
        if loop is not None:
            super().stop()
            # The client waits five seconds for a message otherwise.
            asyncio.run_coroutine_threadsafe(self.close(), loop)

    async def close(self) -> None:
        if self._is_up:
            self._is_up = False
            self._messages.put(State.DOWN)
        await super().close()
