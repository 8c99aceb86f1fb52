"""Fields of records as columns of 64-bit numbers, and which rows are plain.

Compiled: a frame of a few records would spend its time between one NumPy call for each field and the next."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from engine.jit import entry
from engine.units import LARGEST

NOT_READ: Final = -1
WORD_BYTES: Final = 8


@entry
def _read(words: Any, octets: Any, places: Any, numbers: Any) -> None:
    """`places`: of each column the field's offset, its bytes, and whether it is signed."""
    for column in range(len(places)):
        offset, size, signed = places[column, 0], places[column, 1], places[column, 2]
        if offset == NOT_READ:
            continue
        for row in range(len(octets)):
            if size == WORD_BYTES:
                numbers[column, row] = words[row, offset // WORD_BYTES]
                continue
            value = 0
            for octet in range(size):
                value |= int(octets[row, offset + octet]) << (8 * octet)
            if signed and value >> (8 * size - 1):
                value -= 1 << (8 * size)
            numbers[column, row] = value


@entry
def _mark_plain(
    numbers: Any, signed: int, sized: Any, instrument: int, account: int, exact: Any, accounts: int, plain: Any
) -> int:
    """Fills `plain`; how many are."""
    count = 0
    for row in range(len(plain)):
        good = numbers[instrument, row] < len(exact) and numbers[account, row] <= accounts
        for column in range(len(numbers)):
            if numbers[column, row] < 0 and (column != signed or numbers[column, row] == -(1 << 63)):
                good = False
        for place in range(len(sized)):
            if numbers[sized[place], row] > LARGEST:
                good = False
        plain[row] = good and exact[numbers[instrument, row]]
        count += plain[row]
    return count


class Columns:
    """Of one kind of record."""

    def __init__(self, record: np.dtype[Any], names: tuple[str, ...], sized: tuple[str, ...], signed: str = "") -> None:
        """`names`: of the columns, in order; those that are no integer fields of the record are left to the caller.
        `sized`: of ticks and lots, at most `LARGEST`; `signed`: the one that may be negative."""
        self.place: dict[str, int] = {name: place for place, name in enumerate(names)}
        self._places = np.array([_field(record, name) for name in names], np.int64)
        self._sized = np.array([self.place[name] for name in sized], np.int64)
        self._signed = self.place.get(signed, NOT_READ)

    def read(self, rows: NDArray[Any]) -> NDArray[np.int64]:
        """(column, row). What does not fit in 63 bits becomes negative, and is not plain."""
        rows = np.ascontiguousarray(rows)
        size, count = rows.dtype.itemsize, len(rows)
        words, octets = rows.view("<i8").reshape(count, size // WORD_BYTES), rows.view("u1").reshape(count, size)
        numbers = np.empty((len(self._places), count), np.int64)
        _read(words, octets, self._places, numbers)
        return numbers

    def plain(
        self, numbers: NDArray[np.int64], exact: NDArray[np.bool_], accounts: int
    ) -> tuple[NDArray[np.bool_], int]:
        """Which rows have numbers such as orders have, of an account up to `accounts` and of an instrument that is
        `exact` by its number; and how many."""
        plain = np.empty(numbers.shape[1], np.bool_)
        instrument, account = self.place["instrument"], self.place["account"]
        count = _mark_plain(numbers, self._signed, self._sized, instrument, account, exact, accounts, plain)
        return plain, count


def _field(record: np.dtype[Any], name: str) -> tuple[int, int, int]:
    if record.fields is None or name not in record.fields or record.fields[name][0].kind not in "iu":
        return NOT_READ, 0, 0
    kind, offset = record.fields[name][:2]
    assert kind.itemsize < WORD_BYTES or offset % WORD_BYTES == 0
    return offset, kind.itemsize, int(kind.kind == "i")
