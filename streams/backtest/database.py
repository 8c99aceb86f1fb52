"""Trades and instruments from Postgres or TimescaleDB, as the sink writes them (docs/sql.md)."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl
import psycopg

from streams.backtest.bar_data import DataError
from streams.backtest.tape import TAPE

TRADES = """
    SELECT symbol, event_ns, price::float8, quantity::float8, aggressor_side, seq, index
    FROM trades WHERE symbol = ANY(%(symbols)s) AND event_ns >= %(start_ns)s AND event_ns < %(end_ns)s
    ORDER BY seq, index
"""


def trades(dsn: str, symbols: Sequence[str], start_ns: int, end_ns: int) -> pl.DataFrame:
    """The tape of [start_ns, end_ns) with the columns of `TAPE`. Raises `DataError` where the database does not
    answer."""
    try:
        with psycopg.connect(dsn, connect_timeout=5) as connection, connection.cursor() as cursor:
            cursor.execute(TRADES, {"symbols": list(symbols), "start_ns": start_ns, "end_ns": end_ns})
            return pl.DataFrame(cursor.fetchall(), schema=TAPE, orient="row")
    except psycopg.Error as error:
        raise DataError(f"Postgres: {str(error).splitlines()[0]}") from None
