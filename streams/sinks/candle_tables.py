"""`candles` → `candles`."""

from __future__ import annotations

from operator import attrgetter
from typing import Final

from streams.sinks.copy import Row
from streams.sinks.tables import Placed, Table, insert, moment

_CANDLE_COLUMNS: Final = (
    "symbol",
    "interval_s",
    "start_ns",
    "open",
    "high",
    "low",
    "close",
    "volume",
    "turnover",
    "vwap",
    "trades",
    "closed",
    "last_seq",
    "last_index",
    "ts_ns",
)
_candle: Final = attrgetter(*_CANDLE_COLUMNS)


def candle_rows(placed: list[Placed]) -> list[Row]:
    """The last record of each bar."""
    latest = {(record.symbol, record.interval_s, record.start_ns): record for _, _, record in placed}
    return [_candle(record) for record in latest.values()]


CANDLES: Final = Table(
    "candles",
    _CANDLE_COLUMNS,
    candle_rows,
    (
        insert(
            "candles",
            _CANDLE_COLUMNS,
            (("timestamp", moment("start_ns")),),
            "ON CONFLICT (symbol, interval_s, timestamp) DO UPDATE SET "
            + ", ".join(f"{column} = excluded.{column}" for column in _CANDLE_COLUMNS[2:])
            + " WHERE (excluded.last_seq, excluded.last_index, excluded.closed)"
            + " > (candles.last_seq, candles.last_index, candles.closed)",
        ),
    ),
)
