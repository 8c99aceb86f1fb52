"""Orders as the reference sees them: what each command does, in the order of the rules."""

from __future__ import annotations

from collections.abc import Iterable
from types import SimpleNamespace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from engine.layout import COMMAND, REPLY, REPORT
from engine.messages import AdministrativeCommand
from engine.reference.answers import Applied, Refused, as_it_is, records, rejection
from engine.reference.book import Instrument, Order
from engine.reference.reference_data import ReferenceData
from engine.words import CommandType, ExecType, Liquidity, OrderStatus, OrderType, Outcome, Reason, Side, TimeInForce

NOT_YET: Final = ("flags", "display_quantity", "stop_price", "trail", "expires_ns", "self_trade_prevention")
"""What a new order may not ask for yet, in the order in which it is looked at."""
CONTENT: Final = (
    *("instrument", "side", "order_type", "time_in_force", "quantity", "limit_price", "strategy"),
    *NOT_YET,
)
"""What a repeat must have in common with the first command. When, whence and by whom it was sent may differ."""


class Reference:
    """The engine's state, and what each command does to it."""

    def __init__(self, *, max_orders: int, max_client_ids: int = 0) -> None:
        self.max_orders = max_orders
        self.max_client_ids = max_client_ids or 2 * max_orders
        self._data = ReferenceData()
        self.instruments = self._data.instruments
        self.accounts = self._data.accounts
        self.remembered: dict[tuple[int, bytes], Order] = {}  # (account, client_order_id), oldest first
        self._reports: list[dict[str, Any]] = []

    # ------------------------------------------------------------------------------------------------ orders

    def apply(self, commands: NDArray[Any]) -> Applied:
        """Applies COMMAND records in order."""
        reports: list[dict[str, Any]] = []
        replies: list[dict[str, Any]] = []
        for record in commands:
            # A namespace of Python integers and bytes: numbers of a fixed size would wrap around.
            command = SimpleNamespace(**dict(zip(COMMAND.names or (), record.item(), strict=True)))
            self._reports = []
            replies.append({"seq": command.seq} | self._apply(command))
            reports += self._reports
        return Applied(records(reports, REPORT), records(replies, REPLY))

    def _apply(self, command: Any) -> dict[str, Any]:
        match command.type:
            case CommandType.NEW:
                return self._new(command)
            case CommandType.CANCEL:
                return self._cancel(command)
            case CommandType.REPLACE:
                return self._replace(command)
            case CommandType.CANCEL_ALL:
                return self._cancel_all(command)
        return rejection(Refused(Reason.INVALID_FIELD, "type"))

    def _new(self, command: Any) -> dict[str, Any]:
        try:
            self._check_account(command)
            _check_client_order_id(command.client_order_id)
            first = self.remembered.get((command.account, command.client_order_id))
            content = tuple(getattr(command, name) for name in CONTENT)
            if first is not None and first.content == content:
                return first.first_reply | {"outcome": Outcome.DUPLICATE}
            if first is not None:
                raise Refused(Reason.DUPLICATE_CLIENT_ORDER_ID, "client_order_id")
        except Refused as refused:
            return self._reject_new(command, refused, order_id=0)

        order = Order(
            order_id=command.seq,
            account=command.account,
            client_order_id=command.client_order_id,
            content=content,
            instrument=command.instrument,
            side=command.side,
            order_type=command.order_type,
            time_in_force=command.time_in_force,
            quantity=command.quantity,
            limit_price=command.limit_price,
            strategy=command.strategy,
            source=command.source,
        )
        try:
            self._check_new(command)
        except Refused as refused:
            order.status = OrderStatus.REJECTED
            self._remember(order)
            order.first_reply = self._reject_new(command, refused, order.order_id)
            return order.first_reply
        self._remember(order)
        self._report(command, order, ExecType.NEW)
        self._match(command, order)
        self._settle(command, order)
        order.first_reply = {"outcome": Outcome.ACCEPTED} | as_it_is(order)
        return order.first_reply

    def _cancel(self, command: Any) -> dict[str, Any]:
        order = None
        try:
            order = self._named_order(command)
            _check_works(command, order)
        except Refused as refused:
            return self._reject_change(command, order, refused)
        self._cancel_order(command, order)
        return {"outcome": Outcome.ACCEPTED} | as_it_is(order)

    def _replace(self, command: Any) -> dict[str, Any]:
        order = None
        try:
            order = self._named_order(command)
            _check_works(command, order)
            instrument = self.instruments[order.instrument - 1]
            quantity = command.quantity or order.quantity
            limit_price = command.limit_price or order.limit_price
            if not order.filled < quantity <= instrument.max_quantity:
                raise Refused(Reason.INVALID_QUANTITY, "quantity")
            _check_limit_price(instrument, limit_price)
        except Refused as refused:
            return self._reject_change(command, order, refused)
        keeps_its_place = limit_price == order.limit_price and quantity <= order.quantity
        order.quantity = quantity
        if keeps_its_place:
            self._report(command, order, ExecType.REPLACED)
        else:
            instrument.queue(order.side).remove(order)
            order.limit_price = limit_price
            self._report(command, order, ExecType.REPLACED)
            self._match(command, order)
            self._settle(command, order)
        return {"outcome": Outcome.ACCEPTED} | as_it_is(order)

    def _cancel_all(self, command: Any) -> dict[str, Any]:
        try:
            self._check_account(command)
        except Refused as refused:
            return self._reject_change(command, None, refused)
        orders = [
            order
            for order in self._working()
            if order.account == command.account
            and command.instrument in (0, order.instrument)
            and command.side in (0, order.side)
        ]
        for order in sorted(orders, key=lambda order: order.order_id):
            self._cancel_order(command, order)
        return {"outcome": Outcome.ACCEPTED, "affected": len(orders)}

    # ---------------------------------------------------------------------------------------------- matching

    def _match(self, command: Any, taker: Order) -> None:
        """Trades with the best order of the other side, at its price, as long as the taker takes that price."""
        instrument = self.instruments[taker.instrument - 1]
        makers = instrument.queue(Side.SELL if taker.side == Side.BUY else Side.BUY)
        match_number = 0
        while taker.leaves > 0 and makers and taker.takes(makers[0].limit_price):
            maker = makers[0]
            quantity = min(taker.leaves, maker.leaves)
            price = maker.limit_price
            match_number += 1
            instrument.last_price = price
            for order, liquidity, ppm in (
                (maker, Liquidity.MAKER, instrument.definition.maker_fee_ppm),
                (taker, Liquidity.TAKER, instrument.definition.taker_fee_ppm),
            ):
                order.filled += quantity
                order.notional += quantity * price
                done = order.filled == order.quantity
                order.status = OrderStatus.FILLED if done else OrderStatus.PARTIALLY_FILLED
                self._report(
                    command,
                    order,
                    ExecType.TRADE,
                    match=match_number,
                    last_quantity=quantity,
                    last_price=price,
                    fee=instrument.fee(quantity, price, ppm),
                    liquidity=liquidity,
                )
            if not maker.works:
                makers.pop(0)

    def _settle(self, command: Any, order: Order) -> None:
        """What is left after matching rests, or is canceled where it may not rest."""
        if not order.works:
            return
        if order.order_type == OrderType.MARKET or order.time_in_force == TimeInForce.IOC:
            order.status = OrderStatus.CANCELED
            self._report(command, order, ExecType.CANCELED, reason=Reason.NO_LIQUIDITY)
        else:
            self.instruments[order.instrument - 1].rest(order)

    def _cancel_order(self, command: Any, order: Order) -> None:
        self.instruments[order.instrument - 1].queue(order.side).remove(order)
        order.status = OrderStatus.CANCELED
        self._report(command, order, ExecType.CANCELED)

    def _working(self) -> Iterable[Order]:
        for instrument in self.instruments:
            yield from instrument.bids
            yield from instrument.asks

    def _remember(self, order: Order) -> None:
        """Where the memory is full, the oldest closed order is forgotten; a working one met on the way is passed
        over and goes to the end of the line."""
        while len(self.remembered) >= self.max_client_ids:
            key = next(iter(self.remembered))
            oldest = self.remembered.pop(key)
            if oldest.works:
                self.remembered[key] = oldest
        self.remembered[order.account, order.client_order_id] = order

    # ------------------------------------------------------------------------------------------------ checks

    def _check_account(self, command: Any) -> None:
        if not 1 <= command.account <= len(self.accounts):
            raise Refused(Reason.UNKNOWN_ACCOUNT, "account")

    def _check_new(self, command: Any) -> None:
        if not 1 <= command.instrument <= len(self.instruments):
            raise Refused(Reason.UNKNOWN_SYMBOL, "symbol")
        instrument = self.instruments[command.instrument - 1]
        if command.side not in tuple(Side):
            raise Refused(Reason.INVALID_FIELD, "side")
        if command.order_type not in tuple(OrderType):
            raise Refused(Reason.INVALID_FIELD, "order_type")
        if command.order_type not in (OrderType.MARKET, OrderType.LIMIT):
            raise Refused(Reason.UNSUPPORTED, "order_type")
        if command.time_in_force not in tuple(TimeInForce):
            raise Refused(Reason.INVALID_FIELD, "time_in_force")
        if command.time_in_force not in (TimeInForce.DAY, TimeInForce.GTC, TimeInForce.IOC):
            raise Refused(Reason.UNSUPPORTED, "time_in_force")
        for name in NOT_YET:
            if getattr(command, name) != 0:
                raise Refused(Reason.UNSUPPORTED, name)
        if not 0 < command.quantity <= instrument.max_quantity:
            raise Refused(Reason.INVALID_QUANTITY, "quantity")
        if command.order_type == OrderType.LIMIT:
            _check_limit_price(instrument, command.limit_price)
        elif command.limit_price != 0:
            raise Refused(Reason.INVALID_FIELD, "limit_price")
        if sum(len(book.bids) + len(book.asks) for book in self.instruments) >= self.max_orders:
            raise Refused(Reason.CAPACITY)

    def _named_order(self, command: Any) -> Order:
        """The account's order that a cancel or replace names by its number, or else by its client order id."""
        self._check_account(command)
        if command.order_id:
            order = next((o for o in self.remembered.values() if o.order_id == command.order_id), None)
        else:
            order = self.remembered.get((command.account, command.client_order_id))
        if order is not None and order.account == command.account:
            return order
        raise Refused(Reason.UNKNOWN_ORDER, _naming_field(command))

    # ----------------------------------------------------------------------------------------------- answers

    def _report(self, command: Any, order: Order, exec_type: ExecType, **more: int) -> None:
        """The order as it stands now, changed by the command."""
        self._add_report(
            command,
            exec_type=exec_type,
            order_status=order.status,
            account=order.account,
            instrument=order.instrument,
            side=order.side,
            order_type=order.order_type,
            time_in_force=order.time_in_force,
            order_id=order.order_id,
            client_order_id=order.client_order_id,
            strategy=order.strategy,
            source=order.source,
            quantity=order.quantity,
            filled=order.filled,
            leaves=order.leaves,
            notional=order.notional,
            limit_price=order.limit_price,
            **more,
        )

    def _add_report(self, command: Any, **values: Any) -> None:
        stamp = {"seq": command.seq, "ts_ns": command.ts_ns, "transact_ns": command.transact_ns}
        self._reports.append(stamp | {"index": len(self._reports)} | values)

    def _reject_new(self, command: Any, refused: Refused, order_id: int) -> dict[str, Any]:
        """`order_id` 0: the refusal is remembered as no order."""
        asked = ("account", "instrument", "side", "order_type", "time_in_force", "client_order_id", "strategy")
        self._add_report(
            command,
            exec_type=ExecType.REJECTED,
            order_status=OrderStatus.REJECTED,
            reason=refused.reason,
            field=refused.field,
            order_id=order_id,
            quantity=command.quantity,
            limit_price=command.limit_price,
            source=command.source,
            **{name: getattr(command, name) for name in asked},
        )
        return rejection(refused) | {
            "order_id": order_id,
            "instrument": command.instrument,
            "order_status": OrderStatus.REJECTED,
            "quantity": command.quantity,
        }

    def _reject_change(self, command: Any, order: Order | None, refused: Refused) -> dict[str, Any]:
        """The report shows the order as it is; where none is named, only what the command said."""
        if order is not None:
            self._report(command, order, ExecType.REJECTED, reason=refused.reason, field=refused.field)
            return rejection(refused) | as_it_is(order)
        self._add_report(
            command,
            exec_type=ExecType.REJECTED,
            order_status=OrderStatus.REJECTED,
            reason=refused.reason,
            field=refused.field,
            account=command.account,
            instrument=command.instrument,
            client_order_id=command.client_order_id,
            source=command.source,
        )
        return rejection(refused)

    # ---------------------------------------------------------------------------------- other doors of the engine

    def administer(self, seq: int, ts_ns: int, command: AdministrativeCommand) -> Applied:
        return self._data.administer(seq, ts_ns, command)

    def depth(self, instrument: int, levels: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Bids and asks of an instrument by number, best first: (n, 3) of price ticks, lots, orders."""
        book = self.instruments[instrument - 1]
        return book.depth(Side.BUY, levels), book.depth(Side.SELL, levels)

    def last_price(self, instrument: int) -> int:
        """Ticks of the last trade, 0 before the first."""
        return self.instruments[instrument - 1].last_price


def _check_client_order_id(client_order_id: bytes) -> None:
    if not client_order_id:
        raise Refused(Reason.MISSING_FIELD, "client_order_id")
    if not all(ord("!") <= byte <= ord("~") for byte in client_order_id):
        raise Refused(Reason.INVALID_FIELD, "client_order_id")


def _check_limit_price(instrument: Instrument, limit_price: int) -> None:
    if limit_price <= 0:
        raise Refused(Reason.INVALID_PRICE, "limit_price")
    if not instrument.price_min <= limit_price <= instrument.price_max:
        raise Refused(Reason.PRICE_BAND, "limit_price")


def _check_works(command: Any, order: Order) -> None:
    if not order.works:
        raise Refused(Reason.TOO_LATE, _naming_field(command))


def _naming_field(command: Any) -> str:
    return "order_id" if command.order_id else "client_order_id"
