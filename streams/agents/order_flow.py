"""`order-events` and the latest books → `order-flow`: each symbol's last minute, at most once a second."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, Final

import msgspec
from confluent_kafka import Message
from msgspec import Struct

from engine import messages, topics, units, words
from engine.messages import DecimalText
from engine.partitions import partition_of
from engine.units import Scale
from streams import order_flow, records
from streams.agents.keeper import Keeper, Shelf
from streams.marks import Follower, TopOfBook
from streams.order_flow import Flow, Report
from streams.outbox import Outbox

INTERVAL_S: Final = 1.0
RATIO_DECIMALS: Final = 9
UNKNOWN: Final = words.Reason.UNKNOWN_SYMBOL.wire


class CountedEvent(Struct, frozen=True):
    """What is read of an `OrderEvent`."""

    seq: int
    index: int
    ts_ns: int
    exec_type: str
    reason: str | None
    symbol: str
    side: str | None
    quantity: DecimalText
    filled_quantity: DecimalText
    last_quantity: DecimalText | None
    last_price: DecimalText | None
    liquidity: str | None


_events: Final = msgspec.json.Decoder(CountedEvent)
_order_flow: Final = msgspec.json.Decoder(messages.OrderFlow)
_encode: Final = msgspec.json.Encoder().encode


def counted(event: CountedEvent, scale: Scale) -> Report:
    """The report in ticks and lots. Raises `Unusable` where a number is none of the instrument's."""
    records.check_stamps(event.seq, event.index, event.ts_ns)
    lots = price = 0
    if event.exec_type == order_flow.TRADE:
        lots, price = records.size_and_price(event.last_quantity or "", event.last_price or "", scale)
    elif event.exec_type in order_flow.ENDED:
        lots = records.size(event.quantity, scale) - records.size(event.filled_quantity, scale)
        if lots < 0:
            raise records.Unusable(words.Reason.INVALID_QUANTITY, "filled_quantity", "more is filled than was ordered")
    return Report(
        event.seq,
        event.index,
        event.ts_ns,
        event.exec_type,
        event.side == words.Side.BUY.wire,
        event.liquidity == order_flow.TAKER,
        lots,
        price,
    )


def _ratio(part: int, whole: int) -> str | None:
    ratio = order_flow.ratio(part, whole)
    return None if ratio is None else units.scaled_text(ratio, RATIO_DECIMALS)


def published(symbol: str, flow: Flow, book: TopOfBook | None, scale: Scale) -> messages.OrderFlow:
    """The symbol's last minute, and its best prices by the latest book."""
    totals = order_flow.window(flow)
    spread = mid = imbalance = None
    if book is not None and book.bid is not None and book.ask is not None:
        bid, ask = records.ticks(book.bid, scale), records.ticks(book.ask, scale)
        spread, mid = scale.price_text(ask - bid), units.average_text(bid + ask, 2, scale.tick)
        bids, asks = records.lots(book.bid_quantity, scale), records.lots(book.ask_quantity, scale)
        imbalance = _ratio(bids - asks, bids + asks)
    return messages.OrderFlow(
        symbol=symbol,
        window_s=order_flow.WINDOW_S,
        spread=spread,
        mid=mid,
        imbalance=imbalance,
        book_seq=None if book is None else book.seq,
        orders=totals.orders,
        rejected=totals.rejected,
        canceled=totals.canceled,
        trades=totals.trades,
        volume=scale.quantity_text(totals.volume),
        buy_volume=scale.quantity_text(totals.bought),
        sell_volume=scale.quantity_text(totals.volume - totals.bought),
        vwap=scale.average_price_text(totals.turnover, totals.volume) if totals.volume else None,
        trade_imbalance=_ratio(2 * totals.bought - totals.volume, totals.volume),
        realized_volatility=units.scaled_text(order_flow.volatility(totals), RATIO_DECIMALS),
        fill_ratio=_ratio(totals.filled, totals.filled + totals.unfilled),
        last_seq=flow.last_seq,
        last_index=flow.last_index,
        ts_ns=flow.ts_ns,
    )


class SymbolState(Struct):
    """A symbol's last minute, and the report (seq, index) up to which it was published."""

    flow: Flow = order_flow.EMPTY
    published: tuple[int, int] = (0, -1)


class OrderFlowKeeper(Keeper[SymbolState]):
    """Holds the last minute of the symbols of the assigned partitions of `order-events`."""

    agent: ClassVar[str] = "order-flow"
    source: ClassVar[str] = topics.ORDER_EVENTS.name
    output: ClassVar[str] = topics.ORDER_FLOW.name

    def __init__(self, bootstrap: str, outbox: Outbox, follower: Follower, clock: Callable[[], float]) -> None:
        super().__init__(bootstrap, outbox, clock)
        self._follower = follower
        self._source_count = outbox.partition_count(self.source)
        self._count = outbox.partition_count(self.output)
        self._published_at = clock()

    async def fold(self, shelf: Shelf[SymbolState], value: bytes) -> None:
        event = _events.decode(value)
        if event.exec_type == order_flow.REJECTED and (
            event.reason == UNKNOWN or event.symbol not in self._follower.scales
        ):
            return  # it was rejected for that, or for something that was looked at before
        report = counted(event, await self._follower.known_scale(event.symbol))
        kept = shelf.states.setdefault(event.symbol, SymbolState())
        after = order_flow.take(kept.flow, report)
        if after is not kept.flow:
            kept.flow = after
            shelf.touched.add(event.symbol)

    async def publish_due(self) -> None:
        now = self.clock()
        if now - self._published_at < INTERVAL_S:
            return
        async with self.whole():
            self._published_at = now
            for shelf in self.shelves.values():
                for symbol, kept in shelf.states.items():
                    if (kept.flow.last_seq, kept.flow.last_index) > kept.published:
                        self._publish(symbol, kept)
                        shelf.touched.add(symbol)
            await self.deliver()

    def _publish(self, symbol: str, kept: SymbolState) -> None:
        book = self._follower.books.get(symbol)
        record = published(symbol, kept.flow, book, self._follower.scales[symbol])
        self.outbox.send(self.output, symbol, _encode(record), partition_of(symbol, self._count))
        kept.published = (kept.flow.last_seq, kept.flow.last_index)

    # ------------------------------------------------------------------------------------------- saved, and back

    def restore(self, saved: dict[str, Any]) -> SymbolState:
        return msgspec.convert(saved, SymbolState)

    def preserve(self, kept: SymbolState) -> dict[str, Any]:
        found: dict[str, Any] = msgspec.to_builtins(kept)
        return found

    def recall(self, shelves: dict[int, Shelf[SymbolState]], message: Message) -> None:
        record = _order_flow.decode(message.value() or b"")
        records.check_stamps(record.last_seq, record.last_index, record.ts_ns)
        shelf = shelves.get(partition_of(record.symbol, self._source_count))
        if shelf is not None:
            kept = shelf.states.setdefault(record.symbol, SymbolState())
            kept.published = max(kept.published, (record.last_seq, record.last_index))
