"""A strategy's desk: what it holds, which of its orders work, and the way out for its commands. Pure.

All of it follows from the events delivered and the commands sent, so that it is the same in a backtest and live.
Commands are those of `engine.messages`; a `client_order_id` is TAG-NUMBER, so that a strategy that is started again
after a fault sends the same ids, and the engine answers a repeat with the first outcome.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Final

import msgspec
from msgspec import Struct

from engine.messages import Cancel, ListedOrder, NewOrder, OrderCommand, OrderList, Replace
from engine.units import MONEY_DECIMALS, divide_half_even
from streams.strategies.events import WORKING, Bar, BookUpdate, Event, Level, OrderUpdate, TradeUpdate
from streams.strategies.instrument import Listed

MONEY: Final = 10**MONEY_DECIMALS
Number = float | int | Decimal


class Target(Struct, frozen=True, kw_only=True, tag="target"):
    """Asks for a position worth `fraction` of the equity (negative: short). The quantity is found where the order meets
    the market: in a backtest of bars at the next open, live at once at the last price known."""

    symbol: str
    fraction: float
    client_order_id: str


Outgoing = OrderCommand | Target


class WorkingOrder(Struct):
    """One of the desk's orders that is not at its end, as the last report said."""

    client_order_id: str
    symbol: str
    side: str
    quantity: float
    leaves_quantity: float
    limit_price: float | None
    status: str


class DeskState(Struct):
    """What a desk saves."""

    sent: int = 0
    cash: int = 0
    """Money units: what was there at first, less purchases and fees, plus sales."""
    lots: dict[str, int] = {}
    marks: dict[str, int] = {}
    """Ticks of the last price seen; twice that, so that a middle between two ticks is whole."""
    working: dict[str, WorkingOrder] = {}
    now_ns: int = 0


