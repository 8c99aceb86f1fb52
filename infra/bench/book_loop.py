"""The book alone: new orders, cancels and replaces in price-time order, on `engine.book`'s own functions.

What a core does besides (accounts, checks, client order ids, reports) is left out; each trade is written to a ring."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine import book
from engine.book import ASKS, HEAD, append, give_slot, take_slot, unlink
from engine.jit import entry, inlined
from infra.bench.cycles import ticks
from infra.bench.id_index import allocate as allocate_index
from infra.bench.id_index import delete, find, insert
from infra.bench.stream import CANCEL, NEW

RING: Final = 1 << 16
TRADE: Final = np.dtype([("maker", "<u8"), ("taker", "<u8"), ("price", "<i4"), ("quantity", "<i4")])
TRADES: Final = 0
QUANTITY: Final = 1
MISSED: Final = 2
INSTRUMENT: Final = 1
SLOWEST: Final = 1 << 20
"""Ticks of the longest operation that is told from longer ones."""


class Run(NamedTuple):
    """One book and what came of it."""

    books: book.Books
    ids: NDArray[np.uint64]
    ring: NDArray[Any]
    """TRADE: the last RING trades."""
    totals: NDArray[np.int64]
    """[trades, lots traded, cancels and replaces of orders that were gone]."""

    @property
    def shift(self) -> np.uint64:
        """By which a hash becomes a place of the index."""
        return np.uint64(64 - (len(self.ids).bit_length() - 1))


def allocate(resting: int, room: int) -> Run:
    """A book for about `resting` orders and at most `room`; every page is touched."""
    made = Run(
        book.allocate(1, room),
        allocate_index(resting),
        np.zeros(RING, TRADE),
        np.zeros(3, np.int64),
    )
    made.books.instruments["levels"][INSTRUMENT] = book.LEVELS
    for array in (made.ids, made.ring, made.books.orders, made.books.queues, made.books.bitmaps):
        array.reshape(-1).view("u1")[::4096] |= 0
    return made


@inlined
def match(run: Run, queue: int, level: Any, quantity: Any, order_id: Any, shift: Any) -> Any:
    """Trades as far as the price allows; returns what is left."""
    books = run.books
    orders = books.orders
    other = ASKS - queue
    while quantity > 0:
        best = books.best[INSTRUMENT, other]
        if other == ASKS:
            if best > level:
                break
        elif best < level:
            break
        maker = np.int64(books.queues[INSTRUMENT, other, best, HEAD])
        leaves = orders["leaves"][maker]
        traded = min(quantity, leaves)
        place = run.totals[TRADES] & (RING - 1)
        run.ring["maker"][place] = orders["order_id"][maker]
        run.ring["taker"][place] = order_id
        run.ring["price"][place] = best
        run.ring["quantity"][place] = traded
        run.totals[TRADES] += 1
        run.totals[QUANTITY] += traded
        quantity -= traded
        if traded == leaves:
            unlink(books, maker, other)
            delete(run.ids, shift, orders["order_id"][maker], maker)
            give_slot(books, maker)
        else:
            orders["leaves"][maker] = leaves - traded
    return quantity


@inlined
def apply(run: Run, record: Any, shift: Any) -> None:
    books = run.books
    orders = books.orders
    order_id = record["id"]
    level = np.int64(record["price"])
    if record["op"] == NEW:
        queue = np.int64(record["side"])
        left = match(run, queue, level, np.int64(record["quantity"]), order_id, shift)
        if left > 0:
            slot = take_slot(books)
            orders["leaves"][slot] = left
            orders["order_id"][slot] = order_id
            orders["instrument"][slot] = INSTRUMENT
            orders["side"][slot] = queue + 1
            orders["level"][slot] = level
            insert(run.ids, shift, order_id, slot)
            append(books, slot, queue)
        return
    slot = find(run.ids, shift, orders, order_id)
    if slot == 0:
        run.totals[MISSED] += 1
        return
    queue = np.int64(orders["side"][slot]) - 1
    if record["op"] == CANCEL:
        unlink(books, slot, queue)
        delete(run.ids, shift, order_id, slot)
        give_slot(books, slot)
        return
    quantity = np.int64(record["quantity"])
    if level == np.int64(orders["level"][slot]) and quantity <= orders["leaves"][slot]:
        orders["leaves"][slot] = quantity
        return
    unlink(books, slot, queue)
    left = match(run, queue, level, quantity, order_id, shift)
    if left > 0:
        orders["leaves"][slot] = left
        orders["level"][slot] = level
        append(books, slot, queue)
    else:
        delete(run.ids, shift, order_id, slot)
        give_slot(books, slot)


@entry
def run_all(run: Run, records: Any, shift: Any) -> None:
    """Applies the stream's records in order."""
    for i in range(records.shape[0]):
        apply(run, records[i], shift)


@entry
def run_timed(run: Run, records: Any, shift: Any, histogram: Any) -> None:
    """The same, counting each operation's ticks in `histogram` (SLOWEST,)."""
    for i in range(records.shape[0]):
        before = ticks()
        apply(run, records[i], shift)
        histogram[min(np.int64(ticks() - before), SLOWEST - 1)] += 1
