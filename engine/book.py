"""The order book: price levels with first-in-first-out queues, for every instrument, in preallocated arrays.

An instrument's prices are the `LEVELS` ticks from its `price_min`; a *level* is a tick's place in that band. An
instrument has four sorted queues: bids, asks, and the stops of buyers and of sellers. Each level has a list, linked
through the order pool; a three-level bitmap a queue finds the next occupied level. Slot 0 of the pool is "none".
Functions here know nothing of accounts, commands or reports: `matching` does.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.jit import compiled, entry, inlined, leading_zeros, trailing_zeros
from engine.orders import ICEBERG, ORDER, TERMS, aligned
from engine.words import Side

LEVELS: Final = 1 << 18
WORDS: Final = LEVELS >> 6
SUMMARY: Final = WORDS
"""Where the second layer of a bitmap starts: a bit for each word of the first that is not empty."""
ROOT: Final = WORDS + (WORDS >> 6)
"""Its third layer: one word."""
BITMAP: Final = ROOT + 1

BIDS: Final = 0
ASKS: Final = 1
BUY_STOPS: Final = 2
SELL_STOPS: Final = 3
QUEUES: Final = 4
"""Side − 1 is an order's queue in the book, side + 1 that among the stops."""

BUY: Final = int(Side.BUY)
SELL: Final = int(Side.SELL)
HEAD: Final = 0
TAIL: Final = 1
NO_BID: Final = -1
NO_ASK: Final = LEVELS

ONE = np.uint64(1)
ALL = np.uint64(0xFFFFFFFFFFFFFFFF)
NOTHING = np.uint64(0)

INSTRUMENT: Final = np.dtype(
    [
        ("base", "<i8"),  # ticks at level 0
        ("levels", "<i8"),  # levels in the band
        ("money", "<i8"),  # money units of a tick × lot
        ("max_quantity", "<i8"),  # lots
        ("last_price", "<i8"),  # ticks of the last trade, 0 before the first
        ("maker_fee_ppm", "<i4"),
        ("taker_fee_ppm", "<i4"),
        ("phase", "<u4"),
        ("phase_before_halt", "<u4"),
        ("activation_head", "<u4"),  # slots
        ("activation_tail", "<u4"),
        ("trailing_head", "<u4"),  # slots of the trailing stops among the stops, by order number
        ("trailing_tail", "<u4"),
        ("day_ends_ns", "<i8"),  # 0 = no end is known
        ("pad", "S40"),
    ]
)
"""128 bytes."""


class Books(NamedTuple):
    """The arrays of all books."""

    instruments: NDArray[Any]
    """INSTRUMENT, by number from 1."""
    best: NDArray[np.int64]
    """(instrument, queue): the level that comes first; NO_BID or NO_ASK where the queue is empty."""
    queues: NDArray[np.uint32]
    """(instrument, queue, level, HEAD | TAIL): slots."""
    bitmaps: NDArray[np.uint64]
    """(instrument, queue, BITMAP)."""
    orders: NDArray[Any]
    """ORDER: the pool."""
    terms: NDArray[Any]
    """TERMS, by the same slots."""
    pool: NDArray[np.int64]
    """[first free slot, orders in use, slots ever used]."""


FREE: Final = 0
LIVE: Final = 1
USED: Final = 2


def allocate(instruments: int, max_orders: int) -> Books:
    """Arrays for that many instruments (numbered from 1) and working orders; untouched pages cost no memory."""
    best = np.empty((instruments + 1, QUEUES), np.int64)
    best[:] = (NO_BID, NO_ASK, NO_ASK, NO_BID)
    return Books(
        instruments=aligned((instruments + 1,), INSTRUMENT),
        best=best,
        queues=np.zeros((instruments + 1, QUEUES, LEVELS, 2), np.uint32),
        bitmaps=np.zeros((instruments + 1, QUEUES, BITMAP), np.uint64),
        orders=aligned((max_orders + 1,), ORDER),
        terms=aligned((max_orders + 1,), TERMS),
        pool=np.zeros(3, np.int64),
    )


