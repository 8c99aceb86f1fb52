"""JSON orders for the topic `orders`, as any program would write them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np
from confluent_kafka import Producer

from engine import kafka
from engine.quiet import LIBRDKAFKA
from engine.topics import ORDERS
from infra.errors import OperatorError

SYMBOLS: Final = ("AAPL", "MSFT", "NVDA")
MIDDLE: Final = 20_000
"""Ticks of a cent."""
AWAY: Final = 40
CROSSING: Final = 10
SEED: Final = 42
CHUNK: Final = 10_000
FLUSH_S: Final = 120.0


def producer(bootstrap: str) -> Producer:
    return Producer(
        {
            **kafka.configuration(bootstrap),
            "enable.idempotence": True,  # no retry changes the order within a partition
            "linger.ms": 5,
            "queue.buffering.max.messages": 1_000_000,
            "queue.buffering.max.kbytes": 1_048_576,
            "partitioner": "murmur2_random",
        },
        logger=LIBRDKAFKA,
    )


def orders(count: int, accounts: int) -> Iterator[tuple[str, str]]:
    """(key, JSON) of that many new orders and cancels, 55 % and 45 %; one order in ten crosses."""
    random = np.random.default_rng(SEED)
    opened = 0
    for number in range(count):
        if number % CHUNK == 0:
            draws = random.random((CHUNK, 4)).tolist()
        kind, side, distance, size = draws[number % CHUNK]
        if kind >= 0.55 and opened:
            name = opened - 1 - int(distance * min(opened, 2000))
            symbol = SYMBOLS[name % len(SYMBOLS)]
            yield (
                symbol,
                (
                    f'{{"type":"cancel","account":"bench-{1 + name % accounts}","symbol":"{symbol}",'
                    f'"client_order_id":"bench-topic-{name:08d}"}}'
                ),
            )
            continue
        name, opened = opened, opened + 1
        symbol = SYMBOLS[name % len(SYMBOLS)]
        away = 1 + int(distance * AWAY)
        if name % CROSSING == 0:
            away = -away
        buy = side < 0.5
        ticks = MIDDLE - away if buy else MIDDLE + away
        yield (
            symbol,
            (
                f'{{"type":"new","account":"bench-{1 + name % accounts}","symbol":"{symbol}",'
                f'"side":"{"buy" if buy else "sell"}","quantity":"{1 + int(size * 100)}","order_type":"limit",'
                f'"time_in_force":"gtc","limit_price":"{ticks // 100}.{ticks % 100:02d}",'
                f'"client_order_id":"bench-topic-{name:08d}"}}'
            ),
        )


def fill(bootstrap: str, count: int, accounts: int) -> None:
    """Writes the orders. Raises `OperatorError` where Kafka does not take them."""
    sender = producer(bootstrap)
    for key, value in orders(count, accounts):
        while True:
            try:
                sender.produce(ORDERS.name, value, key)
                break
            except BufferError:
                sender.poll(0.1)
    if sender.flush(FLUSH_S):
        raise OperatorError("Kafka did not take all orders")
