"""A Databento market-by-order file (DBN, schema `mbo`) as rows of levels and trades."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, NamedTuple

import databento_dbn
import numpy as np
import polars as pl

from engine.book import LEVELS, Book
from engine.words import Side
from streams.backtest.levels import LevelTape
from streams.backtest.tape import TAPE
from streams.feeds import dbn
from streams.feeds.dbn import DbnError, Replayed
from streams.strategies.instrument import Listed

DEPTH: Final = 10
SIGNS: Final = {"B": 1, "A": -1}
SIDES: Final = (Side.BUY, Side.SELL)
AGGRESSORS: Final = {"B": "buy", "A": "sell"}


class Recorded(NamedTuple):
    unit: Listed
    tape: LevelTape


def read(files: Sequence[Path], symbol: str | None = None) -> Recorded:
    """The rows of one instrument: one for each event that changed its book, and one for each price that it traded at.

    `symbol` None: the one with the most records. A book that is crossed, as before an open, gives no row:
    nobody can trade then.

    Raises:
        DbnError: a file cannot be used, or has no such instrument.
    """
    names: dict[int, str] = {}
    days: list[list[Any]] = []
    for path in files:
        found, part = dbn.read(path)
        names |= found
        days.append(part)
    records = [record for part in days for record in part]
    number = _chosen(names, records, symbol)
    mine = [[record for record in part if record.instrument_id == number] for part in days]
    priced = [record.price for part in mine for record in part if record.price != databento_dbn.UNDEF_PRICE]
    tick, low, high = dbn.tick_of(iter(priced))
    if (high - low) // tick >= LEVELS:
        raise DbnError(f"prices span more than {LEVELS} ticks of 1e-9 × {tick}")
    name = names.get(number, str(number))
    unit = Listed(name, Decimal(tick).scaleb(-dbn.PRICE_DECIMALS), Decimal(1))
    return Recorded(unit, _tape(Replayed(name, tick, low // tick, Book(low // tick)), mine))


def trades(files: Sequence[Path]) -> tuple[pl.DataFrame, dict[str, Decimal]]:
    """The trades of all instruments, with the columns of `TAPE`, and the tick sizes by symbol.

    Raises:
        DbnError: a file cannot be used, or nothing was traded.
    """
    names: dict[int, str] = {}
    records: list[Any] = []
    for path in files:
        found, part = dbn.read(path)
        names |= found
        records += part
    unit = Decimal(1).scaleb(-dbn.PRICE_DECIMALS)
    rows = [
        (
            names.get(record.instrument_id, str(record.instrument_id)),
            record.ts_event,
            float(record.price * unit),
            float(record.size),
            AGGRESSORS.get(str(record.side)),
            place,
            0,
        )
        for place, record in enumerate(records)
        if str(record.action) == "T"
    ]
    if not rows:
        raise DbnError(f"{dbn.names_of(files)}: nothing was traded")
    prices: dict[str, list[int]] = {}
    for record in records:
        if record.price != databento_dbn.UNDEF_PRICE:
            prices.setdefault(names.get(record.instrument_id, str(record.instrument_id)), []).append(record.price)
    ticks = {symbol: dbn.tick_of(iter(seen))[0] * unit for symbol, seen in prices.items()}
    return pl.DataFrame(rows, schema=TAPE, orient="row"), ticks


def _chosen(names: dict[int, str], records: Sequence[Any], symbol: str | None) -> int:
    counts: dict[int, int] = {}
    for record in records:
        if record.price != databento_dbn.UNDEF_PRICE:
            counts[record.instrument_id] = counts.get(record.instrument_id, 0) + 1
    if not counts:
        raise DbnError("no order in the files")
    if symbol is None:
        return max(counts, key=lambda number: counts[number])
    for number in counts:
        if names.get(number) == symbol:
            return number
    raise DbnError(f"no instrument {symbol} in the files: there are {', '.join(names.get(k, str(k)) for k in counts)}")


def _tape(state: Replayed, days: Sequence[Sequence[Any]]) -> LevelTape:
    """A file that opens with a snapshot replaces the book that the file before it left."""
    times: list[int] = []
    books: list[np.ndarray[Any, Any]] = []
    trades: list[tuple[int, int, int]] = []
    for part in days:
        if any(record.flags & databento_dbn.F_SNAPSHOT for record in part):
            state.book.clear()
        _rows(state, part, times, books, trades)
    if not times:
        raise DbnError("the book never has both sides")
    stamps = np.maximum.accumulate(np.array(times, np.int64))
    return LevelTape(stamps, np.stack(books), np.array(trades, np.int64))


def _rows(
    state: Replayed,
    records: Sequence[Any],
    times: list[int],
    books: list[np.ndarray[Any, Any]],
    trades: list[tuple[int, int, int]],
) -> None:
    """Adds the rows of one file."""
    pending: dict[tuple[int, int], int] = {}
    for record in records:
        if str(record.action) == "T" and str(record.side) in SIGNS:
            key = (record.price // state.tick, SIGNS[str(record.side)])
            pending[key] = pending.get(key, 0) + record.size
        dbn.apply(state, record)
        if record.flags & databento_dbn.F_SNAPSHOT or not record.flags & databento_dbn.F_LAST:
            continue
        levels = np.zeros((2, DEPTH, 2), np.int64)
        for side, word in enumerate(SIDES):
            depth = state.book.depth(word, DEPTH)
            levels[side, : len(depth)] = depth[:, :2]
        if levels[0, 0, 1] and levels[1, 0, 1] and levels[0, 0, 0] < levels[1, 0, 0]:
            for (price, sign), size in pending.items() or {(0, 0): 0}.items():
                times.append(record.ts_event)
                books.append(levels)
                trades.append((price, size, sign))
        pending = {}
