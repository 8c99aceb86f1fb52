"""Bars from CSV and Parquet files."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import polars as pl

from streams.backtest.bar_data import BarSeries, DataError, series
from streams.strategies.instrument import Listed


def read_bars(path: Path, symbol: str, *, tick_size: Decimal | None = None) -> tuple[BarSeries, Listed]:
    """The bars of a file whose name ends in .csv or .parquet; columns as `bar_data.series` wants them.

    Raises:
        DataError: the file cannot be read, or its bars break a rule; one line.
    """
    return series(read_table(path), symbol, tick_size=tick_size, name=path.name)


def read_table(path: Path) -> pl.DataFrame:
    """Raises `DataError`."""
    if not path.is_file():
        raise DataError(f"{path}: No such file")
    try:
        if path.suffix == ".parquet":
            return pl.read_parquet(path)
        if path.suffix == ".csv":
            return pl.read_csv(path, infer_schema_length=None)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise DataError(f"{path}: {str(error).splitlines()[0]}") from None
    raise DataError(f"{path}: its name must end in .csv or .parquet")


def named(text: str) -> tuple[str, Path]:
    """`SYMBOL=FILE`, or a file whose name up to the first dot or underscore is the symbol."""
    symbol, equals, path = text.partition("=")
    if equals:
        return symbol, Path(path)
    return Path(text).stem.partition("_")[0].upper(), Path(text)
