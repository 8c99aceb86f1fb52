"""Counts what execution reports say, for Prometheus: orders, fills, and what was traded; many reports at a time."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from prometheus_client import Counter, Histogram

from engine.durations import BATCH_BUCKETS
from engine.registry import InstrumentEntry
from engine.words import ExecType, Liquidity, OrderStatus, OrderType, Outcome, Reason

ORDERS: Final = Counter("hft_orders", "New orders by what became of them at once.", ("order_type", "outcome", "reason"))
REPORTS: Final = Counter("hft_order_reports", "Execution reports.", ("exec_type", "reason"))
FILLS: Final = Counter("hft_fills", "Fills, one for each side of each trade.", ("symbol", "liquidity"))
TRADED: Final = Counter("hft_traded_quantity", "Units traded, each trade counted once.", ("symbol",))
TURNOVER: Final = Counter(
    "hft_traded_notional", "Price times quantity of all trades, in the instrument's currency.", ("symbol", "currency")
)
FRAMES: Final = Histogram(
    "hft_publisher_frame_commands", "Commands that the publisher applied at once.", buckets=BATCH_BUCKETS
)

ROWS: Final = 5_000
"""Reports that are kept before they are counted together."""
SECONDS: Final = 0.25
"""How long they are kept at most, while more come."""
COUNTED: Final = (
    "seq",
    "order_id",
    "last_quantity",
    "last_price",
    "instrument",
    "exec_type",
    "order_status",
    "reason",
    "order_type",
    "liquidity",
)

ORDER_TYPES: Final = {int(one): one.wire for one in OrderType}
NO_TYPE: Final = "none"
"""Of orders refused for a type that there is not: a binary record may hold any number."""

Groups = list[tuple[tuple[int, ...], NDArray[np.intp]]]


def grouped(*columns: NDArray[Any]) -> Groups:
    """The rows of each combination of values (each below 65,536)."""
    code = np.zeros(len(columns[0]), np.uint64)
    for column in columns:
        code = code << np.uint64(16) | column.astype(np.uint64)
    values, inverse = np.unique(code, return_inverse=True)
    found: Groups = []
    for number, value in enumerate(values.tolist()):
        parts = tuple(value >> 16 * place & 0xFFFF for place in reversed(range(len(columns))))
        found.append((parts, np.flatnonzero(inverse == number)))
    return found


class Tally:
    """Reports that wait to be counted; used by one thread."""

    def __init__(
        self, instrument: Callable[[int], InstrumentEntry], clock: Callable[[], float] = time.monotonic
    ) -> None:
        """`instrument` finds one by its number."""
        self._instrument = instrument
        self._clock = clock
        self._waiting: list[NDArray[Any]] = []
        self._rows = 0
        self._counted_at = clock()

    def add(self, reports: NDArray[Any]) -> None:
        """REPORT records; they are copied, since the core writes over them."""
        if len(reports):
            self._waiting.append(reports[list(COUNTED)].copy())
            self._rows += len(reports)
            if self._rows >= ROWS:
                self.count()

    def count_due(self) -> None:
        """Counts what has waited long enough."""
        if self._waiting and self._clock() - self._counted_at >= SECONDS:
            self.count()

    def count(self) -> None:
        """Counts all that wait."""
        self._counted_at = self._clock()
        if not self._waiting:
            return
        reports = np.concatenate(self._waiting) if len(self._waiting) > 1 else self._waiting[0]
        self._waiting, self._rows = [], 0
        self._count_orders(reports)
        self._count_trades(reports[reports["exec_type"] == int(ExecType.TRADE)])

    def _count_orders(self, reports: NDArray[Any]) -> None:
        for (kind, reason), rows in grouped(reports["exec_type"], reports["reason"]):
            REPORTS.labels(ExecType(kind).wire, Reason(reason).wire).inc(len(rows))
        kinds = reports["exec_type"]
        # A refused cancel or replace is a report of a working order, or of none at all (order number 0).
        refused = (kinds == int(ExecType.REJECTED)) & (reports["order_status"] == int(OrderStatus.REJECTED))
        opens = ((kinds == int(ExecType.NEW)) | refused) & (reports["order_id"] > 0)
        new = reports[opens]
        for (kind, order_type, reason), rows in grouped(new["exec_type"], new["order_type"], new["reason"]):
            outcome = Outcome.ACCEPTED if kind == ExecType.NEW else Outcome.REJECTED
            ORDERS.labels(ORDER_TYPES.get(order_type, NO_TYPE), outcome.wire, Reason(reason).wire).inc(len(rows))

    def _count_trades(self, fills: NDArray[Any]) -> None:
        for (number, liquidity), rows in grouped(fills["instrument"], fills["liquidity"]):
            entry = self._instrument(number)
            definition, scale = entry.definition, entry.scale
            FILLS.labels(definition.symbol, Liquidity(liquidity).wire).inc(len(rows))
            if liquidity != Liquidity.TAKER:  # the other side of the same trades
                continue
            lots, ticks = fills["last_quantity"][rows], fills["last_price"][rows]
            TRADED.labels(definition.symbol).inc(float(lots.sum()) * float(scale.lot))
            notional = float(np.dot(lots.astype(np.float64), ticks.astype(np.float64)))
            TURNOVER.labels(definition.symbol, definition.currency).inc(notional * float(scale.tick * scale.lot))
