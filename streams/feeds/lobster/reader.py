"""LOBSTER files: a day's messages, and the book after each of them.

The format is that of LOBSTER's readme (2013): prices in dollars × 10,000, an order's direction 1 for a bid and -1 for
an ask; row i of the orderbook is the book after message i, empty levels are ±9999999999 with size 0.
"""

from __future__ import annotations

import io
import re
import zipfile
from datetime import date, datetime
from pathlib import Path
from typing import Any, Final, NamedTuple
from zoneinfo import ZoneInfo

import numpy as np
import polars
from numpy.typing import NDArray

from engine.words import Side

NEW: Final = 1
PARTIAL_CANCEL: Final = 2
DELETE: Final = 3
VISIBLE_EXECUTION: Final = 4
HIDDEN_EXECUTION: Final = 5
CROSS_TRADE: Final = 6
HALT: Final = 7
TYPES: Final = (NEW, PARTIAL_CANCEL, DELETE, VISIBLE_EXECUTION, HIDDEN_EXECUTION, CROSS_TRADE, HALT)
EMPTY_LEVEL: Final = 9_999_999_999
EXCHANGE_ZONE: Final = ZoneInfo("America/New_York")
NAME: Final = re.compile(r"^(?P<symbol>[A-Z0-9.]+)_(?P<day>\d{4}-\d{2}-\d{2})_\d+_\d+_(message|orderbook)")
SIDES: Final = {1: int(Side.BUY), -1: int(Side.SELL)}


class LobsterError(ValueError):
    """The files cannot be replayed; the text says which and why, in one line."""


class Message(NamedTuple):
    """One line of the message file."""

    type: int
    order_id: int
    size: int
    price: int
    """Dollars × 10,000."""
    side: int
    """engine.words.Side of the resting order that the message is about; 0 where there is none."""


class Day(NamedTuple):
    """A day of one symbol."""

    symbol: str | None
    """As the file's name says; None where it does not follow LOBSTER's pattern."""
    day: date | None
    time_ns: NDArray[np.int64]
    """Nanoseconds since midnight in New York."""
    messages: list[Message]
    bids: NDArray[np.int64]
    """(rows, levels, 2): price in dollars × 10,000 and size after each message, best first; 0, 0 where empty."""
    asks: NDArray[np.int64]

    @property
    def levels(self) -> int:
        return int(self.bids.shape[1])

    @property
    def midnight_ns(self) -> int:
        """Midnight in New York in nanoseconds since the epoch, 0 where the day is not known."""
        if self.day is None:
            return 0
        midnight = datetime(self.day.year, self.day.month, self.day.day, tzinfo=EXCHANGE_ZONE)
        return int(midnight.timestamp()) * 10**9

    def price_step(self) -> int:
        """The coarsest of 100, 50 and 1 (a cent, half a cent, 1/100 of a cent) that divides every price."""
        prices = np.array([m.price for m in self.messages if m.type != HALT], np.int64)
        parts = np.concatenate([prices, self.bids[:, :, 0].ravel(), self.asks[:, :, 0].ravel()])
        return next(step for step in (100, 50, 1) if not (parts % step).any())


