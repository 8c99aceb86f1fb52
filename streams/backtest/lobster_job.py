"""Variants of a strategy on a LOBSTER day: each meets the recorded orders on an exchange of its own."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from streams.backtest import exchange
from streams.backtest.market import LobsterMarket
from streams.backtest.result import Result
from streams.backtest.seats import Entrant
from streams.feeds.lobster.reader import read
from streams.strategies import catalog
from streams.strategies.strategy import parameters


class LobsterJob(NamedTuple):
    """A `sweep.Task`. The files and not their day are sent to the processes, each of which reads them once."""

    strategy: str
    """As `catalog.find` takes it."""
    fixed: dict[str, Any]
    messages: Path
    book: Path | None
    symbol: str
    plan: exchange.Plan

    def result(self, given: Mapping[str, Any]) -> Result:
        """Raises `ParameterError` where the parameters break a rule, `LobsterError` where the files do."""
        kind = catalog.find(self.strategy)
        entrant = Entrant(kind, parameters(kind, {**self.fixed, **given}), "sweep")
        # Measured latencies are drawn one after the other: every variant draws the same.
        plan = copy.deepcopy(self.plan)
        return exchange.run(_market(self.messages, self.book, self.symbol), [entrant], plan)


@cache
def _market(messages: Path, book: Path | None, symbol: str) -> LobsterMarket:
    return LobsterMarket(read(messages, book), symbol)
