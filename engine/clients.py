"""The client order ids: which order each (account, client_order_id) became, and what came of it.

This is what makes a repeat safe: the same content gets the first outcome again, another content is refused. Records
stay after their order is closed; when the table is full the oldest closed ones make room. Two open-addressing tables
find a record, by account and id and by order number; deletion shifts back, so nothing is ever a tombstone.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.jit import compiled, entry
from engine.layout import CLIENT_ORDER_ID, NAME

CLIENT: Final = np.dtype(
    [
        ("account", "<u4"),
        ("slot", "<u4"),  # of the working order; 0 = closed
        ("content", "<u8"),  # hash of what the command asked for
        ("order_id", "<u8"),
        ("quantity", "<i8"),
        ("filled", "<i8"),  # lots so far
        ("notional", "<i8"),  # set when the order closes
        ("first_filled", "<i8"),  # as the first reply said
        ("first_notional", "<i8"),
        ("limit_price", "<i8"),  # ticks, set when the order closes
        ("first_status", "u1"),
        ("status", "u1"),  # set when the order closes
        ("reason", "u1"),
        ("field", "u1"),
        ("side", "u1"),
        ("order_type", "u1"),
        ("time_in_force", "u1"),
        ("instrument", "<u4"),
        ("source", "u1"),
        ("pad", "S12"),
        ("strategy", NAME),
        ("client_order_id", CLIENT_ORDER_ID),
    ]
)
CLIENT_WORDS: Final = CLIENT.itemsize // 8
STRATEGY_WORD: Final = 12
"""Where the strategy's 2 words and the client order id's 6 words stand in a record seen as 64-bit words."""
ID_WORD: Final = 14
ID_WORDS: Final = 6

MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)
SHIFT = np.uint64(29)


class Clients(NamedTuple):
    """The arrays of the table."""

    records: NDArray[Any]
    """CLIENT, from 1."""
    words: NDArray[np.uint64]
    """The same memory as 64-bit words."""
    by_id: NDArray[np.uint32]
    by_order: NDArray[np.uint32]
    state: NDArray[np.int64]
    """[records ever used, next to make room]."""


USED: Final = 0
HAND: Final = 1


def allocate(capacity: int) -> Clients:
    """Room for that many client order ids."""
    records = np.zeros(capacity + 1, CLIENT)
    size = 1 << (2 * capacity).bit_length()
    return Clients(
        records=records,
        words=records.view("<u8").reshape(capacity + 1, CLIENT_WORDS),
        by_id=np.zeros(size, np.uint32),
        by_order=np.zeros(size, np.uint32),
        state=np.array([0, 1], np.int64),
    )


@compiled
def mix(value: Any, word: Any) -> Any:
    """One step of a 64-bit hash."""
    mixed = (value ^ word) * MULTIPLIER
    return mixed ^ (mixed >> SHIFT)


@compiled
def id_hash(account: int, words: Any, row: int, first: int) -> Any:
    value = mix(MULTIPLIER, np.uint64(account))
    for k in range(ID_WORDS):
        value = mix(value, words[row, first + k])
    return value


@compiled
def home(hashed: Any, table: Any) -> int:
    return np.int64(hashed & np.uint64(table.shape[0] - 1))


@compiled
def find_id(clients: Clients, account: int, words: Any, row: int, first: int) -> int:
    """The record of the id that stands in `words[row, first:]`, 0 where there is none."""
    table = clients.by_id
    place = home(id_hash(account, words, row, first), table)
    while table[place] != 0:
        record = np.int64(table[place])
        if clients.records["account"][record] == account:
            same = True
            for k in range(ID_WORDS):
                if clients.words[record, ID_WORD + k] != words[row, first + k]:
                    same = False
            if same:
                return record
        place = (place + 1) & (table.shape[0] - 1)
    return 0


@compiled
def find_order(clients: Clients, order_id: Any) -> int:
    """The record of an order number, 0 where there is none."""
    table = clients.by_order
    place = home(mix(MULTIPLIER, np.uint64(order_id)), table)
    while table[place] != 0:
        record = np.int64(table[place])
        if clients.records["order_id"][record] == order_id:
            return record
        place = (place + 1) & (table.shape[0] - 1)
    return 0


@compiled
def record_home(clients: Clients, table: Any, record: int, by_order: bool) -> int:
    if by_order:
        return home(mix(MULTIPLIER, np.uint64(clients.records["order_id"][record])), table)
    account = np.int64(clients.records["account"][record])
    return home(id_hash(account, clients.words, record, ID_WORD), table)


@compiled
def insert(clients: Clients, table: Any, record: int, by_order: bool) -> None:
    place = record_home(clients, table, record, by_order)
    while table[place] != 0:
        place = (place + 1) & (table.shape[0] - 1)
    table[place] = record


@compiled
def delete(clients: Clients, table: Any, record: int, by_order: bool) -> None:
    """Takes a record out of a table, moving later ones of its run back."""
    last = table.shape[0] - 1
    hole = record_home(clients, table, record, by_order)
    while table[hole] != record:
        hole = (hole + 1) & last
    place = hole
    while True:
        place = (place + 1) & last
        if table[place] == 0:
            break
        wanted = record_home(clients, table, np.int64(table[place]), by_order)
        if ((place - wanted) & last) >= ((place - hole) & last):
            table[hole] = table[place]
            hole = place
    table[hole] = 0


@compiled
def take_record(clients: Clients) -> int:
    """A record to write, out of both tables: a new one, or the oldest whose order is closed. The table is larger than
    the order pool, so there always is one."""
    state = clients.state
    if state[USED] + 1 < clients.records.shape[0]:
        state[USED] += 1
        return state[USED]
    while True:
        record = state[HAND]
        state[HAND] = record + 1 if record + 1 < clients.records.shape[0] else 1
        if clients.records["slot"][record] == 0:
            delete(clients, clients.by_id, record, False)
            delete(clients, clients.by_order, record, True)
            return record


@entry
def lookup_id(clients: Clients, account: int, words: Any) -> int:
    """`find_id` for callers in Python; `words` is (1, ID_WORDS)."""
    return find_id(clients, account, words, 0, 0)


@entry
def lookup_order(clients: Clients, order_id: Any) -> int:
    """`find_order` for callers in Python."""
    return find_order(clients, order_id)