def read(messages: Path, book: Path | None) -> Day:
    """Reads the pair of files, or, where `book` is None, both from the zip `messages`.

    Raises:
        LobsterError: a file is missing, is not LOBSTER's, or the two do not belong together.
    """
    if book is None:
        (message_name, message_data), (book_name, book_data) = _from_zip(messages)
    else:
        message_name, message_data = messages.name, _bytes(messages)
        book_name, book_data = book.name, _bytes(book)
    table = _table(message_name, message_data, text_columns={0})
    if table.width != 6:
        raise LobsterError(f"{message_name}: a message has 6 columns, and this file {table.width}")
    depth = _table(book_name, book_data, text_columns=set())
    if depth.width % 4:
        raise LobsterError(f"{book_name}: an order book has 4 columns a level, and this file {depth.width}")
    if table.height != depth.height:
        raise LobsterError(f"{message_name} has {table.height} rows and {book_name} {depth.height}: not one day's")
    named = NAME.match(message_name)
    sizes = depth.to_numpy().reshape(depth.height, depth.width // 4, 4)
    return Day(
        symbol=named["symbol"] if named else None,
        day=date.fromisoformat(named["day"]) if named else None,
        time_ns=_nanoseconds(message_name, table["column_1"]),
        messages=_messages(message_name, table),
        asks=_side(sizes[:, :, 0:2]),
        bids=_side(sizes[:, :, 2:4]),
    )


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise LobsterError(f"{path}: {error.strerror or error}") from None


def _from_zip(path: Path) -> list[tuple[str, bytes]]:
    """Name and contents of the message file and of the orderbook file."""
    try:
        with zipfile.ZipFile(io.BytesIO(_bytes(path))) as archive:
            found = []
            for kind in ("message", "orderbook"):
                names = [n for n in archive.namelist() if f"_{kind}_" in n and n.endswith(".csv")]
                if len(names) != 1:
                    raise LobsterError(f"{path}: one *_{kind}_*.csv is needed in it, and there are {len(names)}")
                found.append((Path(names[0]).name, archive.read(names[0])))
            return found
    except zipfile.BadZipFile:
        raise LobsterError(f"{path}: not a zip; name the order book too, with --book") from None


def _table(name: str, data: bytes, text_columns: set[int]) -> polars.DataFrame:
    width = data.partition(b"\n")[0].count(b",") + 1
    schema = {f"column_{k + 1}": polars.String if k in text_columns else polars.Int64 for k in range(width)}
    try:
        table = polars.read_csv(data, has_header=False, schema=schema)
    except polars.exceptions.PolarsError as error:
        raise LobsterError(f"{name}: not a LOBSTER file: {str(error).splitlines()[0]}") from None
    if table.height == 0:
        raise LobsterError(f"{name}: empty")
    for column in table.iter_columns():
        if column.null_count():
            row = int(column.is_null().arg_max() or 0)
            raise LobsterError(f"{name}: line {row + 1} lacks column {column.name.removeprefix('column_')}")
    return table


def _nanoseconds(name: str, times: polars.Series) -> NDArray[np.int64]:
    """ "34200.015105074" → 34200015105074, exactly."""
    if not times.str.contains(r"^\d{1,5}(\.\d{1,9})?$").all():
        raise LobsterError(f"{name}: column 1 must be seconds after midnight with at most 9 decimals")
    parts = times.str.split_exact(".", 1).struct.unnest()
    seconds = parts["field_0"].cast(polars.Int64).to_numpy()
    fraction = parts["field_1"].fill_null("").str.pad_end(9, "0").cast(polars.Int64).to_numpy()
    times_ns: NDArray[np.int64] = seconds * 10**9 + fraction
    if (np.diff(times_ns) < 0).any():
        raise LobsterError(f"{name}: line {int((np.diff(times_ns) < 0).argmax()) + 2} is earlier than the one before")
    return times_ns


def _messages(name: str, table: polars.DataFrame) -> list[Message]:
    types = table["column_2"].to_numpy()
    if not np.isin(types, TYPES).all():
        row = int((~np.isin(types, TYPES)).argmax())
        raise LobsterError(f"{name}: line {row + 1} has type {types[row]}, and LOBSTER knows 1 to 7")
    direction = table["column_6"].to_numpy()
    if not np.isin(direction, (1, -1)).all():
        row = int((~np.isin(direction, (1, -1))).argmax())
        raise LobsterError(f"{name}: line {row + 1} has direction {direction[row]}, which must be 1 or -1")
    bad = (types != HALT) & ((table["column_4"].to_numpy() <= 0) | (table["column_5"].to_numpy() <= 0))
    if bad.any():
        raise LobsterError(f"{name}: line {int(bad.argmax()) + 1}: size and price must be positive")
    columns: list[list[Any]] = [table[f"column_{k}"].to_list() for k in (2, 3, 4, 5)]
    sides = np.where(types == HALT, 0, np.where(direction == 1, SIDES[1], SIDES[-1])).tolist()
    return [Message(*row) for row in zip(*columns, sides, strict=True)]


def _side(levels: NDArray[np.int64]) -> NDArray[np.int64]:
    """(rows, levels, 2) with empty levels as zeros."""
    return np.where(np.abs(levels[:, :, :1]) == EMPTY_LEVEL, 0, levels)
