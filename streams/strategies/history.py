"""The trades that a new live run begins with, so that it need not wait for its bars: where they begin is looked up in
Postgres, they themselves are read from Kafka, so that nothing lies between them and what follows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import psycopg
from confluent_kafka import Consumer, Message, TopicPartition

from engine import kafka, topics
from streams.consumer import Cursor, place, read_to_end
from streams.strategies.events import TradeUpdate

CANDLES_S: Final = (3600, 300, 60, 1)
"""Lengths of the candles that are kept (`streams.candles`)."""
SECOND_NS: Final = 10**9
ANSWER_S: Final = 5.0
STARTS: Final = """
    SELECT start_ns FROM candles WHERE symbol = %(symbol)s AND interval_s = %(interval_s)s
    ORDER BY timestamp DESC LIMIT %(most)s"""


def begin_ns(starts_ns: Sequence[int], bar_seconds: int, bars: int, now_ns: int) -> int | None:
    """When the last `bars` intervals with trades that are over begin, the earliest where there are fewer; None where
    nothing was traded. `starts_ns`: starts of candles no longer than a bar, in any order."""
    length_ns = bar_seconds * SECOND_NS
    begun = sorted({start // length_ns * length_ns for start in starts_ns}, reverse=True)
    over = [start for start in begun if start + length_ns <= now_ns][:bars]
    return over[-1] if over else begun[0] if begun else None


def first_ns(dsn: str, symbols: Sequence[str], bar_seconds: int, bars: int, now_ns: int) -> int | None:
    """From when on trades make at least `bars` bars of every symbol, as far as there are so many, and of no symbol that
    trades the least more than that. Raises `psycopg.Error`."""
    interval_s = next(length for length in CANDLES_S if bar_seconds % length == 0)
    found = []
    with psycopg.connect(dsn, connect_timeout=5) as connection:
        for symbol in symbols:
            wanted = {"symbol": symbol, "interval_s": interval_s, "most": (bars + 1) * (bar_seconds // interval_s)}
            starts = [row[0] for row in connection.execute(STARTS, wanted).fetchall()]
            begin = begin_ns(starts, bar_seconds, bars, now_ns)
            if begin is not None:
                found.append(begin)
    return min(found, default=None)


def offsets(bootstrap: str, ends: Cursor, since_ns: int) -> Cursor:
    """Of the topic `trades`: the first record of each partition that was written then or later, and no offset beyond
    `ends`. Raises `KafkaException`."""
    partitions = [at for at in ends if at[0] == topics.TRADES.name]
    consumer = Consumer({**kafka.configuration(bootstrap), "group.id": "strategy-history"})
    try:
        asked = [TopicPartition(*at, since_ns // 1_000_000) for at in partitions]
        answers = consumer.offsets_for_times(asked, timeout=ANSWER_S)
    finally:
        consumer.close()
    # -1: nothing was written since.
    return {
        at: min(answer.offset, ends[at]) if answer.offset >= 0 else ends[at]
        for at, answer in zip(partitions, answers, strict=True)
    }


def before(bootstrap: str, starts: Cursor, ends: Cursor) -> list[Message]:
    """The records from `starts` up to `ends`, in no order among partitions. Raises `KafkaException`."""
    some = {at: offset for at, offset in starts.items() if offset < ends[at]}
    return [
        message
        for batch in read_to_end(bootstrap, dict(some), name="strategy-history")
        for message in batch
        if place(message).offset < ends[place(message)[:2]]
    ]


def in_order(trades: Sequence[tuple[TradeUpdate, Message]], since_ns: int) -> list[tuple[TradeUpdate, Message]]:
    """Those from then on, as the engine made them."""
    kept = [one for one in trades if one[0].ts_ns >= since_ns]
    return sorted(kept, key=lambda one: (one[0].seq, one[0].index))
