"""What happened in a market, as the commands that an exchange was given: a recorded day, or the topic `commands`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from engine.core import Core
from engine.messages import AdministrativeEntry, DefineAccount, DefineInstrument, Print
from engine.segments import Frame
from streams.feeds.instructions import encode
from streams.feeds.lobster import plan as plans
from streams.feeds.lobster.plan import ACCOUNTS, DEPOSIT, STRATEGY
from streams.feeds.lobster.reader import Day


class Market(Protocol):
    name: str

    @property
    def max_orders(self) -> int:
        """Room for working orders that the exchange needs."""

    def frames(self, core: Core) -> Iterator[Frame]:
        """The commands in the order of time, each frame of one moment. A frame is to be applied to `core` before the
        next one is asked for."""


def entry(ts_ns: int, command: DefineAccount | DefineInstrument | Print) -> Frame:
    """An administrative command as a frame."""
    return Frame(0, 1, None, AdministrativeEntry(ts_ns=ts_ns, source="system", actor="backtest", command=command), 1)


class LobsterMarket:
    """A LOBSTER day as orders of a crowd (docs/market.md): new orders, cancels, and each execution as an
    immediate-or-cancel order at the resting order's price."""

    def __init__(self, day: Day, symbol: str) -> None:
        """Raises `LobsterError` where the day does not fit an instrument."""
        self.name = f"LOBSTER day of {symbol}"
        self.definition = plans.instrument(day, symbol)
        self.plan = plans.make(day, symbol, plans.tick_of(day, self.definition))
        self._ts_ns = self.plan.transact_ns if self.plan.transact_ns[0] else day.time_ns

    @property
    def max_orders(self) -> int:
        return len(self.plan.instructions) + 1

    @property
    def start_ns(self) -> int:
        return int(self._ts_ns[0])

    def frames(self, core: Core) -> Iterator[Frame]:
        start_ns = self.start_ns
        yield entry(start_ns, self.definition)
        for account in ACCOUNTS:
            yield entry(start_ns, DefineAccount(account=account, deposit=DEPOSIT))
        numbers = [_account(core, account) for account in ACCOUNTS]
        instrument = core.instruments.find(self.definition.symbol)
        assert instrument is not None
        commands = encode(
            self.plan.instructions, accounts=numbers, instruments=[instrument.number], tag="L", strategy=STRATEGY
        )
        stamps = self._ts_ns.tolist()
        for row in range(self.plan.rows):
            first, end = self.plan.span(row)
            if end > first:
                batch = commands[first:end]
                batch["ts_ns"] = batch["transact_ns"] = stamps[row]
                yield Frame(0, end - first, batch, None, 1)
            if row in self.plan.prints:
                yield entry(stamps[row], self.plan.prints[row])


def _account(core: Core, name: str) -> int:
    found = core.accounts.find(name)
    assert found is not None
    return found.number


class Numbering(NamedTuple):
    """New numbers for commands between which others are put; cancels and replaces that name a number follow."""

    orders: dict[int, int]
    """Old number of a new order → its number now."""

    def apply(self, records: NDArray[Any], first: int) -> None:
        """Numbers the records from `first` on."""
        if records["order_id"].any():
            renamed = [self.orders.get(old, old) for old in records["order_id"].tolist()]
            records["order_id"] = renamed
        numbers = np.arange(first, first + len(records), dtype=np.uint64)
        if records["seq"][0]:
            self.orders.update(zip(records["seq"].tolist(), numbers.tolist(), strict=True))
        records["seq"] = numbers
