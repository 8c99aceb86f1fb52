"""`hft bench memory`: what open orders cost, and that the core takes it all at its start."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import psutil
from numpy.typing import NDArray

from engine.core import Core
from engine.layout import COMMAND
from engine.words import CommandType, OrderType, Outcome, Reason, Side, TimeInForce
from infra.bench.commands_of import ACCOUNTS, client_order_ids
from infra.bench.figures import Figure, Result
from infra.bench.whole_core import BATCH, INSTRUMENT, START_NS, arrays, prepared_core

MILLION: Final = 1_000_000
MIDDLE: Final = 50_000
"""Ticks between the buy and the sell orders."""
SPREAD: Final = 1000
"""Levels a side that orders rest on."""


def bytes_of(core: Core) -> int:
    """Of all arrays of its state."""
    return sum(array.nbytes for array in arrays(core.engine))


def _resting(first: int, count: int, seq: int) -> NDArray[Any]:
    """New orders that trade with nothing, numbered from `first`."""
    numbers = np.arange(first, first + count)
    made = np.zeros(count, COMMAND)
    made["seq"] = np.arange(seq, seq + count)
    made["ts_ns"] = START_NS + made["seq"].astype(np.int64) * 1000
    made["account"] = 1 + numbers % ACCOUNTS
    made["instrument"] = INSTRUMENT
    made["type"] = int(CommandType.NEW)
    buys = numbers % 2 == 0
    made["side"] = np.where(buys, int(Side.BUY), int(Side.SELL))
    away = 1 + numbers // 2 % SPREAD
    made["limit_price"] = np.where(buys, MIDDLE - away, MIDDLE + away)
    made["quantity"] = 1
    made["order_type"] = int(OrderType.LIMIT)
    made["time_in_force"] = int(TimeInForce.GTC)
    made["source_partition"] = made["source_offset"] = -1
    made["client_order_id"] = client_order_ids(numbers)
    return made


def _turned_over(opened: NDArray[Any], number: int, seq: int) -> NDArray[Any]:
    """The cancels of these orders, and as many new ones numbered from `number`."""
    cancels = opened.copy()
    cancels["type"] = int(CommandType.CANCEL)
    for name in ("limit_price", "quantity", "side", "order_type", "time_in_force"):
        cancels[name] = 0
    both = np.concatenate([cancels, _resting(number, len(opened), seq)])
    both["seq"] = np.arange(seq, seq + len(both))
    both["ts_ns"] = START_NS + both["seq"].astype(np.int64) * 1000
    return both


def run(orders: int) -> Result:
    """Opens as many orders as there is room for, one more, and turns them over once."""
    process = psutil.Process()
    core, seq = prepared_core(orders)
    before = process.memory_info().rss
    accepted = 0
    seq += 1
    for first in range(0, orders, BATCH):
        batch = _resting(first, min(BATCH, orders - first), seq)
        accepted += int(np.count_nonzero(core.apply(batch).replies["outcome"] == int(Outcome.ACCEPTED)))
        seq += len(batch)
    full = process.memory_info().rss
    [refused] = core.apply(_resting(orders, 1, seq)).replies
    seq += 1
    for first in range(0, orders, BATCH):
        count = min(BATCH, orders - first)
        core.apply(_turned_over(_resting(first, count, seq), orders + 1 + first, seq))
        seq += 2 * count
    after = process.memory_info().rss
    fixed = bytes_of(Core(max_orders=1))
    own = bytes_of(core)
    capacity = int(refused["outcome"]) == int(Outcome.REJECTED) and int(refused["reason"]) == int(Reason.CAPACITY)
    return Result(
        "Memory of open orders",
        {"room for orders": orders, "accounts": ACCOUNTS, "turned over": 1},
        [
            Figure("orders taken: as many as there is room for", accepted == orders),
            Figure("one more: rejected with reason capacity", capacity),
            Figure("for each million open orders, preallocated", (own - fixed) * MILLION / orders / 2**20, "MiB"),
            Figure("books, accounts and tables besides, preallocated", fixed / 2**20, "MiB"),
            Figure("resident, from the empty core to the full one", (full - before) / 2**20, "MiB"),
            Figure("resident, more after all orders were turned over once", (after - full) / 2**20, "MiB"),
        ],
    )
