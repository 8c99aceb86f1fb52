"""The engine and its reference side by side, on the small exchange, and long streams through both."""

from __future__ import annotations

from time import monotonic
from typing import Any

import order_flow
import small_exchange
from census import Census
from compare import answer, difference
from invariants import Audit
from order_flow import Batch
from reference_invariants import check_state

from engine.core import Core
from engine.messages import Dividend, SetPhase, Split
from engine.reference import Reference
from engine.words import Outcome

INSTRUMENTS = len(small_exchange.INSTRUMENTS)
ACCOUNTS = len(small_exchange.ACCOUNTS)
ROOMS = ((60, 90), (500, 600), (12, 40), (150, 2_000))
"""(max_orders, max_client_ids) of long streams, one after another."""
LENGTH = 10_000
"""Commands between two openings of the exchange."""


def twins(**room: int) -> tuple[Core, Reference, int]:
    """Both engines, and the next seq."""
    fast, slow = Core(**room), Reference(**room)
    seq = small_exchange.define(fast)
    small_exchange.define(slow)
    return fast, slow, seq


class LongStream:
    """Any number of commands through both engines; what they answer must be the same, and always true."""

    def __init__(self, first_seed: int = 0) -> None:
        self.seed = first_seed
        self.commands = 0
        self.trades = 0
        self.census = Census()

    def run(self, commands: int, seconds: float = float("inf")) -> None:
        """Raises AssertionError, with the seed, at the first difference. Stops before `commands` once it ran for so
        long."""
        end = monotonic() + seconds
        while self.commands < commands and monotonic() < end:
            count = min(LENGTH, commands - self.commands)
            try:
                self._run(count)
            except AssertionError as error:
                room = dict(zip(("max_orders", "max_client_ids"), ROOMS[self.seed % len(ROOMS)], strict=True))
                raise AssertionError(f"seed {self.seed}, {count} commands, {room}: {error}") from error
            self.seed += 1
            self.commands += count

    def _run(self, count: int) -> None:
        max_orders, max_client_ids = ROOMS[self.seed % len(ROOMS)]
        fast, slow, seq = twins(max_orders=max_orders, max_client_ids=max_client_ids)
        money = [instrument.money_per_tick_lot for instrument in slow.state.instruments]
        audit = Audit()
        for place, batch in enumerate(order_flow.stream(self.seed, count, seq)):
            look = place % 20 == 0
            self._compare(fast, slow, batch, look, audit)
            if look:
                check_state(slow.state)
                for number in range(1, INSTRUMENTS + 1):
                    if slow.state.instruments[number - 1].is_continuous:
                        audit.check_book(*fast.depth(number, 1 << 18))
        audit.check_positions(fast, INSTRUMENTS, ACCOUNTS, money)
        audit.check_positions(slow, INSTRUMENTS, ACCOUNTS, money)
        self.trades += audit.trades

    def _compare(self, fast: Any, slow: Any, batch: Batch, look: bool, audit: Audit) -> None:
        wanted = answer(slow, batch, state=look)
        got = answer(fast, batch, state=look)
        found = difference(got, wanted, batch)
        assert found is None, found
        self.census.read(got.reports, got.replies, batch.command)
        if isinstance(batch.command, Split | Dividend) and got.replies["outcome"][0] == Outcome.ACCEPTED:
            listed = fast.instruments.find(batch.command.symbol)
            audit.acted.add(listed.number)
            assert fast.drift() == 0
        audit.read(got.reports, is_uncross=isinstance(batch.command, SetPhase))
