"""A trading day's records as the publisher and the agents write them, for a bench of what keeps them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from engine.messages import Fill, Mark, OrderEvent, Pnl, Position, Trade, as_json
from engine.topics import FILLS, ORDER_EVENTS, PNL, POSITIONS, TRADES
from infra.bench.topic_orders import producer
from infra.errors import OperatorError

SYMBOLS: Final = ("AAPL", "MSFT", "NVDA", "BTCUSD")
ACCOUNTS: Final = 50
START_NS: Final = 1_750_000_000_000_000_000
SEQS: Final = 4
"""Commands of a round: two orders that trade, one that rests and is canceled."""
ROUND: Final = {ORDER_EVENTS.name: 6, FILLS.name: 2, TRADES.name: 1, POSITIONS.name: 2, PNL.name: 1}
"""Records of a round."""
FLUSH_S: Final = 120.0

Record = tuple[str, str, bytes]
"""Topic, key, value."""


def rounds(first: int, count: int) -> Iterator[Record]:
    """`count` rounds from number `first` on: each trades once, and enters and cancels one order more."""
    for number in range(first, first + count):
        symbol = SYMBOLS[number % len(SYMBOLS)]
        maker, taker = f"bench-{number % ACCOUNTS}", f"bench-{(number + 1) % ACCOUNTS}"
        seq = 1 + number * SEQS
        price = f"{190 + number % 100 / 100:.2f}"
        orders = ((seq, maker, "sell"), (seq + 1, taker, "buy"), (seq + 2, maker, "buy"))
        for at, account, side in orders:
            yield ORDER_EVENTS.name, symbol, _event(at, 0, at, account, symbol, side, price, "new", "new")
        for index, (order, account, side) in enumerate(orders[:2], 1):
            yield (
                ORDER_EVENTS.name,
                symbol,
                _event(seq + 1, index, order, account, symbol, side, price, "trade", "filled"),
            )
            yield FILLS.name, symbol, _fill(seq + 1, index, order, account, symbol, side, price)
            yield POSITIONS.name, f"{account}|{symbol}", _position(seq + 1, index, account, symbol, price)
        yield TRADES.name, symbol, _trade(seq + 1, symbol, price)
        yield PNL.name, taker, _pnl(seq + 1, taker, symbol, price)
        yield (
            ORDER_EVENTS.name,
            symbol,
            _event(seq + 3, 0, seq + 2, maker, symbol, "buy", price, "canceled", "canceled"),
        )


def _event(
    seq: int, index: int, order: int, account: str, symbol: str, side: str, price: str, kind: str, status: str
) -> bytes:
    traded = kind == "trade"
    return as_json(
        OrderEvent(
            seq=seq,
            index=index,
            ts_ns=START_NS + seq * 100_000,
            transact_ns=0,
            exec_id=f"0.1.{seq}.{index}",
            exec_type=kind,
            order_status=status,
            reason=None,
            field=None,
            text=None,
            order_id=str(order),
            client_order_id=f"bench-order-{order:010d}",
            account=account,
            symbol=symbol,
            side=side,
            order_type="limit",
            time_in_force="gtc",
            quantity="10",
            limit_price=price,
            filled_quantity="10" if traded else "0",
            leaves_quantity="10" if status == "new" else "0",
            average_price=price if traded else None,
            last_quantity="10" if traded else None,
            last_price=price if traded else None,
            liquidity="maker" if traded else None,
            fee="0.057" if traded else None,
            strategy=None,
            source="zeromq",
        )
    )


def _fill(seq: int, index: int, order: int, account: str, symbol: str, side: str, price: str) -> bytes:
    return as_json(
        Fill(
            fill_id=f"0.1.{seq}.{index}",
            trade_id=f"0.1.{seq}.m1",
            seq=seq,
            index=index,
            ts_ns=START_NS + seq * 100_000,
            transact_ns=0,
            account=account,
            symbol=symbol,
            side=side,
            quantity="10",
            price=price,
            fee="0.057",
            liquidity="maker",
            order_id=str(order),
            client_order_id=f"bench-order-{order:010d}",
            strategy=None,
        )
    )


def _trade(seq: int, symbol: str, price: str) -> bytes:
    return as_json(
        Trade(
            trade_id=f"0.1.{seq}.m1",
            seq=seq,
            index=2,
            ts_ns=START_NS + seq * 100_000,
            transact_ns=0,
            symbol=symbol,
            price=price,
            quantity="10",
            aggressor_side="buy",
        )
    )


def _position(seq: int, index: int, account: str, symbol: str, price: str) -> bytes:
    return as_json(
        Position(
            account=account,
            symbol=symbol,
            quantity=str(seq % 1000),
            average_price=price,
            cost="19012.5",
            realized_pnl="-12.25",
            fees="1.425",
            bought_quantity=str(seq),
            sold_quantity=str(seq - seq % 1000),
            last_price=price,
            last_seq=seq,
            last_index=index,
            ts_ns=START_NS + seq * 100_000,
        )
    )


def _pnl(seq: int, account: str, symbol: str, price: str) -> bytes:
    mark = Mark(
        price=price,
        source="mid",
        seq=seq,
        position_seq=seq,
        position_index=1,
        quantity="10",
        unrealized_pnl="3.5",
    )
    return as_json(
        Pnl(
            account=account,
            currency="USD",
            deposits="1000000",
            realized_pnl="-12.25",
            unrealized_pnl="3.5",
            fees="1.425",
            equity="999989.825",
            peak_equity="1000000",
            drawdown="10.175",
            gross_exposure="1900",
            net_exposure="1900",
            marks={symbol: mark},
            last_seq=seq,
            ts_ns=START_NS + seq * 100_000,
        )
    )


def write(bootstrap: str, first: int, count: int, topics: frozenset[str]) -> int:
    """Sends the rounds' records of these topics; their number. Raises `OperatorError` where Kafka takes them not."""
    sender = producer(bootstrap)
    sent = 0
    for topic, key, value in rounds(first, count):
        if topic not in topics:
            continue
        while True:
            try:
                sender.produce(topic, value, key)
                break
            except BufferError:
                sender.poll(0.1)
        sent += 1
    if sender.flush(FLUSH_S):
        raise OperatorError("Kafka did not take all records")
    return sent
