"""Millions of book changes a second: a compiled strategy that quotes on levels, with a modelled place in the queue.

Data that has levels and trades, but not who stands where in a queue, cannot go through the matcher. Here an order joins
the end of its level's queue, and how it moves up is a model:

* A trade at its price takes from those in front first, and then from the order; one beyond its price takes from it at
  once. A fill is never more than the trade.
* Of what leaves the level otherwise, `PROPORTIONAL` gives the part in front its share; `BEHIND` says that all of it
  stood behind, as far as the level's size allows: the reading that is worse for the strategy.
* An order that the other side's best price reaches is filled whole.
* What goes to the market takes the visible levels, each at its price.

Orders and cancels arrive after `latency_ns`. The book is the recorded one throughout. A strategy is a function of the
best prices (`Quoting`), compiled with the loop."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final, NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

from engine.jit import OPTIONS, compiled, inlined
from engine.units import MONEY_DECIMALS
from streams.backtest.accounting import Accounts, BookedFill, Marks
from streams.backtest.fees import Fees
from streams.backtest.result import ORDERS, Result, frame
from streams.feeds.lobster.plan import instrument, tick_of
from streams.feeds.lobster.reader import VISIBLE_EXECUTION, Day
from streams.strategies.instrument import Listed

BEHIND: Final = 0
PROPORTIONAL: Final = 1
BUY: Final = 0
SELL: Final = 1
MONEY: Final = 10**MONEY_DECIMALS
SECOND_NS: Final = 10**9

Quoting = Callable[[Any, Any, Any, Any, Any], None]
"""`strategy(state, parameters, book, position, wanted)`: `book` is (ts_ns, bid, bid lots, ask, ask lots), `wanted` is
filled with (bid ticks, bid lots, ask ticks, ask lots, lots to take at the market, signed); lots 0: no order. `state`
and `parameters` are arrays of float64 of the strategy's own."""

ORDER: Final = np.dtype(
    [
        ("price", "<i8"),
        ("leaves", "<i8"),
        ("ahead", "<f8"),
        ("seen", "<i8"),  # size of the level at the last row
        ("next_price", "<i8"),  # what is on its way: 0 lots cancels
        ("next_lots", "<i8"),
        ("due_ns", "<i8"),  # 0: nothing is
    ]
)
FILL: Final = np.dtype(
    [("ts_ns", "<i8"), ("row", "<i8"), ("lots", "<i8"), ("ticks", "<i8"), ("is_maker", "u1"), ("pad", "S7")]
)


class LevelTape(NamedTuple):
    """Rows of book and trade; prices in ticks, sizes in lots."""

    ts_ns: NDArray[np.int64]
    book: NDArray[np.int64]
    """(rows, 2, levels, 2): side (bids, asks), price and size after the row, best first; 0, 0 where empty."""
    trade: NDArray[np.int64]
    """(rows, 3): price, size, aggressor (1 buyer, -1 seller); size 0: no trade."""

    @property
    def rows(self) -> int:
        return len(self.ts_ns)


class Outcome(NamedTuple):
    fills: NDArray[Any]
    """FILL."""
    position: int
    cash: int
    """Ticks × lots: sales less purchases."""
    sent: int
    """Orders, replacements and cancels."""


def lobster_tape(day: Day, symbol: str) -> LevelTape:
    """Rows of a LOBSTER day. Raises `LobsterError` where its prices fit no instrument."""
    tick = tick_of(day, instrument(day, symbol))
    book = np.stack([day.bids, day.asks], axis=1)
    book[:, :, :, 0] //= tick
    trade = np.zeros((len(day.messages), 3), np.int64)
    for row, message in enumerate(day.messages):
        if message.type == VISIBLE_EXECUTION:
            trade[row] = message.price // tick, message.size, -1 if message.side == 1 else 1
    return LevelTape(day.time_ns + day.midnight_ns, np.ascontiguousarray(book), trade)


def run(
    strategy: Quoting,
    tape: LevelTape,
    parameters: NDArray[np.float64],
    *,
    state: int = 8,
    latency_ns: int = 0,
    queue: int = BEHIND,
    most_fills: int = 1 << 16,
) -> Outcome:
    """Plays the tape. `strategy`: compiled by numba.njit; `state`: how many numbers it remembers. Raises ValueError
    where there are more fills than room."""
    fills = np.zeros(most_fills, FILL)
    count, position, cash, sent = play(
        strategy,
        tape.ts_ns,
        tape.book,
        tape.trade,
        parameters,
        np.zeros(state),
        np.zeros(2, ORDER),
        np.zeros(5, np.int64),
        latency_ns,
        queue,
        fills,
    )
    if count > most_fills:
        raise ValueError(f"{count:,} fills and room for {most_fills:,}: give most_fills")
    return Outcome(fills[:count], int(position), int(cash), int(sent))


