"""Orders by their id, for the book alone: open addressing, deletion by shifting back.

A place holds 32 bits of the hash and the slot, 8 bytes together, so that 2^18 places take the 2 MiB of an L2 cache;
the hash's upper bits are the place where an entry belongs, so that shifting back reads nothing but the table."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from engine.jit import inlined

MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)
LOW = np.uint64(0xFFFFFFFF)
HALF = np.uint64(32)
EMPTY = np.uint64(0)
ROOM: Final = 2
"""Places for each order that rests, at least."""


def allocate(resting: int) -> NDArray[np.uint64]:
    """A table for about that many orders, its places a power of two."""
    return np.zeros(1 << max(16, (ROOM * resting - 1).bit_length()), np.uint64)


@inlined
def entry_of(order_id: Any, slot: Any) -> Any:
    """Hash above, slot below."""
    hashed = (np.uint64(order_id) * MULTIPLIER) & ~LOW
    return hashed | np.uint64(slot)


@inlined
def home(entry: Any, shift: Any) -> Any:
    return entry >> shift


@inlined
def insert(table: Any, shift: Any, order_id: Any, slot: Any) -> None:
    entry = entry_of(order_id, slot)
    last = np.uint64(table.shape[0] - 1)
    place = home(entry, shift)
    while table[place] != EMPTY:
        place = (place + np.uint64(1)) & last
    table[place] = entry


@inlined
def find(table: Any, shift: Any, orders: Any, order_id: Any) -> Any:
    """The slot of the order, 0 where there is none."""
    wanted = entry_of(order_id, 0)
    last = np.uint64(table.shape[0] - 1)
    place = home(wanted, shift)
    while table[place] != EMPTY:
        if table[place] & ~LOW == wanted:
            slot = np.int64(table[place] & LOW)
            if orders["order_id"][slot] == order_id:
                return slot
        place = (place + np.uint64(1)) & last
    return 0


@inlined
def delete(table: Any, shift: Any, order_id: Any, slot: Any) -> None:
    """Takes out an order that is there."""
    entry = entry_of(order_id, slot)
    one = np.uint64(1)
    last = np.uint64(table.shape[0] - 1)
    hole = home(entry, shift)
    while table[hole] != entry:
        hole = (hole + one) & last
    place = hole
    while True:
        place = (place + one) & last
        if table[place] == EMPTY:
            break
        wanted = home(table[place], shift)
        if ((place - wanted) & last) >= ((place - hole) & last):
            table[hole] = table[place]
            hole = place
    table[hole] = EMPTY
