"""What this gateway has been told by the engine and not yet read back from Kafka: nobody sees an order in a state older
than the reply that they got. Pure."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

import msgspec

from engine.decode import price_ticks
from engine.messages import NewOrder, Order, Replace, Reply
from engine.registry import InstrumentEntry
from engine.words import Source

KEPT: Final = 10_000
"""Replies remembered; Kafka is behind by far less, unless it is away."""


class Write(NamedTuple):
    reply: Reply
    account: str
    at_ns: int
    """When the reply came, by the gateway's clock: stands for the engine's stamp until the event with it is read."""
    command: NewOrder | None
    """Of a new order, which no reader can know yet."""
    given: tuple[NewOrder | Replace, InstrumentEntry] | None
    """The command where it gave prices or other numbers."""
    source: Source
    list_id: str | None = None
    before: Mapping[str, str] = MappingProxyType({})
    """`texts` of the write before."""

    @property
    def texts(self) -> dict[str, str]:
        """Prices and other numbers of the order, by field, as the engine writes them."""
        return {**self.before, **({} if self.given is None else as_written(*self.given))}


def as_written(command: NewOrder | Replace, entry: InstrumentEntry) -> dict[str, str]:
    """The numbers of a command that the engine has taken, as the engine writes them."""
    texts = {}
    for field in ("limit_price", "stop_price"):
        price = getattr(command, field)
        if price is not None:
            texts[field] = entry.scale.price_text(price_ticks(entry, price, field))
    if isinstance(command, NewOrder):
        if command.display_quantity is not None:
            texts["display_quantity"] = entry.scale.quantity_text(entry.scale.lots(command.display_quantity))
        if command.trail_amount is not None:
            texts["trail_amount"] = entry.scale.price_text(entry.scale.ticks(command.trail_amount))
        if command.trail_percent is not None:
            texts["trail_percent"] = f"{command.trail_percent:.4f}"
    return texts


class Writes:
    """The latest reply about each order."""

    def __init__(self, kept: int = KEPT) -> None:
        self._writes: OrderedDict[str, Write] = OrderedDict()
        self._kept = kept

    def remember(self, write: Write) -> None:
        order_id = write.reply.order_id
        if order_id is None:
            return
        earlier = self._writes.pop(order_id, None)
        if earlier is not None:
            if earlier.reply.seq > write.reply.seq:
                write = earlier
            elif write.command is None:
                # A change of an order that nobody has read back yet: both replies are needed to tell its state.
                write = write._replace(command=earlier.command, before=earlier.texts, list_id=earlier.list_id)
        self._writes[order_id] = write
        if len(self._writes) > self._kept:
            self._writes.popitem(last=False)

    def newest(self, order_id: str, order: Order | None) -> Order | None:
        """The order as it was read, or as the last reply made it where that is newer."""
        write = self._writes.get(order_id)
        if write is None:
            return order
        if order is not None and includes(order, write.reply):
            del self._writes[order_id]
            return order
        if order is not None:
            return _changed(order, write)
        return None if write.command is None else _made(write.command, write)

    def is_ahead(self, order_id: str, order: Order | None) -> bool:
        """Whether the last reply about the order is newer than it was read."""
        write = self._writes.get(order_id)
        return write is not None and (order is None or not includes(order, write.reply))

    def unread(self, accounts: frozenset[str] | None) -> list[str]:
        """The ids of these accounts' orders (None: of all) that there are replies about."""
        return [order_id for order_id, write in self._writes.items() if accounts is None or write.account in accounts]


def includes(order: Order, reply: Reply) -> bool:
    """Whether the order, as read, is as new as the reply: past its `seq`, or at it with all of its reports folded in
    (each report of one command changes one of these numbers)."""
    if order.last_seq != reply.seq:
        return order.last_seq > reply.seq
    return (order.status, order.quantity, order.filled_quantity, order.leaves_quantity) == (
        reply.order_status,
        reply.quantity,
        reply.filled_quantity,
        reply.leaves_quantity,
    )


def _changed(order: Order, write: Write) -> Order:
    reply, texts = write.reply, write.texts
    return msgspec.structs.replace(
        order,
        quantity=reply.quantity or order.quantity,
        limit_price=texts.get("limit_price", order.limit_price),
        stop_price=texts.get("stop_price", order.stop_price),
        status=reply.order_status or order.status,
        filled_quantity=reply.filled_quantity or order.filled_quantity,
        leaves_quantity=reply.leaves_quantity or order.leaves_quantity,
        average_price=reply.average_price or order.average_price,
        reason=reply.reason or order.reason,
        field=reply.field or order.field,
        text=reply.text or order.text,
        updated_ns=max(order.updated_ns, write.at_ns),
        last_seq=reply.seq,
    )


def _made(command: NewOrder, write: Write) -> Order:
    reply, texts = write.reply, write.texts
    return Order(
        order_id=reply.order_id or "",
        client_order_id=command.client_order_id or "",
        list_id=write.list_id,
        account=write.account,
        symbol=command.symbol,
        side=command.side,
        order_type=command.order_type,
        time_in_force=command.time_in_force,
        expires_ns=command.expires_ns or None,
        quantity=reply.quantity or f"{command.quantity:f}",
        display_quantity=texts.get("display_quantity"),
        limit_price=texts.get("limit_price"),
        stop_price=texts.get("stop_price"),
        trail_amount=texts.get("trail_amount"),
        trail_percent=texts.get("trail_percent"),
        post_only=command.post_only,
        reduce_only=command.reduce_only,
        status=reply.order_status or "",
        filled_quantity=reply.filled_quantity or "0",
        leaves_quantity=reply.leaves_quantity or "0",
        average_price=reply.average_price,
        reason=reply.reason,
        field=reply.field,
        text=reply.text,
        strategy=command.strategy,
        source=write.source.wire,
        created_ns=write.at_ns,
        updated_ns=write.at_ns,
        last_seq=reply.seq,
        last_index=0,
    )