class Desk:
    """One strategy's orders and holdings."""

    def __init__(
        self, account: str, tag: str, instruments: Mapping[str, Listed], *, cash: Decimal, strategy: str | None = None
    ) -> None:
        """`tag`: begins every client_order_id; one that the account has used before makes them repeats.
        `cash`: what the strategy has to trade with, for `equity` and `target`."""
        self.account = account
        self.tag = tag
        self.instruments = dict(instruments)
        self.strategy = strategy
        self.state = DeskState(cash=int(cash * MONEY), lots={}, marks={}, working={})
        self.warm = True
        """False while history is played in: orders are then not sent, but counted in `held_back`."""
        self.held_back = 0
        self._out: list[Outgoing] = []

    # ----------------------------------------------------------------------------------------------- what there is

    @property
    def now_ns(self) -> int:
        """Time of the event that is being handled."""
        return self.state.now_ns

    @property
    def cash(self) -> float:
        return self.state.cash / MONEY

    @property
    def equity(self) -> float:
        """Cash, and what is held at the last prices seen."""
        return self._equity() / MONEY

    def _equity(self) -> int:
        total = self.state.cash
        for symbol, lots in self.state.lots.items():
            if lots:
                total += divide_half_even(
                    lots * self.state.marks[symbol] * self.instruments[symbol].scale.money_per_tick_lot, 2
                )
        return total

    def position(self, symbol: str) -> float:
        """Signed quantity held."""
        return self._listed(symbol).quantity(self.state.lots.get(symbol, 0))

    def working(self, symbol: str | None = None, side: str | None = None) -> list[WorkingOrder]:
        """Orders that are not at their end, oldest first."""
        return [
            order
            for order in self.state.working.values()
            if (symbol is None or order.symbol == symbol) and (side is None or order.side == side)
        ]

    def pending(self, symbol: str) -> float:
        """Signed quantity that the working orders would add to the position."""
        return sum(
            order.leaves_quantity if order.side == "buy" else -order.leaves_quantity for order in self.working(symbol)
        )

    def last_price(self, symbol: str) -> float | None:
        """The last close, trade or middle seen, None before the first."""
        half_ticks = self.state.marks.get(symbol)
        return None if half_ticks is None else self._listed(symbol).price(half_ticks) / 2

    def others(self, book: BookUpdate) -> BookUpdate:
        """A book without this desk's own working orders, as far as their reports have told of them; an iceberg
        counts with what it hides."""
        own: dict[tuple[str, float], float] = {}
        for order in self.working(book.symbol):
            if order.limit_price is not None and order.status != "pending_new":
                place = (order.side, order.limit_price)
                own[place] = own.get(place, 0.0) + order.leaves_quantity
        if not own:
            return book

        def left(side: str, levels: tuple[Level, ...]) -> tuple[Level, ...]:
            rest = ((price, quantity - own.get((side, price), 0.0)) for price, quantity in levels)
            return tuple((price, quantity) for price, quantity in rest if quantity > 0)

        return msgspec.structs.replace(book, bids=left("buy", book.bids), asks=left("sell", book.asks))

    def tick(self, symbol: str) -> float:
        """Tick size."""
        return self._listed(symbol).price(1)

    def lot(self, symbol: str) -> float:
        """Lot size."""
        return self._listed(symbol).quantity(1)

    # ---------------------------------------------------------------------------------------------------- commands

    def buy(self, symbol: str, quantity: Number, **terms: object) -> str:
        """Sends an order: at the market, or with `limit_price`, `stop_price`, … as in `engine.messages.NewOrder`.

        Prices may be floats: a limit goes to the tick at or behind it, any other price to the nearest tick; a quantity
        to whole lots, towards zero. Returns the client_order_id. Raises ValueError for an unknown symbol or a quantity
        below one lot."""
        return self._new(symbol, "buy", quantity, terms)

    def sell(self, symbol: str, quantity: Number, **terms: object) -> str:
        """As `buy`."""
        return self._new(symbol, "sell", quantity, terms)

    def target(self, symbol: str, fraction: float) -> str:
        """Makes the position worth `fraction` of the equity with a market order (see `Target`)."""
        self._listed(symbol)
        name = self._next_id()
        self._send(Target(symbol=symbol, fraction=fraction, client_order_id=name))
        return name

    def bracket(
        self, symbol: str, side: str, quantity: Number, *, take_profit: Number, stop_loss: Number, **terms: object
    ) -> str:
        """An entry with its take-profit (a limit order) and its stop-loss (a stop order), of which one ends the other.
        Returns the entry's client_order_id; the exits' are its with `-2` and `-3`."""
        name = self._next_id()
        exit_side = "sell" if side == "buy" else "buy"
        size = self._lots(symbol, quantity)
        orders = [
            self._leg(symbol, side, size, f"{name}-1", terms),
            self._leg(symbol, exit_side, size, f"{name}-2", {"limit_price": take_profit}),
            self._leg(symbol, exit_side, size, f"{name}-3", {"stop_price": stop_loss, "order_type": "stop"}),
        ]
        self._send(
            OrderList(account=self.account, symbol=symbol, list_type="bracket", orders=orders, strategy=self.strategy)
        )
        return f"{name}-1"

    def cancel(self, client_order_id: str) -> None:
        order = self.state.working.get(client_order_id)
        symbol = None if order is None else order.symbol
        self._send(Cancel(account=self.account, client_order_id=client_order_id, symbol=symbol))

    def cancel_all(self, symbol: str | None = None, side: str | None = None) -> None:
        """Cancels this desk's working orders, one by one: the account may have others."""
        for order in self.working(symbol, side):
            self.cancel(order.client_order_id)

    def replace(
        self, client_order_id: str, *, quantity: Number | None = None, limit_price: Number | None = None
    ) -> None:
        """Changes a working order; `quantity` is the whole new one, filled part included. Raises ValueError where the
        order is not working."""
        order = self.state.working.get(client_order_id)
        if order is None:
            raise ValueError(f"{client_order_id} is not a working order of this strategy")
        unit = self._listed(order.symbol)
        self._send(
            Replace(
                account=self.account,
                symbol=order.symbol,
                client_order_id=client_order_id,
                quantity=None if quantity is None else unit.exact_quantity(self._lots(order.symbol, quantity)),
                limit_price=None
                if limit_price is None
                else unit.exact_price(unit.passive_ticks(_plain(limit_price), order.side)),
            )
        )

    def send(self, command: OrderCommand) -> None:
        """Any other command, as it is."""
        self._send(command)

    def taken(self) -> list[Outgoing]:
        """What was sent since the last call: the driver passes it on."""
        out, self._out = self._out, []
        return out

    def sized(self, target: Target, price_ticks: int) -> NewOrder | None:
        """The market order that brings a position to its target at a price; None where nothing is missing."""
        unit = self._listed(target.symbol)
        worth = price_ticks * unit.scale.money_per_tick_lot
        held = self.state.lots.get(target.symbol, 0)
        mark = self.state.marks.get(target.symbol, 2 * price_ticks)
        # Equity at this price, not at the last close: what is bought is paid from what the rest is worth now.
        equity = self._equity() + divide_half_even(held * (2 * price_ticks - mark) * unit.scale.money_per_tick_lot, 2)
        numerator, denominator = target.fraction.as_integer_ratio()
        wanted = abs(equity * numerator) // (denominator * worth)
        lots = (wanted if equity * numerator > 0 else -wanted) - held
        if lots == 0:
            return None
        return NewOrder(
            account=self.account,
            symbol=target.symbol,
            side="buy" if lots > 0 else "sell",
            quantity=unit.exact_quantity(abs(lots)),
            order_type="market",
            time_in_force="gtc",
            client_order_id=target.client_order_id,
            strategy=self.strategy,
        )

    # ------------------------------------------------------------------------------------------------------ parts

    def _listed(self, symbol: str) -> Listed:
        unit = self.instruments.get(symbol)
        if unit is None:
            known = ", ".join(self.instruments) or "none"
            raise ValueError(f"symbol {symbol} is not one of this strategy's ({known})")
        return unit

    def _lots(self, symbol: str, quantity: Number) -> int:
        lots = self._listed(symbol).lots(_plain(quantity))
        if lots < 1:
            raise ValueError(f"quantity {quantity} of {symbol} is less than one lot")
        return lots

    def _next_id(self) -> str:
        self.state.sent += 1
        return f"{self.tag}-{self.state.sent}"

    def _new(self, symbol: str, side: str, quantity: Number, terms: dict[str, object]) -> str:
        lots = self._lots(symbol, quantity)
        name = self._next_id()
        leg = self._leg(symbol, side, lots, name, terms)
        fields = {field: getattr(leg, field) for field in leg.__struct_fields__}
        self._send(NewOrder(account=self.account, symbol=symbol, strategy=self.strategy, **fields))
        return name

    def _leg(self, symbol: str, side: str, lots: int, name: str, terms: Mapping[str, object]) -> ListedOrder:
        unit = self._listed(symbol)
        fields: dict[str, object] = dict(terms)
        if "order_type" not in fields:
            fields["order_type"] = "market" if fields.get("limit_price") is None else "limit"
        # At the market too: it never rests in continuous trading, and auctions take no ioc.
        fields.setdefault("time_in_force", "gtc")
        if fields.get("limit_price") is not None:
            fields["limit_price"] = unit.exact_price(unit.passive_ticks(_plain(fields["limit_price"]), side))
        for field in ("stop_price", "trail_amount"):
            if fields.get(field) is not None:
                fields[field] = unit.exact_price(unit.ticks(_plain(fields[field])))
        if fields.get("trail_percent") is not None:
            fields["trail_percent"] = Decimal(str(fields["trail_percent"]))
        if fields.get("display_quantity") is not None:
            fields["display_quantity"] = unit.exact_quantity(unit.lots(_plain(fields["display_quantity"])))
        return ListedOrder(side=side, quantity=unit.exact_quantity(lots), client_order_id=name, **fields)  # type: ignore[arg-type]

    def _send(self, command: Outgoing) -> None:
        if self.warm:
            self._out.append(command)
            self._expect(command)
        else:
            self.held_back += 1

    def _expect(self, command: Outgoing) -> None:
        """Until the first report an order counts as working, so that no strategy sends it twice."""
        if isinstance(command, NewOrder):
            self._await(command.client_order_id or "", command.symbol, command)
        elif isinstance(command, OrderList):
            self._await(command.orders[0].client_order_id or "", command.symbol, command.orders[0])

    def _await(self, name: str, symbol: str, order: NewOrder | ListedOrder) -> None:
        self.state.working[name] = WorkingOrder(
            client_order_id=name,
            symbol=symbol,
            side=order.side,
            quantity=float(order.quantity),
            leaves_quantity=float(order.quantity),
            limit_price=None if order.limit_price is None else float(order.limit_price),
            status="pending_new",
        )

    # ------------------------------------------------------------------------------------------------- what happens

    def note(self, event: Event) -> None:
        """Takes in an event before the strategy sees it."""
        state = self.state
        state.now_ns = event.ts_ns
        if isinstance(event, Bar):
            unit = self.instruments.get(event.symbol)
            if unit is not None:
                state.marks[event.symbol] = 2 * unit.ticks(event.close)
        elif isinstance(event, TradeUpdate):
            unit = self.instruments.get(event.symbol)
            if unit is not None:
                state.marks[event.symbol] = 2 * unit.ticks(event.price)
        elif isinstance(event, BookUpdate):
            unit = self.instruments.get(event.symbol)
            if unit is not None and event.mid is not None:
                state.marks[event.symbol] = unit.ticks(event.bids[0][0]) + unit.ticks(event.asks[0][0])
        elif isinstance(event, OrderUpdate):
            self._note_order(event)

    def _note_order(self, event: OrderUpdate) -> None:
        if event.is_fill and event.last_quantity is not None and event.last_price is not None:
            unit = self._listed(event.symbol)
            lots, ticks = unit.lots(event.last_quantity), unit.ticks(event.last_price)
            signed = lots if event.side == "buy" else -lots
            self.state.lots[event.symbol] = self.state.lots.get(event.symbol, 0) + signed
            self.state.cash -= signed * ticks * unit.scale.money_per_tick_lot + round(event.fee * MONEY)
            self.state.marks.setdefault(event.symbol, 2 * ticks)
        if event.order_status not in WORKING:
            self.state.working.pop(event.client_order_id, None)
            return
        self.state.working[event.client_order_id] = WorkingOrder(
            client_order_id=event.client_order_id,
            symbol=event.symbol,
            side=event.side or "",
            quantity=event.quantity,
            leaves_quantity=event.leaves_quantity,
            limit_price=event.limit_price,
            status=event.order_status,
        )

    def save(self) -> bytes:
        return msgspec.json.encode(self.state)

    def restore(self, saved: bytes) -> None:
        self.state = msgspec.json.decode(saved, type=DeskState)


def _plain(value: object) -> float | Decimal:
    if isinstance(value, Decimal):
        return value
    if isinstance(value, int | float):
        return float(value)
    raise ValueError(f"{value!r} is no number")
