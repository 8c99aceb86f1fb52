"""Fills of Alpaca's become fills of ours: by commands that the engine sequences and journals, each once."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Final

from engine.client import Client
from engine.messages import NewOrder, Order, Reply, VenueFill
from streams.strategies.instrument import Listed
from streams.venues.alpaca.corrections import OPPOSITE, Booking
from streams.venues.alpaca.wire import TheirFill

MONEY: Final = Decimal("0.000001")
SESSION_OVER: Final = frozenset({"unknown_account", "unknown_symbol", "not_authorized", "busy", "malformed"})
"""The engine is not the one that we logged in to, or takes nothing: begin again."""


def must(reply: Reply) -> None:
    """Raises ConnectionError where the engine has not taken what it always takes."""
    if reply.reason is not None:
        raise ConnectionError(reply.text or reply.reason)


def refused(reply: Reply) -> str | None:
    """Why the engine would not take it. Raises ConnectionError where the session is over."""
    if reply.reason in SESSION_OVER:
        must(reply)
    return None if reply.reason is None else reply.text or reply.reason


class Bookkeeper:
    """Writes into the engine's books, through one client at a time. What is refused is told, in one line."""

    def __init__(self, units: Mapping[str, Listed], venue: str) -> None:
        """`venue`: the account that has the other side."""
        self._units = units
        self._venue = venue
        self.client: Client

    def fill(self, order: Order, fill: TheirFill, total: Decimal) -> str | None:
        """Of an order that was filled there, and has `total` after it."""
        assert order.side is not None
        price, fee = self._at_a_tick(order.symbol, order.side, fill.quantity, fill.price)
        return self._send(order.order_id, fill.name, fill.quantity, price, total, fee, fill.ts_ns)

    def correction(self, order: Order, booking: Booking) -> str | None:
        """By an order of the same account, which is filled at once."""
        price, fee = self._at_a_tick(order.symbol, booking.side, booking.quantity, booking.price)
        command = NewOrder(
            account=order.account,
            symbol=order.symbol,
            side=booking.side,
            quantity=booking.quantity,
            limit_price=price,
            time_in_force="gtc",
            client_order_id=booking.name,
            strategy=order.strategy,
        )
        (reply,) = self.client.submit([command])
        why = refused(reply)
        if why is not None or reply.order_id is None:
            return why or "no order"
        return self._send(reply.order_id, booking.name, booking.quantity, price, booking.quantity, fee, 0)

    def finish(self, order: Order) -> str | None:
        """One of `correction` whose fill is missing since we went away. What was between two ticks is not known any
        more."""
        quantity, price = Decimal(order.quantity), Decimal(order.limit_price or 0)
        return self._send(order.order_id, order.client_order_id, quantity, price, quantity, Decimal(0), 0)

    def _send(
        self, order_id: str, name: str, quantity: Decimal, price: Decimal, total: Decimal, fee: Decimal, ts_ns: int
    ) -> str | None:
        command = VenueFill(
            order_id=order_id,
            venue=self._venue,
            execution_id=name,
            quantity=quantity,
            price=price,
            filled_quantity=total,
            fee=fee,
            transact_ns=ts_ns,
        )
        return refused(self.client.administer(command))

    def _at_a_tick(self, symbol: str, side: str, quantity: Decimal, exact: Decimal) -> tuple[Decimal, Decimal]:
        """Price and fee. Between our ticks: at the tick that is worse for the order, which gets the rest as a negative
        fee."""
        unit = self._units[symbol]
        price = unit.exact_price(unit.passive_ticks(exact, OPPOSITE[side]))
        return price, (-abs(price - exact) * quantity).quantize(MONEY, ROUND_HALF_EVEN) + 0


def held(client: Client, venue: str) -> list[tuple[str, Decimal, Decimal, Decimal]]:
    """Symbol, quantity, cash and fees of each position of the account that stands for Alpaca."""
    return [
        (one.symbol, Decimal(one.quantity), Decimal(one.cash), Decimal(one.fees))
        for one in client.positions().positions
        if one.account == venue
    ]
