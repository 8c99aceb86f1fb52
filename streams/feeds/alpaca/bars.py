"""Past bars of Alpaca, by REST, for backtests."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final

import polars as pl
from requests import RequestException

from streams.feeds.alpaca.messages import MessageError, stamp
from streams.feeds.alpaca.source import Keys, SourceError, one_line

with warnings.catch_warnings():
    # alpaca-py uses an interface of websockets that has a successor.
    warnings.simplefilter("ignore", DeprecationWarning)
    from alpaca.common.exceptions import APIError
    from alpaca.data.enums import Adjustment, DataFeed
    from alpaca.data.historical import StockHistoricalDataClient
    from alpaca.data.requests import StockBarsRequest
    from alpaca.data.timeframe import TimeFrame, TimeFrameUnit

SECOND_NS: Final = 10**9
MINUTE_S: Final = 60
HOUR_S: Final = 3600
DAY_S: Final = 86_400
MOST_HOURS: Final = 23
CLOSE_S: Final = 16 * HOUR_S
"""A day's bar is stamped with New York's midnight, and over at four in the afternoon there."""
COLUMNS: Final = {"open": "o", "high": "h", "low": "l", "close": "c", "volume": "v"}


def bars(
    keys: Keys, symbols: Sequence[str], seconds: int, start_ns: int, end_ns: int | None, *, feed: str, data_url: str
) -> dict[str, pl.DataFrame]:
    """Bars that begin in [start, end), without those of symbols that have none: `ts_ns` (the end of a bar), `open`,
    `high`, `low`, `close`, `volume`. Prices and volumes are adjusted for splits, not for dividends.

    Raises:
        SourceError: Alpaca has no bars of that length, does not answer, or refuses.
    """
    asked = StockBarsRequest(
        symbol_or_symbols=list(symbols),
        timeframe=_timeframe(seconds),
        start=_moment(start_ns),
        end=None if end_ns is None else _moment(end_ns),
        adjustment=Adjustment.SPLIT,
        feed=DataFeed(feed),
    )
    client = StockHistoricalDataClient(keys.key, keys.secret, raw_data=True, url_override=data_url or None)
    length_ns = (CLOSE_S if seconds == DAY_S else seconds) * SECOND_NS
    try:
        answer: Any = client.get_stock_bars(asked)
        return {symbol: _table(rows, length_ns) for symbol, rows in answer.items() if rows}
    except (APIError, RequestException, MessageError, ValueError, KeyError, TypeError) as error:
        raise SourceError(one_line(error)) from None


def _timeframe(seconds: int) -> TimeFrame:
    """Whole minutes below an hour, whole hours below a day, a day."""
    for unit, length, most in (
        (TimeFrameUnit.Day, DAY_S, 1),
        (TimeFrameUnit.Hour, HOUR_S, MOST_HOURS),
        (TimeFrameUnit.Minute, MINUTE_S, 59),
    ):
        if seconds % length == 0 and seconds // length <= most:
            return TimeFrame(seconds // length, unit)
    raise SourceError(f"Alpaca has no bars of {seconds} s: take 1 to 59 minutes, 1 to 23 hours, or a day (86400)")


def _table(rows: Sequence[dict[str, Any]], length_ns: int) -> pl.DataFrame:
    columns: dict[str, Any] = {"ts_ns": [stamp(row["t"]) + length_ns for row in rows]}
    return pl.DataFrame(columns | {name: [float(row[short]) for row in rows] for name, short in COLUMNS.items()})


def _moment(ts_ns: int) -> datetime:
    return datetime.fromtimestamp(ts_ns // SECOND_NS, UTC)