def grown(old: Books, instruments: int) -> Books:
    """The same books in arrays for more instruments."""
    wider = allocate(instruments, 0)
    known = len(old.instruments)
    wider.instruments[:known] = old.instruments
    wider.best[:known] = old.best
    for instrument, queue in np.argwhere(old.bitmaps[:, :, ROOT]):  # the others are all zeros
        wider.bitmaps[instrument, queue] = old.bitmaps[instrument, queue]
        wider.queues[instrument, queue] = old.queues[instrument, queue]
    return wider._replace(orders=old.orders, terms=old.terms, pool=old.pool)


@inlined
def falls(queue: int) -> bool:
    """Whether the highest level of the queue comes first."""
    return queue == BIDS or queue == SELL_STOPS


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


@inlined
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


@inlined
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


@inlined
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


@inlined
def give_slot(books: Books, slot: int) -> None:
    books.orders["leaves"][slot] = 0
    books.orders["next"][slot] = books.pool[FREE]
    books.pool[FREE] = slot
    books.pool[LIVE] -= 1


@inlined
def append(books: Books, slot: int, queue: int) -> None:
    """Puts an order, whose instrument and level are set, at the end of its level in the queue."""
    orders = books.orders
    instrument = np.int64(orders["instrument"][slot])
    level = np.int64(orders["level"][slot])
    queues = books.queues
    last = queues[instrument, queue, level, TAIL]
    orders["prev"][slot] = last
    orders["next"][slot] = 0
    queues[instrument, queue, level, TAIL] = slot
    if last != 0:
        orders["next"][last] = slot
        return
    queues[instrument, queue, level, HEAD] = slot
    mark(books.bitmaps[instrument, queue], level)
    if falls(queue):
        if level > books.best[instrument, queue]:
            books.best[instrument, queue] = level
    elif level < books.best[instrument, queue]:
        books.best[instrument, queue] = level


@inlined
def unlink(books: Books, slot: int, queue: int) -> None:
    """Takes an order out of the queue; its slot stays taken."""
    orders = books.orders
    instrument = np.int64(orders["instrument"][slot])
    level = np.int64(orders["level"][slot])
    before = orders["prev"][slot]
    after = orders["next"][slot]
    queues = books.queues
    if before != 0:
        orders["next"][before] = after
    else:
        queues[instrument, queue, level, HEAD] = after
    if after != 0:
        orders["prev"][after] = before
    else:
        queues[instrument, queue, level, TAIL] = before
    if before == 0 and after == 0:
        bits = books.bitmaps[instrument, queue]
        unmark(bits, level)
        if level == books.best[instrument, queue]:
            if falls(queue):
                books.best[instrument, queue] = next_below(bits, level)
            else:
                books.best[instrument, queue] = next_above(bits, level)


@compiled
def append_cold(books: Books, slot: int, queue: int) -> None:
    """`append`, called rather than copied."""
    append(books, slot, queue)


@compiled
def unlink_cold(books: Books, slot: int, queue: int) -> None:
    """`unlink`, called rather than copied."""
    unlink(books, slot, queue)


@inlined
def shown_lots(books: Books, slot: int) -> int:
    """Lots of a resting order that others see."""
    if books.orders["traits"][slot] & ICEBERG:
        return books.terms["shown"][slot]
    return books.orders["leaves"][slot]


@entry
def depth(books: Books, instrument: int, side: int, out: Any) -> int:
    """Fills `out` (n, 3) with price ticks, shown lots and orders of the best n levels; returns how many there are."""
    bits = books.bitmaps[instrument, side - 1]
    level = books.best[instrument, side - 1]
    count = 0
    while count < out.shape[0] and 0 <= level < LEVELS:
        quantity = 0
        number = 0
        slot = np.int64(books.queues[instrument, side - 1, level, HEAD])
        while slot != 0:
            quantity += shown_lots(books, slot)
            number += 1
            slot = np.int64(books.orders["next"][slot])
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
        append(books, slot, side - 1)
    return slot


@entry
def remove(books: Books, slot: int) -> None:
    """Takes a resting order off the book."""
    unlink(books, slot, np.int64(books.orders["side"][slot]) - 1)
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