@numba.njit(**OPTIONS)  # type: ignore[untyped-decorator]
def play(
    strategy: Quoting,
    ts_ns: NDArray[np.int64],
    book: NDArray[np.int64],
    trade: NDArray[np.int64],
    parameters: NDArray[np.float64],
    state: NDArray[np.float64],
    orders: NDArray[Any],
    wanted: NDArray[np.int64],
    latency_ns: int,
    queue: int,
    fills: NDArray[Any],
) -> tuple[int, int, int, int]:
    """(fills, position, cash in ticks × lots, orders sent)."""
    position = cash = sent = count = 0
    taking = np.int64(0)
    taking_ns = np.int64(0)
    for row in range(len(ts_ns)):
        now = ts_ns[row]
        for side in range(2):
            sign = 1 if side == BUY else -1
            filled, price = _advance(orders, side, book, trade, row, queue)
            if filled > 0:
                position += sign * filled
                cash -= sign * filled * price
                count = _note(fills, count, now, row, sign * filled, price, 1)
            if orders["due_ns"][side] != 0 and orders["due_ns"][side] <= now:
                taken, value = _arrive(orders, side, book, row)
                if taken > 0:
                    position += sign * taken
                    cash -= sign * value
                    count = _note(fills, count, now, row, sign * taken, value // taken, 0)
        if taking != 0 and taking_ns <= now:
            sign = 1 if taking > 0 else -1
            taken, value = _take(book, row, SELL if sign > 0 else BUY, abs(taking), np.int64(0))
            taking = np.int64(0)
            if taken > 0:
                position += sign * taken
                cash -= sign * value
                count = _note(fills, count, now, row, sign * taken, value // taken, 0)
        if book[row, BUY, 0, 1] == 0 or book[row, SELL, 0, 1] == 0:
            continue
        for k in range(5):
            wanted[k] = 0
        best = (now, book[row, BUY, 0, 0], book[row, BUY, 0, 1], book[row, SELL, 0, 0], book[row, SELL, 0, 1])
        strategy(state, parameters, best, position, wanted)
        for side in range(2):
            sent += _ask(orders, side, wanted[2 * side], wanted[2 * side + 1], now + latency_ns)
            if latency_ns == 0 and orders["due_ns"][side] != 0:
                taken, value = _arrive(orders, side, book, row)
                if taken > 0:
                    sign = 1 if side == BUY else -1
                    position += sign * taken
                    cash -= sign * value
                    count = _note(fills, count, now, row, sign * taken, value // taken, 0)
        if wanted[4] != 0 and taking == 0:
            taking, taking_ns = wanted[4], now + max(latency_ns, 1)
            sent += 1
    return count, position, cash, sent


@inlined
def _note(fills: NDArray[Any], count: int, ts_ns: int, row: int, lots: int, ticks: int, is_maker: int) -> int:
    if count < len(fills):
        fills["ts_ns"][count] = ts_ns
        fills["row"][count] = row
        fills["lots"][count] = lots
        fills["ticks"][count] = ticks
        fills["is_maker"][count] = is_maker
    return count + 1


@inlined
def _size_at(book: NDArray[np.int64], row: int, side: int, price: int) -> Any:
    """Size of a level, -1 where it lies beyond what is visible."""
    last = np.int64(0)
    for k in range(book.shape[2]):
        if book[row, side, k, 1] == 0:
            return 0  # the whole side is visible
        last = book[row, side, k, 0]
        if last == price:
            return book[row, side, k, 1]
    first = book[row, side, 0, 0]
    # Beyond the last visible level nothing is known; between two levels, or before the first, there is nobody.
    return -1 if (last - price) * (first - last) > 0 or (first == last and price != first) else 0


@compiled
def _advance(
    orders: NDArray[Any], side: int, book: NDArray[np.int64], trade: NDArray[np.int64], row: int, queue: int
) -> Any:
    """(lots filled, their price) of what a row does to a working order."""
    leaves = orders["leaves"][side]
    if leaves == 0:
        return 0, 0
    price = orders["price"][side]
    sign = 1 if side == BUY else -1
    other, other_lots = book[row, 1 - side, 0, 0], book[row, 1 - side, 0, 1]
    size = _size_at(book, row, side, price)
    traded = np.int64(0)
    filled = np.int64(0)
    if trade[row, 1] > 0 and trade[row, 2] == -sign:
        if trade[row, 0] == price:
            traded = trade[row, 1]
            ahead = orders["ahead"][side]
            filled = min(leaves, max(np.int64(0), np.int64(traded - ahead)))
            orders["ahead"][side] = max(0.0, ahead - traded)
        elif sign * (price - trade[row, 0]) > 0:
            filled = min(leaves, trade[row, 1])
    if filled < leaves and other_lots > 0 and sign * (price - other) >= 0:
        filled = leaves
    seen = orders["seen"][side]
    if size >= 0:
        gone = seen - size - traded
        if gone > 0 and seen > 0 and queue == PROPORTIONAL:
            orders["ahead"][side] -= gone * (orders["ahead"][side] / seen)
        orders["ahead"][side] = max(0.0, min(orders["ahead"][side], float(size)))
        orders["seen"][side] = size
    orders["leaves"][side] = leaves - filled
    return filled, price


@compiled
def _take(book: NDArray[np.int64], row: int, side: int, lots: int, limit: int) -> Any:
    """(lots, ticks × lots) that the visible levels of a side give, up to a limit (0: none)."""
    left = np.int64(lots)
    value = np.int64(0)
    sign = 1 if side == SELL else -1
    for k in range(book.shape[2]):
        price, size = book[row, side, k, 0], book[row, side, k, 1]
        if left == 0 or size == 0 or (limit != 0 and sign * (limit - price) < 0):
            break
        part = min(left, size)
        left -= part
        value += part * price
    return lots - left, value


@compiled
def _arrive(orders: NDArray[Any], side: int, book: NDArray[np.int64], row: int) -> Any:
    """What was on its way is there: (lots taken at once, ticks × lots)."""
    price, lots = orders["next_price"][side], orders["next_lots"][side]
    orders["due_ns"][side] = 0
    orders["leaves"][side] = 0
    if lots == 0:
        return 0, 0
    taken, value = _take(book, row, 1 - side, lots, price)
    orders["price"][side] = price
    orders["leaves"][side] = lots - taken
    size = _size_at(book, row, side, price)
    orders["seen"][side] = max(size, 0)
    orders["ahead"][side] = float(max(size, 0))
    return taken, value


@inlined
def _ask(orders: NDArray[Any], side: int, price: int, lots: int, due_ns: int) -> int:
    """Sends a change where what is wanted is another than what works; one at a time is on its way."""
    if orders["due_ns"][side] != 0:
        return 0
    leaves = orders["leaves"][side]
    if lots == 0 and leaves == 0:
        return 0
    if lots != 0 and leaves != 0 and orders["price"][side] == price:
        return 0
    orders["next_price"][side] = price
    orders["next_lots"][side] = lots
    orders["due_ns"][side] = max(due_ns, 1)
    return 1


class Compiled(NamedTuple):
    """A strategy's compiled twin."""

    quoting: Quoting
    parameters: Callable[[Any, Listed], list[float]]
    """From the strategy's parameters, in lots and ticks."""


@numba.njit(**OPTIONS)  # type: ignore[untyped-decorator]
def imbalance_quotes(state: Any, parameters: Any, book: Any, position: int, wanted: Any) -> None:
    """The rule of `streams.strategies.imbalance`: parameters (threshold, lots, largest position)."""
    _, bid, bid_lots, ask, ask_lots = book
    lean = (bid_lots - ask_lots) / (bid_lots + ask_lots)
    lots = np.int64(parameters[1])
    if lean > parameters[0] and abs(position + lots) <= parameters[2]:
        wanted[0], wanted[1] = bid, lots
    elif lean < -parameters[0] and abs(position - lots) <= parameters[2]:
        wanted[2], wanted[3] = ask, lots


def as_result(
    outcome: Outcome, tape: LevelTape, unit: Listed, cash: Decimal, fees: Fees, assumed: dict[str, str]
) -> Result:
    """The outcome in the form that every backtest gives; equity by the middle of the book, once a second."""
    accounts = Accounts({unit.symbol: unit}, {"backtest": int(cash * MONEY)})
    middle = tape.book[:, BUY, 0, 0] + tape.book[:, SELL, 0, 0]
    for number, one in enumerate(outcome.fills):
        lots, ticks, row = int(one["lots"]), int(one["ticks"]), int(one["row"])
        fee = fees.of(unit, abs(lots), ticks, is_maker=bool(one["is_maker"]))
        liquidity = "maker" if one["is_maker"] else "taker"
        name, price = f"levels-{number + 1}", unit.price(int(middle[row])) / 2
        stamp = int(one["ts_ns"])
        accounts.book(
            BookedFill(stamp, "backtest", "levels", unit.symbol, lots, ticks, fee, liquidity, name, stamp, price)
        )
    _, first = np.unique(tape.ts_ns // SECOND_NS, return_index=True)
    marks = {unit.symbol: Marks(tape.ts_ns[first], middle[first])}
    return Result(
        equity=accounts.equity_frame(marks),
        orders=frame([], ORDERS),
        fills=accounts.fill_frame(),
        trades=accounts.trade_frame(marks),
        marks=accounts.mark_frame(marks),
        starting_cash=float(cash),
        assumptions=assumed,
        strategies=("levels",),
        events=tape.rows,
    )


TWINS: Final = {
    "imbalance": Compiled(
        imbalance_quotes,
        lambda chosen, unit: [
            chosen.threshold,
            float(unit.lots(chosen.quantity)),
            float(unit.lots(chosen.max_position)),
        ],
    )
}
"""By the strategy's name."""
