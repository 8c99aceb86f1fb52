"""The order book: price levels with first-in-first-out queues, for every instrument, in preallocated arrays.

An instrument's prices are the `LEVELS` ticks from its `price_min`; a *level* is a tick's place in that band. Each level
has a queue, linked through the order pool; a three-level bitmap a side finds the next occupied level. Slot 0 of the
pool is "none". Functions here know nothing of accounts, commands or reports: `matching` does.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.jit import compiled, entry, inlined, leading_zeros, trailing_zeros
from engine.words import Side

LEVELS: Final = 1 << 18
WORDS: Final = LEVELS >> 6
SUMMARY: Final = WORDS
"""Where the second layer of a bitmap starts: a bit for each word of the first that is not empty."""
ROOT: Final = WORDS + (WORDS >> 6)
"""Its third layer: one word."""
BITMAP: Final = ROOT + 1

BUY: Final = int(Side.BUY)
SELL: Final = int(Side.SELL)
HEAD: Final = 0
TAIL: Final = 1
NO_BID: Final = -1
NO_ASK: Final = LEVELS

ONE = np.uint64(1)
ALL = np.uint64(0xFFFFFFFFFFFFFFFF)
NOTHING = np.uint64(0)

ORDER: Final = np.dtype(
    [
        ("prev", "<u4"),
        ("next", "<u4"),  # also links the free slots
        ("leaves", "<i8"),  # lots; 0 = the slot is free
        ("quantity", "<i8"),  # lots
        ("notional", "<i8"),  # ticks × lots traded so far
        ("order_id", "<u8"),
        ("level", "<u4"),
        ("account", "<u4"),
        ("instrument", "<u4"),
        ("client", "<u4"),  # its record among the client order ids
        ("side", "u1"),
        ("order_type", "u1"),
        ("time_in_force", "u1"),
        ("source", "u1"),
        ("pad", "<u4"),
    ]
)
"""A working order: one cache line."""

INSTRUMENT: Final = np.dtype(
    [
        ("base", "<i8"),  # ticks at level 0
        ("levels", "<i8"),  # levels in the band
        ("best_bid", "<i8"),  # level, NO_BID where there is none
        ("best_ask", "<i8"),  # level, NO_ASK where there is none
        ("bid_orders", "<i8"),
        ("ask_orders", "<i8"),
        ("money", "<i8"),  # money units of a tick × lot
        ("maker_fee_ppm", "<i8"),
        ("taker_fee_ppm", "<i8"),
        ("max_quantity", "<i8"),  # lots
        ("last_price", "<i8"),  # ticks of the last trade, 0 before the first
    ]
)


class Books(NamedTuple):
    """The arrays of all books."""

    instruments: NDArray[Any]
    """INSTRUMENT, by number from 1."""
    queues: NDArray[np.uint32]
    """(instrument, side − 1, level, HEAD | TAIL): slots."""
    bitmaps: NDArray[np.uint64]
    """(instrument, side − 1, BITMAP)."""
    orders: NDArray[Any]
    """ORDER: the pool."""
    pool: NDArray[np.int64]
    """[first free slot, orders in use, slots ever used]."""


FREE: Final = 0
LIVE: Final = 1
USED: Final = 2


def allocate(instruments: int, max_orders: int) -> Books:
    """Arrays for that many instruments (numbered from 1) and working orders; untouched pages cost no memory."""
    table = np.zeros(instruments + 1, INSTRUMENT)
    table["best_bid"] = NO_BID
    table["best_ask"] = NO_ASK
    return Books(
        instruments=table,
        queues=np.zeros((instruments + 1, 2, LEVELS, 2), np.uint32),
        bitmaps=np.zeros((instruments + 1, 2, BITMAP), np.uint64),
        orders=np.zeros(max_orders + 1, ORDER),
        pool=np.zeros(3, np.int64),
    )


# ------------------------------------------------------------------------------------------------------- bitmap


@inlined
def mark(bits: Any, level: int) -> None:
    """Notes that the level is occupied."""
    word = level >> 6
    group = level >> 12
    bits[word] |= ONE << np.uint64(level & 63)
    bits[SUMMARY + group] |= ONE << np.uint64(word & 63)
    bits[ROOT] |= ONE << np.uint64(group)


@inlined
def unmark(bits: Any, level: int) -> None:
    """Notes that the level is empty."""
    word = level >> 6
    group = level >> 12
    bits[word] &= ~(ONE << np.uint64(level & 63))
    if bits[word] == NOTHING:
        bits[SUMMARY + group] &= ~(ONE << np.uint64(word & 63))
        if bits[SUMMARY + group] == NOTHING:
            bits[ROOT] &= ~(ONE << np.uint64(group))


@compiled
def next_above(bits: Any, level: int) -> int:
    """Lowest occupied level at or above `level`, NO_ASK where there is none."""
    if level >= LEVELS:
        return NO_ASK
    word = level >> 6
    found = bits[word] & (ALL << np.uint64(level & 63))
    if found != NOTHING:
        return (word << 6) + trailing_zeros(found)
    group = word >> 6
    found = bits[SUMMARY + group] & ((ALL << np.uint64(word & 63)) << ONE)
    if found == NOTHING:
        found = bits[ROOT] & ((ALL << np.uint64(group)) << ONE)
        if found == NOTHING:
            return NO_ASK
        group = trailing_zeros(found)
        found = bits[SUMMARY + group]
    word = (group << 6) + trailing_zeros(found)
    return (word << 6) + trailing_zeros(bits[word])


@compiled
def next_below(bits: Any, level: int) -> int:
    """Highest occupied level at or below `level`, NO_BID where there is none."""
    if level < 0:
        return NO_BID
    word = level >> 6
    found = bits[word] & (ALL >> np.uint64(63 - (level & 63)))
    if found != NOTHING:
        return (word << 6) + 63 - leading_zeros(found)
    group = word >> 6
    found = bits[SUMMARY + group] & ((ONE << np.uint64(word & 63)) - ONE)
    if found == NOTHING:
        found = bits[ROOT] & ((ONE << np.uint64(group)) - ONE)
        if found == NOTHING:
            return NO_BID
        group = 63 - leading_zeros(found)
        found = bits[SUMMARY + group]
    word = (group << 6) + 63 - leading_zeros(found)
    return (word << 6) + 63 - leading_zeros(bits[word])


# -------------------------------------------------------------------------------------------------- pool and queues


@compiled
def take_slot(books: Books) -> int:
    """A free slot, 0 where the pool is full."""
    pool = books.pool
    slot = pool[FREE]
    if slot != 0:
        pool[FREE] = books.orders["next"][slot]
    else:
        if pool[USED] + 1 >= books.orders.shape[0]:
            return 0
        pool[USED] += 1
        slot = pool[USED]
    pool[LIVE] += 1
    return slot


@compiled
def give_slot(books: Books, slot: int) -> None:
    books.orders["leaves"][slot] = 0
    books.orders["next"][slot] = books.pool[FREE]
    books.pool[FREE] = slot
    books.pool[LIVE] -= 1


@compiled
def append(books: Books, slot: int) -> None:
    """Puts an order, whose instrument, side and level are set, at the end of its level's queue."""
    orders = books.orders
    instrument = orders["instrument"][slot]
    side = orders["side"][slot]
    level = np.int64(orders["level"][slot])
    queues = books.queues
    last = queues[instrument, side - 1, level, TAIL]
    orders["prev"][slot] = last
    orders["next"][slot] = 0
    queues[instrument, side - 1, level, TAIL] = slot
    if last != 0:
        orders["next"][last] = slot
    else:
        queues[instrument, side - 1, level, HEAD] = slot
        mark(books.bitmaps[instrument, side - 1], level)
        if side == BUY:
            if level > books.instruments["best_bid"][instrument]:
                books.instruments["best_bid"][instrument] = level
        elif level < books.instruments["best_ask"][instrument]:
            books.instruments["best_ask"][instrument] = level
    if side == BUY:
        books.instruments["bid_orders"][instrument] += 1
    else:
        books.instruments["ask_orders"][instrument] += 1


