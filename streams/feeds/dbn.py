"""Databento market-by-order files (DBN, schema `mbo`) applied to the engine's book, without matching.

An exchange's market-by-order feed tells what became of every order, so there is nothing to match: adds, modifies and
cancels go on the book as they are, which may be crossed before an open. Trades (T) and fills (F) change nothing: the
cancel or modify that follows them does. Prices in the files are integers of 1e-9; the book's tick is the greatest
common divisor of all the prices that occur.

Source: https://databento.com/docs/schemas-and-data-formats/mbo
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import databento_dbn
import numpy as np
import zstandard

from engine.book import LEVELS, Book
from engine.units import scaled_text
from engine.words import Side

PRICE_DECIMALS: Final = 9
ZSTANDARD_MAGIC: Final = b"\x28\xb5\x2f\xfd"
DBN_MAGIC: Final = b"DBN"
SIDES: Final = {"B": Side.BUY, "A": Side.SELL}


class DbnError(ValueError):
    """The file is not one that can be replayed; the text says which and why, in one line."""


@dataclass
class Replayed:
    """The end state of one instrument."""

    instrument: str
    tick: int
    """1e-9 of the currency."""
    price_min: int
    """Ticks."""
    book: Book
    records: Counter[str] = field(default_factory=Counter)
    """By action: A add, M modify, C cancel, R clear, T trade, F fill."""
    seen: set[int] = field(default_factory=set)
    """Every order that was ever added."""
    unknown: int = 0
    """Modifies, cancels and fills of an order that was never added. (A trade names the aggressor, which seldom was.)"""
    sequence: int = 0
    """The venue's sequence number of the last record."""

    def best(self, side: Side) -> tuple[int, int] | None:
        """Price (1e-9) and quantity of the best level."""
        level = self.book.depth(side, 1)
        return (int(level[0, 0]) * self.tick, int(level[0, 1])) if len(level) else None

    def levels(self, side: Side) -> int:
        """How many price levels are occupied."""
        return len(self.book.depth(side, LEVELS))

    def price_text(self, price: int) -> str:
        places = len(scaled_text(self.tick, PRICE_DECIMALS).partition(".")[2])
        return scaled_text(price, PRICE_DECIMALS, places)

    def report(self) -> str:
        rows = [self.instrument]
        rows.append("  records     " + ", ".join(f"{action} {n:,}" for action, n in sorted(self.records.items())))
        rows.append(f"  never seen  {self.unknown:,} records name an order that was never added")
        for name, side in (("bid", Side.BUY), ("ask", Side.SELL)):
            best = self.best(side)
            price = "none" if best is None else f"{self.price_text(best[0])} × {best[1]}"
            rows.append(f"  best {name}    {price}, {self.levels(side):,} {name} levels")
        rows.append(f"  sequence    {self.sequence}")
        return "\n".join(rows)


@dataclass
class Result:
    source: str
    instruments: list[Replayed]

    @property
    def ok(self) -> bool:
        return bool(self.instruments)

    def report(self) -> str:
        return "\n".join([f"DBN replay of {self.source}", *(one.report() for one in self.instruments)])


def read(path: Path) -> tuple[dict[int, str], list[Any]]:
    """The symbols by instrument id, and the records.

    Raises:
        DbnError: the file cannot be read, is not DBN, or has another schema than `mbo`.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DbnError(f"{path}: {error.strerror or error}") from None
    decoder = databento_dbn.DBNDecoder()
    try:
        if data[:4] == ZSTANDARD_MAGIC:
            with zstandard.ZstdDecompressor().stream_reader(data) as stream:
                data = stream.read()
        if data[:3] != DBN_MAGIC:
            raise DbnError(f"{path}: not a DBN file (it starts with {data[:4]!r})")
        decoder.write(data)
        decoded: list[Any] = decoder.decode()
    except (zstandard.ZstdError, databento_dbn.DBNError) as error:
        raise DbnError(f"{path}: not a readable DBN file: {error}") from None
    metadata, *records = decoded
    if str(metadata.schema) != "mbo":
        raise DbnError(f"{path}: its schema is {metadata.schema}, and only mbo tells what became of each order")
    symbols = {
        int(interval["symbol"]): name
        for name, intervals in metadata.mappings.items()
        for interval in intervals
        if str(interval["symbol"]).isdigit()
    }
    return symbols, [record for record in records if isinstance(record, databento_dbn.MBOMsg)]


def tick_of(prices: Iterator[int]) -> tuple[int, int, int]:
    """Greatest common divisor, lowest and highest of the prices."""
    seen = np.fromiter(prices, np.int64)
    return int(np.gcd.reduce(seen)), int(seen.min()), int(seen.max())


def apply(state: Replayed, record: Any) -> None:
    """One record of one instrument."""
    action = str(record.action)
    state.records[action] += 1
    state.sequence = record.sequence
    order_id, quantity = record.order_id, record.size
    if action == "R":
        state.book.clear()
    elif action == "A":
        state.seen.add(order_id)
        state.book.add(order_id, SIDES[str(record.side)], record.price // state.tick, quantity)
    elif action in "MCF":
        if order_id not in state.seen:
            state.unknown += 1
        elif order_id in state.book and action == "M":
            state.book.modify(order_id, record.price // state.tick, quantity)
        elif order_id in state.book and action == "C":
            state.book.cancel(order_id, quantity)


def replay(files: Sequence[Path], progress: Callable[[int, int], None] | None = None) -> Result:
    """Applies the files in the order given; `progress` is called with (records done, records in all).

    A file that opens with a snapshot replaces the book that the file before it left.

    Raises:
        DbnError: a file cannot be used; the text names it and the rule.
    """
    symbols: dict[int, str] = {}
    days: list[list[Any]] = []
    for path in files:
        names, records = read(path)
        symbols |= names
        days.append(records)
    everything = [record for records in days for record in records]
    priced = [record for record in everything if record.price != databento_dbn.UNDEF_PRICE]
    if not priced:
        raise DbnError(f"{names_of(files)}: no order in it")
    states: dict[int, Replayed] = {}
    for instrument_id in sorted({record.instrument_id for record in priced}):
        tick, low, high = tick_of(r.price for r in priced if r.instrument_id == instrument_id)
        if (high - low) // tick >= LEVELS:
            raise DbnError(f"instrument {instrument_id}: prices span more than {LEVELS} ticks of 1e-9 × {tick}")
        name = symbols.get(instrument_id, str(instrument_id))
        states[instrument_id] = Replayed(name, tick, low // tick, Book(low // tick))
    done = 0
    for records in days:
        opening = {r.instrument_id for r in records if r.flags & databento_dbn.F_SNAPSHOT}
        for instrument_id in opening & states.keys():
            states[instrument_id].book.clear()
        for record in records:
            if record.instrument_id in states:
                try:
                    apply(states[record.instrument_id], record)
                except (ValueError, KeyError) as error:
                    raise DbnError(f"record {done + 1:,} of {names_of(files)} does not fit the book: {error}") from None
            done += 1
            if progress is not None and done % 1000 == 0:
                progress(done, len(everything))
    if progress is not None:
        progress(done, len(everything))
    return Result(names_of(files), list(states.values()))


def names_of(files: Sequence[Path]) -> str:
    return ", ".join(path.name for path in files)
