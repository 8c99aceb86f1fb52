"""Bars of one symbol as arrays of ticks, and what makes them out of a table. Pure."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final, NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from streams.strategies.instrument import Listed

PRICES: Final = ("open", "high", "low", "close")
MOST_DECIMALS: Final = 4
"""Prices with more of them are adjusted or converted ones: their tick must be said, since rounding changes data."""
MILLION: Final = 1_000_000
LARGEST: Final = 2**53
TIMES: Final = ("ts_ns", "timestamp", "datetime", "date", "time", "bucket")
"""Names of the column that holds the time, in the order in which they are looked for."""
NAMELESS: Final = ("", "__index_level_0__")
"""What pandas calls an index without a name in a file; it may hold the time."""
UNITS: Final = ((10**11, 10**9), (10**14, 10**6), (10**17, 10**3), (2**63, 1))
"""Numbers below the first are epochs whose unit has so many nanoseconds: s, ms, µs, ns, from 1973 on."""


class DataError(ValueError):
    """The data cannot be used; one line that names what, where and the rule."""


class BarSeries(NamedTuple):
    """Prices in ticks; rising, distinct times."""

    symbol: str
    ts_ns: NDArray[np.int64]
    """Ends of the bars."""
    open: NDArray[np.int64]
    high: NDArray[np.int64]
    low: NDArray[np.int64]
    close: NDArray[np.int64]
    volume: NDArray[np.float64]

    @property
    def rows(self) -> int:
        """How many bars."""
        return len(self.ts_ns)

    def part(self, start: int, end: int) -> BarSeries:
        """Bars [start, end)."""
        cut = slice(start, end)
        return BarSeries(
            self.symbol,
            self.ts_ns[cut],
            self.open[cut],
            self.high[cut],
            self.low[cut],
            self.close[cut],
            self.volume[cut],
        )


def series(
    table: pl.DataFrame,
    symbol: str,
    *,
    tick_size: Decimal | None = None,
    lot_size: Decimal = Decimal(1),
    name: str = "",
) -> tuple[BarSeries, Listed]:
    """The bars of a table with the columns open, high, low, close and a time, in any spelling of upper and lower case;
    `volume` may be missing. `tick_size` None: the decimals that the prices have, at most four.

    Raises:
        DataError: a column is missing, a price is no number or not positive, a bar's high or low does not hold its open
            and close, times do not rise, or prices have more decimals than the tick.
    """
    where = name or symbol
    table = table.rename({column: column.strip().lower().replace(" ", "_") for column in table.columns})
    for column in PRICES:
        if column not in table.columns:
            raise DataError(f"{where}: there is no column {column} (there are {', '.join(table.columns)})")
    if table.is_empty():
        raise DataError(f"{where}: there are no bars")
    ts_ns = _times(table, where)
    values = {column: _numbers(table, column, where) for column in PRICES}
    tick = tick_size or _tick(values, where)
    unit = Listed(symbol, tick, lot_size)
    ticks = {column: _ticks(found, tick, column, where) for column, found in values.items()}
    wrong = (
        (ticks["high"] < np.maximum(ticks["open"], ticks["close"]))
        | (ticks["low"] > np.minimum(ticks["open"], ticks["close"]))
        | (ticks["low"] <= 0)
    )
    if wrong.any():
        row = int(wrong.argmax())
        raise DataError(f"{where}: row {row + 1}: high and low must hold open and close, and prices be positive")
    if (np.diff(ts_ns) <= 0).any():
        row = int((np.diff(ts_ns) <= 0).argmax()) + 2
        raise DataError(f"{where}: row {row}: its time must be later than that of the row before")
    volume = _numbers(table, "volume", where) if "volume" in table.columns else np.zeros(len(ts_ns))
    return BarSeries(symbol, ts_ns, ticks["open"], ticks["high"], ticks["low"], ticks["close"], volume), unit


def _times(table: pl.DataFrame, where: str) -> NDArray[np.int64]:
    indices = (name for name in NAMELESS if name in table.columns and not table[name].dtype.is_numeric())
    found = next((name for name in TIMES if name in table.columns), next(indices, None))
    if found is None:
        raise DataError(f"{where}: there is no column for the time (one of {', '.join(TIMES)})")
    column = table[found]
    if column.dtype == pl.String:
        parsed = column.str.to_datetime(time_unit="ns", time_zone="UTC", strict=False)
        if parsed.null_count():
            parsed = column.str.to_date(strict=False).cast(pl.Datetime("ns"))
        column = parsed
    if column.dtype == pl.Date:
        column = column.cast(pl.Datetime("ns"))
    if column.null_count():
        row = int(column.is_null().arg_max() or 0)
        raise DataError(f"{where}: row {row + 1}: {found} is no time")
    if column.dtype.is_temporal():
        column = column.dt.timestamp("ns")
    if not column.dtype.is_integer():
        raise DataError(f"{where}: {found} must be a time, or a whole number of s, ms, µs or ns since the epoch")
    numbers: NDArray[np.int64] = column.cast(pl.Int64).to_numpy().copy()
    if found != "ts_ns" and not table[found].dtype.is_temporal() and table[found].dtype != pl.String:
        numbers *= next(unit for below, unit in UNITS if int(np.abs(numbers).max()) < below)
    return numbers


def _numbers(table: pl.DataFrame, column: str, where: str) -> NDArray[Any]:
    values = table[column].cast(pl.Float64, strict=False)
    bad = values.is_null() | ~values.is_finite()
    if bad.any():
        raise DataError(f"{where}: row {int(bad.arg_max() or 0) + 1}: {column} is no number")
    return values.to_numpy()


def _tick(values: dict[str, NDArray[Any]], where: str) -> Decimal:
    everything = np.concatenate(list(values.values()))
    for decimals in range(MOST_DECIMALS + 1):
        scaled = everything * 10**decimals
        if np.all(np.abs(scaled - np.rint(scaled)) <= 1e-9 * np.maximum(1, np.abs(scaled))):
            return Decimal(1).scaleb(-decimals)
    raise DataError(
        f"{where}: prices have more than {MOST_DECIMALS} decimals: name the tick that they are rounded to (--tick 0.01)"
    )


def _ticks(values: NDArray[Any], tick: Decimal, column: str, where: str) -> NDArray[np.int64]:
    numerator, denominator = tick.as_integer_ratio()
    counted = values * denominator / numerator
    if (np.abs(counted) > LARGEST).any():
        raise DataError(f"{where}: {column} has a number that is too large")
    return np.rint(counted).astype(np.int64)
