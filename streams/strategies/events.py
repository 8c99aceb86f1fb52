"""What a strategy sees: bars, books, trades, what became of its orders, and timers. Pure, immutable, JSON both ways.

Prices and quantities are floats here, each the float nearest to the exact decimal number, because a strategy computes
with them; what it sends goes back onto ticks and lots in `streams.strategies.desk`. `ts_ns` is the only clock: the
exchange's stamp of what happened, nanoseconds since the epoch, UTC.
"""

from __future__ import annotations

from typing import Final

from msgspec import Struct

from engine.messages import Book, OrderEvent, Trade

Level = tuple[float, float]
"""Price and quantity."""


class Bar(Struct, frozen=True, gc=False, tag="bar"):
    """An interval of trading, told when it is over."""

    symbol: str
    ts_ns: int
    """The end of the interval."""
    open: float
    high: float
    low: float
    close: float
    volume: float = 0.0


class BookUpdate(Struct, frozen=True, gc=False, tag="book"):
    """The best levels of both sides, best first, after command `seq` (0 where the data has no such number)."""

    symbol: str
    ts_ns: int
    bids: tuple[Level, ...]
    asks: tuple[Level, ...]
    seq: int = 0
    phase: str = "continuous"

    @property
    def bid(self) -> float | None:
        """Best bid price."""
        return self.bids[0][0] if self.bids else None

    @property
    def ask(self) -> float | None:
        """Best ask price."""
        return self.asks[0][0] if self.asks else None

    @property
    def mid(self) -> float | None:
        """Middle of the best prices; None where a side is empty, or they cross, as they may in an auction."""
        if not self.bids or not self.asks or self.bids[0][0] >= self.asks[0][0]:
            return None
        return (self.bids[0][0] + self.asks[0][0]) / 2


class TradeUpdate(Struct, frozen=True, gc=False, tag="trade"):
    """A trade of the tape, anybody's."""

    symbol: str
    ts_ns: int
    price: float
    quantity: float
    aggressor_side: str | None = None
    seq: int = 0
    index: int = 0


class OrderUpdate(Struct, frozen=True, gc=False, tag="order"):
    """An execution report of one of the strategy's own orders. `seq` 0: it was refused before it was sequenced."""

    symbol: str
    ts_ns: int
    client_order_id: str
    exec_type: str
    order_status: str
    side: str | None = None
    order_type: str | None = None
    quantity: float = 0.0
    filled_quantity: float = 0.0
    leaves_quantity: float = 0.0
    limit_price: float | None = None
    stop_price: float | None = None
    last_quantity: float | None = None
    last_price: float | None = None
    fee: float = 0.0
    liquidity: str | None = None
    reason: str | None = None
    order_id: str = "0"
    seq: int = 0
    index: int = 0

    @property
    def is_fill(self) -> bool:
        return self.exec_type == "trade"


class Timer(Struct, frozen=True, gc=False, tag="timer"):
    """The interval that the strategy asked for has passed."""

    ts_ns: int


Event = Bar | BookUpdate | TradeUpdate | OrderUpdate | Timer

WORKING: Final = ("pending_new", "new", "partially_filled")


def number(text: str | None) -> float | None:
    """The float nearest to a decimal text."""
    return None if text is None else float(text)


def book_update(record: Book, levels: int) -> BookUpdate:
    """A record of the topic `books`, its best `levels`."""
    return BookUpdate(
        symbol=record.symbol,
        ts_ns=record.ts_ns,
        bids=tuple((float(price), float(quantity)) for price, quantity, _ in record.bids[:levels]),
        asks=tuple((float(price), float(quantity)) for price, quantity, _ in record.asks[:levels]),
        seq=record.seq,
        phase=record.phase,
    )


def trade_update(record: Trade) -> TradeUpdate:
    """A record of the topic `trades`. A trade of a replayed day is dated by that day."""
    return TradeUpdate(
        symbol=record.symbol,
        ts_ns=record.transact_ns or record.ts_ns,
        price=float(record.price),
        quantity=float(record.quantity),
        aggressor_side=record.aggressor_side,
        seq=record.seq,
        index=record.index,
    )


def order_update(record: OrderEvent) -> OrderUpdate:
    """A record of the topic `order-events`."""
    return OrderUpdate(
        symbol=record.symbol,
        ts_ns=record.ts_ns,
        client_order_id=record.client_order_id,
        exec_type=record.exec_type,
        order_status=record.order_status,
        side=record.side,
        order_type=record.order_type,
        quantity=float(record.quantity),
        filled_quantity=float(record.filled_quantity),
        leaves_quantity=float(record.leaves_quantity),
        limit_price=number(record.limit_price),
        stop_price=number(record.stop_price),
        last_quantity=number(record.last_quantity),
        last_price=number(record.last_price),
        fee=float(record.fee or 0),
        liquidity=record.liquidity,
        reason=record.reason,
        order_id=record.order_id,
        seq=record.seq,
        index=record.index,
    )
