"""The translation alone, against a book of dictionaries and lists that knows nothing of it."""

from __future__ import annotations

import pytest

from engine.words import Side
from streams.feeds.instructions import CANCEL, IOC, NEW, REPLACE, Instruction
from streams.feeds.lobster.reader import (
    DELETE,
    HALT,
    HIDDEN_EXECUTION,
    PARTIAL_CANCEL,
    VISIBLE_EXECUTION,
    Day,
    Message,
    read,
)
from streams.feeds.lobster.reader import NEW as NEW_ORDER
from streams.feeds.lobster.translation import Translation
from tests.streams.feeds.lobster_day import AAPL_BOOK, AAPL_MESSAGES, day_of, needs

BUY, SELL = int(Side.BUY), int(Side.SELL)
TICK = 100


class PlainBook:
    """Price-time matching in the plainest words."""

    def __init__(self) -> None:
        self.orders: dict[int, list[int]] = {}
        """number → [side, price, leaves, filled], in order of arrival."""

    def apply(self, instruction: Instruction) -> None:
        if instruction.type == CANCEL:
            del self.orders[instruction.number]
        elif instruction.type == REPLACE:
            order = self.orders[instruction.number]
            assert instruction.price == 0
            leaves = instruction.quantity - order[3]
            assert 0 < leaves < order[2], "a replace must be a pure decrease"
            order[2] = leaves
        elif instruction.time_in_force == IOC:
            self._take(instruction)
        else:
            assert instruction.type == NEW
            self.orders[instruction.number] = [instruction.side, instruction.price, instruction.quantity, 0]

    def _take(self, taker: Instruction) -> None:
        left = taker.quantity
        other = SELL if taker.side == BUY else BUY
        best = (min if other == SELL else max)(o[1] for o in self.orders.values() if o[0] == other)
        assert best == taker.price, "an execution hits the best price"
        for number, order in list(self.orders.items()):
            if left and order[0] == other and order[1] == taker.price:
                traded = min(left, order[2])
                left -= traded
                order[2] -= traded
                order[3] += traded
                if order[2] == 0:
                    del self.orders[number]
        assert left == 0, "the level must hold what is executed"

    def side(self, side: int) -> dict[int, int]:
        levels: dict[int, int] = {}
        for order_side, price, leaves, _ in self.orders.values():
            if order_side == side:
                levels[price] = levels.get(price, 0) + leaves
        return levels


