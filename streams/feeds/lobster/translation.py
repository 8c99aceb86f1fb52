"""A LOBSTER day as orders: message i and book row i in, instructions for the engine out. Pure.

What the file calls an order becomes an order of a crowd account, and a visible execution an aggressor's
immediate-or-cancel order at the resting order's price. After the instructions of message i the engine's book is
exactly row i's window of levels:

* A level that leaves the window is dropped (its orders are cancelled): what happens to it out of sight is not in the
  file.
* A level that enters the window at its far edge is taken from the row as one order of unknown owners. So is the book
  before message 0: row 0 with the message undone. Nothing else is ever taken from the book file.
* An execution that the file gives to another order than the first of its queue is still filled by the engine in
  queue order. So each engine order carries *claims*: whose shares, by the file's order ids, it still holds. The one
  who should have been hit hands its claims to the one who was, and later cancels and deletes fall on the engine
  orders where the shares are now. Level sums are right throughout.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from engine.words import Side
from streams.feeds.instructions import CANCEL, GTC, IOC, NEW, REPLACE, Instruction
from streams.feeds.lobster import reader
from streams.feeds.lobster.reader import Message

CROWD: Final = 8
"""Accounts of the resting orders: numbers 0 to 7 of the feed. The aggressors are the eight after them."""
TAKERS: Final = 8
UNKNOWN: Final = 0
"""Owner of shares that rested before the file, or before their level came into sight."""
HASH: Final = 0x9E3779B97F4A7C15

BUY: Final = int(Side.BUY)
SELL: Final = int(Side.SELL)

Row = list[list[int]]
"""One side of a book row: [price, size] of each level, best first; [0, 0] where empty."""


def spread(number: int, among: int) -> int:
    """A number from 0 to `among` − 1 that depends on `number` alone (Fibonacci hashing)."""
    return ((number * HASH & 0xFFFFFFFFFFFFFFFF) >> 32) % among


class RestingOrder:
    """An order on the engine's book, and whose shares it holds."""

    __slots__ = ("account", "claims", "leaves", "number", "quantity")

    def __init__(self, number: int, account: int, quantity: int, owner: int) -> None:
        self.number = number
        self.account = account
        self.quantity = quantity
        """As ordered, filled part included."""
        self.leaves = quantity
        self.claims = {owner: quantity}
        """File order id → shares; their sum is `leaves`."""

    def release(self, owner: int, most: int) -> int:
        """Gives up to `most` of the owner's shares; returns how many."""
        held = self.claims.get(owner, 0)
        if held > most:
            self.claims[owner] = held - most
            return most
        if held:
            del self.claims[owner]
        return held


Queue = list[RestingOrder]


class Counts(NamedTuple):
    """What the translation did up to some row."""

    levels_seeded: int
    """Levels taken from the file when they entered the window, without those that the book opened with."""
    levels_dropped: int
    """Levels that left the window."""
    displaced: int
    """Executions that the file gives to another order than the first of its queue."""
    contradictions: int
    """Messages that do not fit the file's own book."""


