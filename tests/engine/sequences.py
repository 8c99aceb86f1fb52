"""Seeded commands for a Sequencer, and what tests of the journal ask of one."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.core import Core
from engine.disk import Disk
from engine.layout import COMMAND
from engine.messages import DefineAccount, DefineInstrument
from engine.sequencer import Sequencer
from engine.words import CommandType, OrderType, Side, Source, TimeInForce

MAX_ORDERS = 500
AAPL = DefineInstrument(
    symbol="AAPL",
    tick_size=Decimal("0.01"),
    lot_size=Decimal(1),
    price_min=Decimal("1.00"),
    price_max=Decimal("2000.00"),
    maker_fee_ppm=-20,
    taker_fee_ppm=30,
)


def opened(folder: Path, *, disk: Disk | None = None, room: int = MAX_ORDERS, **more: Any) -> Sequencer:
    """A sequencer whose clock counts milliseconds."""
    ticks = itertools.count(1_000_000_000, 1_000_000)
    return Sequencer(Core(max_orders=room), folder, clock=lambda: next(ticks), disk=disk, **more)


@contextmanager
def running(folder: Path, **more: Any) -> Iterator[Sequencer]:
    sequencer = opened(folder, **more)
    try:
        yield sequencer
    finally:
        sequencer.close()


def define(sequencer: Sequencer) -> None:
    """AAPL and two accounts: three commands."""
    for command in (AAPL, *(DefineAccount(account=name, deposit=Decimal(10**7)) for name in ("ann", "bob"))):
        sequencer.administer(command, Source.SYSTEM, "test")


def orders(seed: int, count: int) -> NDArray[Any]:
    """Limit orders that rest and trade, a cancel_all now and then, and some with the offsets of a topic."""
    random = np.random.default_rng(seed)
    made = np.zeros(count, COMMAND)
    made["type"] = np.where(random.random(count) < 0.05, int(CommandType.CANCEL_ALL), int(CommandType.NEW))
    made["account"] = random.integers(1, 3, count)
    made["instrument"] = 1
    made["side"] = random.integers(int(Side.BUY), int(Side.SELL) + 1, count)
    made["order_type"] = int(OrderType.LIMIT)
    made["time_in_force"] = int(TimeInForce.GTC)
    made["quantity"] = random.integers(1, 10, count)
    made["limit_price"] = 19_000 + random.integers(-5, 6, count)
    made["client_order_id"] = [f"{seed}-{k}".encode() for k in range(count)]
    made["source_offset"] = -1
    made["source_partition"] = -1
    sweeps = made["type"] == int(CommandType.CANCEL_ALL)
    for name in ("order_type", "time_in_force", "quantity", "limit_price", "client_order_id", "side", "instrument"):
        made[name][sweeps] = np.zeros(1, COMMAND)[name]
    return made


def cancel_all(account: int = 1) -> NDArray[Any]:
    made = np.zeros(1, COMMAND)
    made["type"], made["account"] = int(CommandType.CANCEL_ALL), account
    made["source_offset"] = made["source_partition"] = -1
    return made