def replay(day: Day) -> tuple[Translation, PlainBook]:
    """Plays the day and compares every row."""
    translation, book = Translation(day.levels, TICK), PlainBook()
    bids, asks = day.bids.tolist(), day.asks.tolist()
    for instruction in translation.open(day.messages[0], bids[0], asks[0]):
        book.apply(instruction)
    for row, message in enumerate(day.messages):
        for instruction in translation.message(row, message, bids[row], asks[row]):
            book.apply(instruction)
        for side, levels in ((BUY, bids[row]), (SELL, asks[row])):
            assert book.side(side) == {price // TICK: size for price, size in levels if size}, f"row {row}"
    return translation, book


ASKS = [(20_000, 5), (20_100, 5)]


def test_a_day_of_every_kind_of_message() -> None:
    day = day_of(
        [
            (Message(NEW_ORDER, 1, 10, 19_900, BUY), [(19_900, 10), (19_800, 4)], ASKS),
            (Message(NEW_ORDER, 2, 7, 19_900, BUY), [(19_900, 17), (19_800, 4)], ASKS),
            (Message(PARTIAL_CANCEL, 1, 3, 19_900, BUY), [(19_900, 14), (19_800, 4)], ASKS),
            (Message(HIDDEN_EXECUTION, 0, 50, 19_950, BUY), [(19_900, 14), (19_800, 4)], ASKS),
            (Message(VISIBLE_EXECUTION, 1, 5, 19_900, BUY), [(19_900, 9), (19_800, 4)], ASKS),
            (Message(HALT, 0, 0, -1, 0), [(19_900, 9), (19_800, 4)], ASKS),
            (Message(DELETE, 1, 2, 19_900, BUY), [(19_900, 7), (19_800, 4)], ASKS),
        ],
        levels=2,
    )
    translation, _ = replay(day)
    assert translation.contradictions == []
    assert (translation.seeded, translation.dropped, translation.displaced) == (0, 0, 0)


def test_a_level_that_leaves_is_dropped_and_taken_from_the_file_when_it_returns() -> None:
    """Bid 19,700 leaves when 19,900 comes; while out of sight it shrinks from 9 to 6 with no message."""
    day = day_of(
        [
            (Message(NEW_ORDER, 1, 1, 20_000, SELL), [(19_800, 4), (19_700, 9)], [(20_000, 6), (20_100, 5)]),
            (Message(NEW_ORDER, 2, 3, 19_900, BUY), [(19_900, 3), (19_800, 4)], [(20_000, 6), (20_100, 5)]),
            (Message(DELETE, 2, 3, 19_900, BUY), [(19_800, 4), (19_700, 6)], [(20_000, 6), (20_100, 5)]),
        ],
        levels=2,
    )
    translation, _ = replay(day)
    assert (translation.dropped, translation.seeded) == (1, 1)


def test_an_execution_out_of_queue_order_hands_its_shares_on() -> None:
    """Order 2 is executed while order 1 stands before it. The engine fills 1, so what is left of 1's shares in the
    file now lies in the engine's order 2: the later cancel and delete of 1 fall on it."""
    asks = [(20_000, 5)]
    day = day_of(
        [
            (Message(NEW_ORDER, 1, 10, 19_900, BUY), [(19_900, 10)], asks),
            (Message(NEW_ORDER, 2, 10, 19_900, BUY), [(19_900, 20)], asks),
            (Message(VISIBLE_EXECUTION, 2, 6, 19_900, BUY), [(19_900, 14)], asks),
            (Message(PARTIAL_CANCEL, 1, 8, 19_900, BUY), [(19_900, 6)], asks),
            (Message(DELETE, 1, 2, 19_900, BUY), [(19_900, 4)], asks),
            (Message(DELETE, 2, 4, 19_900, BUY), [], asks),
        ],
        levels=3,
    )
    translation, book = replay(day)
    assert translation.displaced == 1
    assert translation.contradictions == []
    assert book.side(BUY) == {}


@pytest.mark.parametrize(
    ("message", "bids"),
    [
        (Message(DELETE, 9, 5, 19_700, BUY), [(19_900, 10)]),
        (Message(VISIBLE_EXECUTION, 1, 99, 19_900, BUY), []),
        (Message(PARTIAL_CANCEL, 1, 99, 19_900, BUY), []),
    ],
    ids=["no such level", "executes more than there is", "cancels more than there is"],
)
def test_a_message_that_the_book_contradicts_is_counted_and_not_mended(
    message: Message, bids: list[tuple[int, int]]
) -> None:
    translation = Translation(3, TICK)
    first = Message(NEW_ORDER, 1, 10, 19_900, BUY)
    translation.open(first, [[19_900, 10]], [])
    translation.message(0, first, [[19_900, 10], [0, 0], [0, 0]], [])
    translation.message(1, message, [*([p, s] for p, s in bids), *[[0, 0]] * (3 - len(bids))], [])
    assert translation.contradictions == [1]
    assert translation.seeded == 0


def test_nothing_but_the_far_edge_is_ever_seeded() -> None:
    """The file's best bid grows with no message: the translation must not take it over."""
    translation = Translation(2, TICK)
    first = Message(NEW_ORDER, 1, 1, 19_900, BUY)
    translation.open(first, [[19_900, 1], [19_800, 4]], [])
    translation.message(0, first, [[19_900, 1], [19_800, 4]], [])
    assert translation.message(1, Message(DELETE, 1, 1, 19_900, BUY), [[19_800, 50], [19_700, 2]], []) == [
        Instruction(CANCEL, 1, translation_account(1), 0, BUY, 0, 0),
        Instruction(NEW, 2, translation_account(2), 0, BUY, 197, 2),
    ]


def translation_account(number: int) -> int:
    from streams.feeds.lobster.translation import CROWD, spread

    return spread(number, CROWD)


@pytest.mark.marketdata
@needs(AAPL_BOOK)
def test_the_real_999_rows() -> None:
    translation, _ = replay(read(AAPL_MESSAGES, AAPL_BOOK))
    assert translation.contradictions == []
