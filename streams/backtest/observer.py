"""What an exchange's reports say to strategies: trades, and the reports of their own orders. Pure."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from engine.core import Core
from engine.messages import OrderEvent
from engine.records import Reporter
from engine.words import ExecType, Liquidity, Side
from streams.strategies.events import BookUpdate, OrderUpdate, TradeUpdate, order_update
from streams.strategies.instrument import Listed, listed

TRADE: Final = int(ExecType.TRADE)
PRINT: Final = int(ExecType.PRINT)
TAKER: Final = int(Liquidity.TAKER)
SIDES: Final = {0: None, **{int(side): side.wire for side in Side}}


class Observer:
    """Turns rows into events; numbers are those that live records give."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._reporter = Reporter(core)
        self._units: list[Listed] = []

    def unit(self, number: int) -> Listed:
        """Units of an instrument by its number."""
        while len(self._units) < number:
            self._units.append(listed(self._core.instruments.by_number(len(self._units) + 1).definition))
        return self._units[number - 1]

    def trades(self, reports: NDArray[Any]) -> list[TradeUpdate]:
        """The tape's lines of REPORT rows."""
        kinds = reports["exec_type"]
        chosen = reports[((kinds == TRADE) & (reports["liquidity"] == TAKER)) | (kinds == PRINT)]
        found = []
        for number, stamp, transact, price, lots, side, seq, index in zip(
            *(
                chosen[name].tolist()
                for name in (
                    *("instrument", "ts_ns", "transact_ns", "last_price", "last_quantity", "side", "seq", "index"),
                )
            ),
            strict=True,
        ):
            unit = self.unit(number)
            found.append(
                TradeUpdate(
                    symbol=unit.symbol,
                    ts_ns=transact or stamp,
                    price=unit.price(price),
                    quantity=unit.quantity(lots),
                    aggressor_side=SIDES[side],
                    seq=seq,
                    index=index,
                )
            )
        return found

    def own(self, reports: NDArray[Any], accounts: NDArray[np.uint32]) -> list[tuple[OrderEvent, OrderUpdate]]:
        """The reports of some accounts' orders."""
        mine = np.isin(reports["account"], accounts) & (reports["exec_type"] != PRINT)
        if not mine.any():
            return []
        return [(event, order_update(event)) for event in self._reporter.order_events(reports[mine])]

    def book(self, number: int, levels: int, ts_ns: int) -> BookUpdate:
        """The book as it stands now."""
        unit = self.unit(number)
        bids, asks = self._core.depth(number, levels)
        return BookUpdate(
            symbol=unit.symbol,
            ts_ns=ts_ns,
            bids=tuple((unit.price(ticks), unit.quantity(lots)) for ticks, lots, _ in bids.tolist()),
            asks=tuple((unit.price(ticks), unit.quantity(lots)) for ticks, lots, _ in asks.tolist()),
            seq=self._core.last_seq,
            phase=self._core.phase(number).wire,
        )
