"""The client order ids: which order each (account, client_order_id) became, and what came of it.

This is what makes a repeat safe: the same content gets the first outcome again, another content is refused. Records
stay after their order is closed; when the table is full the oldest closed ones make room. Two open-addressing tables
find a record, by account and id and by order number. A place holds 32 bits of the key above the record's number, and
these bits alone say where an entry belongs: probing and deleting (which shifts back, so that nothing is ever a
tombstone) read no record but the one that is found.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.jit import compiled, entry, inlined
from engine.layout import CLIENT_ORDER_ID, NAME
from engine.orders import aligned

CLIENT: Final = np.dtype(
    [
        ("account", "<u4"),
        ("slot", "<u4"),  # of the working order; 0 = closed
        ("order_id", "<u8"),
        ("client_order_id", CLIENT_ORDER_ID),
        ("strategy", NAME),
        # Set when the order closes:
        ("quantity", "<i8"),
        ("filled", "<i8"),
        ("notional", "<i8"),
        ("limit_price", "<i8"),  # ticks
        ("instrument", "<u4"),
        ("side", "u1"),
        ("order_type", "u1"),
        ("time_in_force", "u1"),
        ("status", "u1"),
        ("content", "<u8"),  # hash of what the command asked for
        # As the first reply said:
        ("first_quantity", "<i8"),
        ("first_filled", "<i8"),
        ("first_leaves", "<i8"),
        ("first_notional", "<i8"),
        ("first_status", "u1"),
        ("reason", "u1"),
        ("field", "u1"),
        ("source", "u1"),
        ("pad", "<u4"),
        ("key", "<u8"),  # `id_key`
        ("tail", "S16"),
    ]
)
"""Three cache lines: the names, what became of the order, and its first answer."""
CLIENT_WORDS: Final = CLIENT.itemsize // 8
ID_WORD: Final = 2
"""Where the client order id's 6 words and the strategy's 2 stand in a record seen as 64-bit words."""
ID_WORDS: Final = 6
STRATEGY_WORD: Final = 8
STRATEGY_WORDS: Final = 2

MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)
SHIFT = np.uint64(29)
HALF = np.uint64(32)
LOW = np.uint64(0xFFFFFFFF)
EMPTY = np.uint64(0)
ONE = np.uint64(1)
NEIGHBOURS = np.uint64(3)
"""Bits of an order number: orders that follow each other stand in one cache line of the table."""
NEIGHBOUR = np.uint64(7)
WIDTH = np.uint64(64)


class Clients(NamedTuple):
    """The arrays of the table."""

    records: NDArray[Any]
    """CLIENT, from 1."""
    words: NDArray[np.uint64]
    """The same memory as 64-bit words."""
    by_id: NDArray[np.uint64]
    """Hash of account and id << 32 | record; the hash's upper bits are the entry's place."""
    by_order: NDArray[np.uint64]
    """Lower 32 bits of the order number << 32 | record."""
    state: NDArray[np.int64]
    """[records ever used, next to make room, bits of a place in the tables]."""


USED: Final = 0
HAND: Final = 1
PLACE_BITS: Final = 2


def allocate(capacity: int) -> Clients:
    """Room for that many client order ids."""
    records = aligned((capacity + 1,), CLIENT)
    bits = max(4, (2 * capacity - 1).bit_length())
    return Clients(
        records=records,
        words=records.view("<u8").reshape(capacity + 1, CLIENT_WORDS),
        by_id=aligned((1 << bits,), np.dtype("<u8")),
        by_order=aligned((1 << bits,), np.dtype("<u8")),
        state=np.array([0, 1, bits], np.int64),
    )


@inlined
def mix(value: Any, word: Any) -> Any:
    """One step of a 64-bit hash."""
    mixed = (value ^ word) * MULTIPLIER
    return mixed ^ (mixed >> SHIFT)


@inlined
def id_key(account: int, words: Any, row: int, first: int) -> Any:
    """The upper half of the entry of an id: never 0."""
    value = mix(MULTIPLIER, np.uint64(account))
    for k in range(ID_WORDS):
        value = mix(value, words[row, first + k])
    return (value * MULTIPLIER) & ~LOW


@inlined
def order_key(order_id: Any) -> Any:
    """The upper half of the entry of an order number."""
    return np.uint64(order_id) << HALF


@inlined
def id_home(clients: Clients, entry: Any) -> Any:
    """Where an entry of `by_id` belongs."""
    return entry >> (WIDTH - np.uint64(clients.state[PLACE_BITS]))


@inlined
def order_home(clients: Clients, entry: Any) -> Any:
    """Where an entry of `by_order` belongs: blocks of neighbours, each at a place of its own."""
    order_id = entry >> HALF
    block = ((order_id >> NEIGHBOURS) + ONE) * MULTIPLIER
    block = block >> (WIDTH + NEIGHBOURS - np.uint64(clients.state[PLACE_BITS]))
    return (block << NEIGHBOURS) | (order_id & NEIGHBOUR)


@inlined
def same_id(clients: Clients, record: int, account: int, words: Any, row: int, first: int) -> bool:
    if clients.records["account"][record] != account:
        return False
    different = EMPTY
    for k in range(ID_WORDS):
        different |= clients.words[record, ID_WORD + k] ^ words[row, first + k]
    return different == EMPTY


@inlined
def find_key(clients: Clients, key: Any, account: int, words: Any, row: int, first: int) -> int:
    """The record of the id that stands in `words[row, first:]` and has this `id_key`, 0 where there is none."""
    table = clients.by_id
    last = np.uint64(table.shape[0] - 1)
    place = id_home(clients, key)
    entry = table[place]
    while entry != EMPTY:
        if entry & ~LOW == key:
            record = np.int64(entry & LOW)
            if same_id(clients, record, account, words, row, first):
                return record
        place = (place + ONE) & last
        entry = table[place]
    return 0


@compiled
def find_id(clients: Clients, account: int, words: Any, row: int, first: int) -> int:
    """The record of the id that stands in `words[row, first:]`, 0 where there is none."""
    return find_key(clients, id_key(account, words, row, first), account, words, row, first)


@inlined
def find_order(clients: Clients, order_id: Any) -> int:
    """The record of an order number, 0 where there is none."""
    table = clients.by_order
    last = np.uint64(table.shape[0] - 1)
    key = order_key(order_id)
    place = order_home(clients, key)
    entry = table[place]
    while entry != EMPTY:
        if entry & ~LOW == key:
            record = np.int64(entry & LOW)
            if clients.records["order_id"][record] == order_id:
                return record
        place = (place + ONE) & last
        entry = table[place]
    return 0


@inlined
def home(clients: Clients, entry: Any, by_order: bool) -> Any:
    return order_home(clients, entry) if by_order else id_home(clients, entry)


@inlined
def insert(clients: Clients, table: Any, entry: Any, by_order: bool) -> None:
    last = np.uint64(table.shape[0] - 1)
    place = home(clients, entry, by_order)
    while table[place] != EMPTY:
        place = (place + ONE) & last
    table[place] = entry


@inlined
def delete(clients: Clients, table: Any, entry: Any, by_order: bool) -> None:
    """Takes an entry, which is there, out of a table, moving later ones of its run back."""
    last = np.uint64(table.shape[0] - 1)
    hole = home(clients, entry, by_order)
    while table[hole] != entry:
        hole = (hole + ONE) & last
    place = hole
    while True:
        place = (place + ONE) & last
        moved = table[place]
        if moved == EMPTY:
            break
        wanted = home(clients, moved, by_order)
        if ((place - wanted) & last) >= ((place - hole) & last):
            table[hole] = moved
            hole = place
    table[hole] = EMPTY


@inlined
def take_record(clients: Clients) -> int:
    """A record to write, out of both tables: a new one, or the oldest whose order is closed. The table is larger than
    the order pool, so there always is one."""
    state = clients.state
    if state[USED] + 1 < clients.records.shape[0]:
        state[USED] += 1
        return state[USED]
    records = clients.records
    while True:
        record = state[HAND]
        state[HAND] = record + 1 if record + 1 < records.shape[0] else 1
        if records["slot"][record] == 0:
            number = np.uint64(record)
            delete(clients, clients.by_id, records["key"][record] | number, False)
            delete(clients, clients.by_order, order_key(records["order_id"][record]) | number, True)
            return record


@entry
def lookup_id(clients: Clients, account: int, words: Any) -> int:
    """`find_id` for callers in Python; `words` is (1, ID_WORDS)."""
    return find_id(clients, account, words, 0, 0)


@entry
def lookup_order(clients: Clients, order_id: Any) -> int:
    """`find_order` for callers in Python."""
    return find_order(clients, order_id)
