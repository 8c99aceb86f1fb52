"""Measures the whole core on a stream: checks, risk, repeats, matching, and a binary report for every change."""

from __future__ import annotations

import time
from collections.abc import Iterator
from decimal import Decimal
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.core import Core
from engine.messages import DefineAccount, DefineInstrument, Limits
from engine.words import ExecType, Liquidity
from infra.bench.commands_of import ACCOUNTS, commands
from infra.bench.stream import Expected, Stream

SYMBOL: Final = "BENCH"
INSTRUMENT: Final = 1
START_NS: Final = 1_000_000_000
BATCH: Final = 8192
"""Commands handed to the core at a time, as many as the engine's server takes in one."""
LEVELS: Final = 1 << 16
PAGE: Final = 4096
MANY: Final = Decimal(10**9)


class Speed(NamedTuple):
    commands_per_s: float
    batch_ns: NDArray[np.float64]
    """Nanoseconds a command, by batch."""
    made: Expected
    reports: int
    """Written while measuring."""


def arrays(state: Any) -> Iterator[NDArray[Any]]:
    """Every array of a tuple of (tuples of) arrays."""
    for item in state:
        if isinstance(item, np.ndarray):
            yield item
        else:
            yield from arrays(item)


def touch(core: Core) -> None:
    """Makes the system give every page of the core's memory now."""
    for array in arrays(core.engine):
        if array.flags.c_contiguous:
            array.reshape(-1).view(np.uint8)[::PAGE] |= 0


def prepared_core(max_orders: int) -> tuple[Core, int]:
    """A core with one instrument and ACCOUNTS accounts, each with limits of every kind that the stream stays within;
    and the last sequence number."""
    core = Core(max_orders=max_orders)
    core.compile()
    seq = 1
    core.administer(
        seq,
        START_NS,
        DefineInstrument(
            symbol=SYMBOL,
            tick_size=Decimal("0.01"),
            lot_size=Decimal(1),
            price_min=Decimal("0.01"),
            price_max=Decimal(1000),
            taker_fee_ppm=30,
            maker_fee_ppm=-20,
        ),
    )
    for number in range(1, ACCOUNTS + 1):
        account = f"account-{number}"
        opened = DefineAccount(account=account, deposit=MANY, margin_multiple=Decimal(10))
        limits = Limits(
            account=account,
            symbol=SYMBOL,
            max_order_quantity=MANY,
            max_order_notional=MANY,
            max_open_orders=10**6,
            max_long=MANY,
            max_short=MANY,
            price_collar_ppm=900_000,
        )
        rate = Limits(account=account, messages_per_second=1_000_000, message_burst=1_000_000)
        for command in (opened, limits, rate):
            seq += 1
            core.administer(seq, START_NS, command)
    return core, seq


def stream_commands(stream: Stream, first_seq: int, *, by_order_id: bool) -> NDArray[Any]:
    return commands(stream, instrument=INSTRUMENT, first_seq=first_seq, start_ns=START_NS, by_order_id=by_order_id)


def speed(stream: Stream, records: NDArray[Any], max_orders: int) -> Speed:
    """`records`: of `stream_commands`."""
    core, _ = prepared_core(max_orders)
    touch(core)
    core.apply(records[: stream.prefill])
    trades = quantity = reports = 0
    times = []
    for first in range(stream.prefill, len(records), BATCH):
        batch = records[first : first + BATCH]
        started = time.perf_counter_ns()
        applied = core.apply(batch)
        times.append((time.perf_counter_ns() - started, len(batch)))
        written = applied.reports
        taken = (written["exec_type"] == int(ExecType.TRADE)) & (written["liquidity"] == int(Liquidity.TAKER))
        trades += int(np.count_nonzero(taken))
        quantity += int(written["last_quantity"][taken].sum())
        reports += len(written)
    took = np.array(times, np.float64)
    bids, asks = core.depth(INSTRUMENT, LEVELS)
    resting = int(bids[:, 2].sum() + asks[:, 2].sum())
    made = Expected(trades, quantity, resting)
    return Speed(1e9 * took[:, 1].sum() / took[:, 0].sum(), took[:, 0] / took[:, 1], made, reports)
