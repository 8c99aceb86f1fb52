"""A small exchange on which tests compare two engines: few instruments, few prices, so that much happens.

Prices are ticks, quantities lots."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from engine.layout import COMMAND
from engine.messages import AdministrativeCommand, DefineAccount, DefineInstrument, Limits
from engine.words import CommandType, Source

ACCOUNTS: Final = (
    DefineAccount(account="ann", deposit=Decimal(10_000), firm="red", self_trade_scope="firm"),
    DefineAccount(
        account="bob",
        deposit=Decimal(10_000),
        firm="red",
        self_trade_prevention="cancel_oldest",
        self_trade_scope="firm",
    ),
    # So little money that it is often too little.
    DefineAccount(account="cat", deposit=Decimal(400), margin_multiple=Decimal("1.5")),
    DefineAccount(account="dan", deposit=Decimal(10_000), firm="blue", self_trade_prevention="decrement"),
    DefineAccount(account="eve", deposit=Decimal(3_000), margin_multiple=Decimal(4)),
)
INSTRUMENTS: Final = (
    # A narrow band, with a rebate for makers.
    DefineInstrument(
        symbol="NARROW",
        tick_size=Decimal("0.01"),
        lot_size=Decimal(1),
        price_min=Decimal("0.95"),
        price_max=Decimal("1.05"),
        maker_fee_ppm=-20,
        taker_fee_ppm=30,
    ),
    # The widest band there is: its prices reach every layer of the matcher's index of levels.
    DefineInstrument(
        symbol="WIDE",
        tick_size=Decimal("0.5"),
        lot_size=Decimal("0.0001"),
        price_min=Decimal("10000"),
        price_max=Decimal("141071.5"),
        maker_fee_ppm=0,
        taker_fee_ppm=-7,
    ),
    # Fees as high as they go, on the smallest unit of money.
    DefineInstrument(
        symbol="DEAR",
        tick_size=Decimal("0.000001"),
        lot_size=Decimal(1),
        price_min=Decimal("0.000001"),
        price_max=Decimal("0.000040"),
        maker_fee_ppm=99_999,
        taker_fee_ppm=100_000,
    ),
)
SYMBOLS: Final = tuple(definition.symbol for definition in INSTRUMENTS)
WIDE_LEVELS: Final = (
    *(0, 1, 63, 64, 4_095, 4_096, 4_160, 131_071, 131_072, 135_169, 200_000),
    *(200_001, 258_048, 258_111, 258_112, 262_079, 262_080, 262_142, 262_143),
)
"""On both sides of the borders of 2^6, 2^12 and 2^18."""
PRICES: Final = (
    (95, 98, 99, 100, 101, 102, 105),
    tuple(20_000 + level for level in WIDE_LEVELS),
    tuple(range(1, 12)),
)
"""Ticks inside each instrument's band; few, so that orders meet, and so that queues are long in the first."""
SET_UP: Final[tuple[AdministrativeCommand, ...]] = (
    *INSTRUMENTS,
    *ACCOUNTS,
    Limits(account="dan", messages_per_second=60, message_burst=6),
)


def define(engine: Any, first_seq: int = 1) -> int:
    """Opens the small exchange in an engine; returns the next free seq."""
    for seq, definition in enumerate(SET_UP, first_seq):
        engine.administer(seq, seq * 1000, definition)
    return first_seq + len(SET_UP)


def command(seq: int, kind: CommandType, **fields: Any) -> NDArray[Any]:
    """One COMMAND record, stamped."""
    record = np.zeros(1, COMMAND)
    record["seq"] = seq
    record["ts_ns"] = seq * 1000
    record["type"] = int(kind)
    record["source_offset"] = -1
    record["source"] = int(Source.ZEROMQ)
    for name, value in fields.items():
        record[name] = value
    return record