class Translation:
    """The window of the file's book, as orders on the engine's."""

    def __init__(self, levels: int, tick: int) -> None:
        """`levels`: of the book file; `tick`: the instrument's, in dollars × 10,000."""
        self.levels = levels
        self.tick = tick
        self.sides: dict[int, dict[int, Queue]] = {BUY: {}, SELL: {}}
        """Side → price → the level's orders in the engine's queue order."""
        self.orders = 0
        self.seeded = 0
        self.dropped = 0
        self.displaced = 0
        self.contradictions: list[int] = []
        """Rows; done as far as possible, nothing is mended."""

    @property
    def counts(self) -> Counts:
        return Counts(self.seeded, self.dropped, self.displaced, len(self.contradictions))

    # ---------------------------------------------------------------------------------------------- entry points

    def open(self, message: Message, bids: Row, asks: Row) -> list[Instruction]:
        """The book before message 0: row 0 with the message undone."""
        done: list[Instruction] = []
        for side, row in ((BUY, bids), (SELL, asks)):
            sizes = {price: size for price, size in row if size}
            if side == message.side:
                if message.type == reader.NEW:
                    sizes[message.price] = sizes.get(message.price, 0) - message.size
                elif message.type in (reader.PARTIAL_CANCEL, reader.DELETE, reader.VISIBLE_EXECUTION):
                    sizes[message.price] = sizes.get(message.price, 0) + message.size
            for price in sorted((p for p, size in sizes.items() if size > 0), reverse=side == BUY)[: self.levels]:
                self._add(done, side, price, sizes[price], UNKNOWN)
        return done

    def message(self, row: int, message: Message, bids: Row, asks: Row) -> list[Instruction]:
        """What message number `row` asks of the engine; the rows are the book after it."""
        done: list[Instruction] = []
        side, price = message.side, message.price
        levels = self.sides[side] if side else {}
        match message.type:
            case reader.NEW:
                entered = price not in levels
                self._add(done, side, price, message.size, message.order_id)
                if entered:
                    self._move_window(done, side, bids if side == BUY else asks)
            case reader.PARTIAL_CANCEL | reader.DELETE | reader.VISIBLE_EXECUTION:
                queue = levels.get(price)
                if queue is None:
                    self.contradictions.append(row)
                    return done
                if message.type == reader.VISIBLE_EXECUTION:
                    whole = self._execute(done, queue, message)
                else:
                    whole = self._reduce(done, queue, message)
                if not whole:
                    self.contradictions.append(row)
                if not queue:
                    del levels[price]
                    self._move_window(done, side, bids if side == BUY else asks)
        return done

    # --------------------------------------------------------------------------------------------------- parts

    def _add(self, done: list[Instruction], side: int, price: int, quantity: int, owner: int) -> None:
        number = self.orders
        self.orders += 1
        account = spread(owner if owner != UNKNOWN else number, CROWD)
        self.sides[side].setdefault(price, []).append(RestingOrder(number, account, quantity, owner))
        done.append(Instruction(NEW, number, account, 0, side, price // self.tick, quantity, GTC))

    def _shrink(self, done: list[Instruction], queue: Queue, order: RestingOrder, quantity: int, side: int) -> None:
        """Takes shares whose claims are released already off an order."""
        order.leaves -= quantity
        order.quantity -= quantity
        if order.leaves == 0:
            queue.remove(order)
            done.append(Instruction(CANCEL, order.number, order.account, 0, side, 0, 0))
        else:
            done.append(Instruction(REPLACE, order.number, order.account, 0, side, 0, order.quantity))

    def _reduce(self, done: list[Instruction], queue: Queue, message: Message) -> bool:
        """A partial cancel or a delete. False where the owner holds fewer shares than it loses."""
        owner = _owner(queue, message.order_id)
        left = message.size
        for order in list(queue):
            released = order.release(owner, left)
            if released:
                left -= released
                self._shrink(done, queue, order, released, message.side)
            if left == 0:
                break
        if message.type == reader.DELETE and owner != UNKNOWN:
            _hand_over(queue, owner, UNKNOWN)
        return left == 0

    def _execute(self, done: list[Instruction], queue: Queue, message: Message) -> bool:
        """A visible execution. False where level or owner hold fewer shares than are executed."""
        owner = _owner(queue, message.order_id)
        number = self.orders
        self.orders += 1
        account = CROWD + spread(message.order_id, TAKERS)
        aggressor = SELL if message.side == BUY else BUY
        price = message.price // self.tick
        done.append(Instruction(NEW, number, account, 0, aggressor, price, message.size, IOC))
        left = message.size
        losers: list[tuple[int, int]] = []
        while left and queue:
            order = queue[0]
            filled = min(left, order.leaves)
            rest = filled - order.release(owner, filled)
            for other in list(order.claims):
                if rest == 0:
                    break
                lost = order.release(other, rest)
                losers.append((other, lost))
                rest -= lost
            order.leaves -= filled
            left -= filled
            if order.leaves == 0:
                queue.pop(0)
        self.displaced += bool(losers)
        for other, lost in losers:
            left += lost - _transfer(queue, owner, other, lost)
        return left == 0

    def _move_window(self, done: list[Instruction], side: int, row: Row) -> None:
        """Drops what lies beyond the row's far edge, and seeds that edge where it newly came into sight.

        A row with an empty level shows the whole book: nothing can leave its window or come into it."""
        edge, size = row[-1]
        if size == 0:
            return
        levels = self.sides[side]
        sign = 1 if side == SELL else -1
        for price in [p for p in levels if sign * p > sign * edge]:
            done.extend(Instruction(CANCEL, order.number, order.account, 0, side, 0, 0) for order in levels.pop(price))
            self.dropped += 1
        if edge not in levels:
            self._add(done, side, edge, size, UNKNOWN)
            self.seeded += 1


def _owner(queue: Queue, order_id: int) -> int:
    """The file's order id where its shares are in this queue, else UNKNOWN."""
    return order_id if any(order_id in order.claims for order in queue) else UNKNOWN


def _transfer(queue: Queue, giver: int, taker: int, quantity: int) -> int:
    """Moves claims on up to `quantity` shares from one owner to another; returns how many."""
    moved = 0
    for order in queue:
        given = order.release(giver, quantity - moved)
        if given:
            order.claims[taker] = order.claims.get(taker, 0) + given
            moved += given
        if moved == quantity:
            break
    return moved


def _hand_over(queue: Queue, giver: int, taker: int) -> None:
    """Moves all claims of an owner."""
    for order in queue:
        held = order.claims.pop(giver, 0)
        if held:
            order.claims[taker] = order.claims.get(taker, 0) + held
