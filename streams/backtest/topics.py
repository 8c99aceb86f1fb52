"""Trades and instruments from Kafka's topics."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, TypeVar

import msgspec
import polars as pl
from confluent_kafka import KafkaException

from engine import messages, topics
from engine.topics import Topic
from streams.backtest.bar_data import DataError
from streams.backtest.tape import TAPE
from streams.consumer import log_bounds, read_to_end
from streams.strategies.instrument import Listed, listed

Record = TypeVar("Record")


def values(bootstrap: str, topic: Topic) -> Iterator[bytes]:
    """The bytes of all records of a topic as they are in the log now, in order within a partition. Raises
    `DataError`."""
    try:
        starts: dict[tuple[str, int], int | None] = dict.fromkeys(log_bounds(bootstrap, [topic.name]))
        for batch in read_to_end(bootstrap, starts, name="backtest"):
            for message in batch:
                value: Any = message.value()
                if value is not None:
                    yield value
    except KafkaException as error:
        raise DataError(f"Kafka, topic {topic.name}: {error.args[0].str()}") from None


def records(bootstrap: str, topic: Topic, kind: type[Record]) -> Iterator[Record]:
    """The same, decoded."""
    decoder = msgspec.json.Decoder(kind)
    return (decoder.decode(value) for value in values(bootstrap, topic))


def trades(bootstrap: str, symbols: Sequence[str], start_ns: int, end_ns: int) -> pl.DataFrame:
    """The tape of [start_ns, end_ns) with the columns of `TAPE`."""
    rows = [
        (
            trade.symbol,
            trade.transact_ns or trade.ts_ns,
            float(trade.price),
            float(trade.quantity),
            trade.aggressor_side,
            trade.seq,
            trade.index,
        )
        for trade in records(bootstrap, topics.TRADES, messages.Trade)
        if trade.symbol in symbols and start_ns <= (trade.transact_ns or trade.ts_ns) < end_ns
    ]
    return pl.DataFrame(rows, schema=TAPE, orient="row").sort("seq", "index")


def instruments(bootstrap: str) -> dict[str, Listed]:
    """The last record of each symbol."""
    return {one.symbol: listed(one) for one in records(bootstrap, topics.INSTRUMENTS, messages.Instrument)}