@compiled
def unlink(books: Books, slot: int) -> None:
    """Takes an order out of its queue; its slot stays taken."""
    orders = books.orders
    instrument = orders["instrument"][slot]
    side = orders["side"][slot]
    level = np.int64(orders["level"][slot])
    before = orders["prev"][slot]
    after = orders["next"][slot]
    queues = books.queues
    if before != 0:
        orders["next"][before] = after
    else:
        queues[instrument, side - 1, level, HEAD] = after
    if after != 0:
        orders["prev"][after] = before
    else:
        queues[instrument, side - 1, level, TAIL] = before
    if before == 0 and after == 0:
        bits = books.bitmaps[instrument, side - 1]
        unmark(bits, level)
        if side == BUY:
            if level == books.instruments["best_bid"][instrument]:
                books.instruments["best_bid"][instrument] = next_below(bits, level)
        elif level == books.instruments["best_ask"][instrument]:
            books.instruments["best_ask"][instrument] = next_above(bits, level)
    if side == BUY:
        books.instruments["bid_orders"][instrument] -= 1
    else:
        books.instruments["ask_orders"][instrument] -= 1


@entry
def depth(books: Books, instrument: int, side: int, out: Any) -> int:
    """Fills `out` (n, 3) with price ticks, lots and orders of the best n levels; returns how many there are."""
    bits = books.bitmaps[instrument, side - 1]
    orders = books.orders
    if side == BUY:
        level = books.instruments["best_bid"][instrument]
    else:
        level = books.instruments["best_ask"][instrument]
    count = 0
    while count < out.shape[0] and 0 <= level < LEVELS:
        quantity = 0
        number = 0
        slot = books.queues[instrument, side - 1, level, HEAD]
        while slot != 0:
            quantity += orders["leaves"][slot]
            number += 1
            slot = orders["next"][slot]
        out[count, 0] = books.instruments["base"][instrument] + level
        out[count, 1] = quantity
        out[count, 2] = number
        count += 1
        if side == BUY:
            level = next_below(bits, level - 1)
        else:
            level = next_above(bits, level + 1)
    return count


