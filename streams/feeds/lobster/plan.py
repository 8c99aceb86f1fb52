"""A whole LOBSTER day made ready to send: the instrument, every row's instructions, and what to expect. Pure."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.book import LEVELS
from engine.messages import DefineInstrument, Instrument, Print
from engine.units import NotMultiple, scaled_text, steps
from engine.words import Side
from streams.feeds.instructions import Instruction, columns
from streams.feeds.lobster.reader import CROSS_TRADE, HIDDEN_EXECUTION, Day, LobsterError
from streams.feeds.lobster.translation import CROWD, TAKERS, Counts, Translation

ACCOUNTS: Final = (
    *(f"lobster-crowd-{k + 1}" for k in range(CROWD)),
    *(f"lobster-taker-{k + 1}" for k in range(TAKERS)),
)
"""By the translation's account numbers."""
DEPOSIT: Final = Decimal(100_000_000)
PRICE_DECIMALS: Final = 4
PRICE_UNIT: Final = Decimal(1).scaleb(-PRICE_DECIMALS)
PROGRESS_ROWS: Final = 2000
STRATEGY: Final = "lobster"

Progress = Callable[[int, int], None]
"""Called with (rows done, rows in all)."""


class Plan(NamedTuple):
    """Every row's instructions, and the tape's prints."""

    instructions: NDArray[Any]
    """INSTRUCTION, of all rows in order."""
    starts: NDArray[np.int64]
    """(rows + 2): instructions [0, starts[0]) open the book; [starts[i], starts[i + 1]) are those of row i."""
    prints: dict[int, Print]
    """By row; `transact_ns` is set."""
    transact_ns: NDArray[np.int64]
    """(rows,): the file's time as nanoseconds since the epoch, 0 where its name does not tell the day."""
    levels_opened: int
    counts: NDArray[np.int64]
    """(rows, 4): Counts up to and including each row."""

    @property
    def rows(self) -> int:
        return len(self.transact_ns)

    def counted(self, rows: int) -> Counts:
        """What the first `rows` rows took."""
        return Counts(*self.counts[rows - 1].tolist()) if rows else Counts(0, 0, 0, 0)

    def span(self, row: int) -> tuple[int, int]:
        """First and end of the row's instructions; row 0 opens the book first."""
        return (0 if row == 0 else int(self.starts[row])), int(self.starts[row + 1])


def instrument(day: Day, symbol: str) -> DefineInstrument:
    """An instrument on which the day fits: a tick that divides all its prices, half cents of hidden trades included."""
    tick = day.price_step()
    low, high = (price // tick for price in _extremes(day))
    if high - low >= LEVELS:
        raise LobsterError(f"{symbol}: its prices span {high - low} ticks, and an instrument has room for {LEVELS}")
    lowest = max(1, low // 2, high - LEVELS + 1)
    highest = min(lowest + LEVELS - 1, max(high, 2 * high - lowest))
    return DefineInstrument(
        symbol=symbol,
        tick_size=_dollars(tick),
        lot_size=Decimal(1),
        price_min=_dollars(tick * lowest),
        price_max=_dollars(tick * highest),
        maker_fee_ppm=-20,
        taker_fee_ppm=30,
        description="a replayed LOBSTER day",
    )


def tick_of(day: Day, definition: DefineInstrument | Instrument) -> int:
    """The instrument's tick in dollars × 10,000.

    Raises:
        LobsterError: the day's book does not fit on an instrument with this tick, lot and price band.
    """
    symbol, tick_size = definition.symbol, Decimal(definition.tick_size)
    try:
        tick = steps(tick_size, PRICE_UNIT)
    except NotMultiple:
        raise LobsterError(f"{symbol}: its tick {tick_size} is finer than a LOBSTER file's prices") from None
    if Decimal(definition.lot_size) != 1:
        raise LobsterError(f"{symbol}: its lot is {definition.lot_size}, and a LOBSTER file counts single shares")
    low, high = _extremes(day)
    prices = np.concatenate([day.bids[:, :, 0].ravel(), day.asks[:, :, 0].ravel()])
    if (prices % tick).any():
        raise LobsterError(f"{symbol}: its tick is {tick_size}, the file has prices between: use another --symbol")
    least, most = Decimal(definition.price_min), Decimal(definition.price_max)
    if _dollars(low) < least or _dollars(high) > most:
        raise LobsterError(
            f"{symbol}: takes prices from {least} to {most}, the file goes from {_dollars(low)} to {_dollars(high)}: "
            "use another --symbol"
        )
    return tick


def _dollars(price: int) -> Decimal:
    """A price of dollars × 10,000, exactly and without trailing zeros."""
    return Decimal(scaled_text(price, PRICE_DECIMALS))


def _extremes(day: Day) -> tuple[int, int]:
    """Lowest and highest price of the book."""
    prices = np.concatenate([day.bids[:, :, 0].ravel(), day.asks[:, :, 0].ravel()])
    return int(prices[prices > 0].min()), int(prices.max())


def make(day: Day, symbol: str, tick: int) -> Plan:
    """Translates the whole day for an instrument with this tick (dollars × 10,000)."""
    translation = Translation(day.levels, tick)
    bids, asks = day.bids.tolist(), day.asks.tolist()
    midnight_ns = day.midnight_ns
    transact_ns = day.time_ns + midnight_ns if midnight_ns else np.zeros_like(day.time_ns)
    instructions: list[Instruction] = translation.open(day.messages[0], bids[0], asks[0])
    opened = len(instructions)
    starts = [opened]
    counts: list[Counts] = []
    prints: dict[int, Print] = {}
    for row, message in enumerate(day.messages):
        instructions += translation.message(row, message, bids[row], asks[row])
        starts.append(len(instructions))
        counts.append(translation.counts)
        if message.type in (HIDDEN_EXECUTION, CROSS_TRADE):
            aggressor = Side.SELL if message.side == Side.BUY else Side.BUY
            prints[row] = Print(
                symbol=symbol,
                price=_dollars(message.price),
                quantity=Decimal(message.size),
                aggressor_side=aggressor.wire if message.type == HIDDEN_EXECUTION else None,
                transact_ns=int(transact_ns[row]),
            )
    return Plan(
        instructions=columns(instructions),
        starts=np.array(starts, np.int64),
        prints=prints,
        transact_ns=transact_ns,
        levels_opened=opened,
        counts=np.array(counts, np.int64),
    )


def expected(day: Day, tick: int) -> NDArray[np.int64]:
    """(rows, 2, levels, 2): side (bids, asks), price in ticks and size after each message; 0, 0 where empty.

    Comes from the book file alone: the translation has no part in it."""
    both = np.stack([day.bids, day.asks], axis=1)
    both[:, :, :, 0] //= tick
    return both