@entry
def place(books: Books, instrument: int, side: int, level: int, quantity: int, order_id: int) -> int:
    """Rests an order without matching it; returns its slot, 0 where the pool is full."""
    slot = take_slot(books)
    if slot != 0:
        orders = books.orders
        orders["instrument"][slot] = instrument
        orders["side"][slot] = side
        orders["level"][slot] = level
        orders["leaves"][slot] = quantity
        orders["quantity"][slot] = quantity
        orders["order_id"][slot] = order_id
        append(books, slot)
    return slot


@entry
def remove(books: Books, slot: int) -> None:
    """Takes a resting order off the book."""
    unlink(books, slot)
    give_slot(books, slot)


class Book:
    """One instrument's book, kept by feed records rather than by matching: it may be crossed, as before an open.

    Prices are ticks, quantities lots. Unknown order ids raise KeyError."""

    def __init__(self, price_min: int, *, max_orders: int = 1 << 17) -> None:
        self.books = allocate(1, max_orders)
        self.books.instruments["base"][1] = price_min
        self.books.instruments["levels"][1] = LEVELS
        self._slots: dict[int, int] = {}

    def add(self, order_id: int, side: Side, price: int, quantity: int) -> None:
        """Raises ValueError where the price is out of the band, the id in use, or the pool full."""
        level = price - int(self.books.instruments["base"][1])
        if not 0 <= level < LEVELS:
            raise ValueError(f"price {price} lies outside the book's band")
        if order_id in self._slots:
            raise ValueError(f"order {order_id} is on the book already")
        slot = int(place(self.books, 1, int(side), level, quantity, order_id))
        if slot == 0:
            raise ValueError("the order pool is full")
        self._slots[order_id] = slot

    def cancel(self, order_id: int, quantity: int | None = None) -> None:
        """Takes `quantity` off the order, or all of it."""
        slot = self._slots[order_id]
        leaves = int(self.books.orders["leaves"][slot])
        if quantity is not None and quantity < leaves:
            self.books.orders["leaves"][slot] = leaves - quantity
            return
        remove(self.books, slot)
        del self._slots[order_id]

    def modify(self, order_id: int, price: int, quantity: int) -> None:
        """A pure decrease keeps the order's place, anything else moves it to the end of its queue."""
        slot = self._slots[order_id]
        side = Side(int(self.books.orders["side"][slot]))
        same_price = int(self.books.orders["level"][slot]) + int(self.books.instruments["base"][1]) == price
        if same_price and quantity <= int(self.books.orders["leaves"][slot]):
            self.books.orders["leaves"][slot] = quantity
            return
        self.cancel(order_id)
        self.add(order_id, side, price, quantity)

    def clear(self) -> None:
        for order_id in list(self._slots):
            self.cancel(order_id)

    def __contains__(self, order_id: int) -> bool:
        return order_id in self._slots

    def leaves(self, order_id: int) -> int:
        """Lots left of an order."""
        return int(self.books.orders["leaves"][self._slots[order_id]])

    def depth(self, side: Side, levels: int) -> NDArray[np.int64]:
        """Best levels first: (n, 3) of price ticks, lots, orders."""
        out = np.zeros((levels, 3), np.int64)
        return out[: depth(self.books, 1, int(side), out)]
