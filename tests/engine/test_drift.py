"""The sums that must hold, and that a breach of any of them is seen."""

from __future__ import annotations

from collections.abc import Callable

import order_flow
import pytest
import small_exchange
from compare import carry_out

from engine.core import Core


def busy(seed: int) -> Core:
    """A core after a few thousand commands, with orders at work."""
    core = Core(max_orders=300)
    for batch in order_flow.stream(seed, 4_000, small_exchange.define(core)):
        carry_out(core, batch)
        assert core.drift() == 0
    return core


def _field(array: str, name: str) -> Callable[[Core], None]:
    def change(core: Core) -> None:
        values = getattr(core.engine.ledger, array)[name]
        values[1 if array == "accounts" else (1, 1)] += 3

    return change


BREACHES = {
    "a lot from nowhere": _field("pairs", "quantity"),
    "money from nowhere": _field("pairs", "cash"),
    "a cost that nobody paid": _field("pairs", "cost"),
    "a profit that nobody made": _field("pairs", "realized"),
    "a fee that is in one sum only": _field("pairs", "fees"),
    "an open lot without an order": _field("pairs", "open_buys"),
    "an open sell without an order": _field("pairs", "open_sells"),
    "an open order that is none": _field("pairs", "open_orders"),
    "a reservation without an order": _field("accounts", "reserved"),
    "a cost that no position has": _field("accounts", "cost_used"),
    "an account's profit": _field("accounts", "realized"),
    "an account's fees": _field("accounts", "fees"),
}


@pytest.mark.parametrize("change", [pytest.param(change, id=name) for name, change in BREACHES.items()])
def test_each_breach_is_seen(change: Callable[[Core], None]) -> None:
    core = Core(max_orders=10)
    small_exchange.define(core)
    assert core.drift() == 0
    change(core)
    assert core.drift() == 3


@pytest.mark.parametrize("seed", [31, 32])
def test_it_stays_zero(seed: int) -> None:
    core = busy(seed)
    assert core.engine.ledger.pairs["bought"].sum() > 1_000
    assert core.engine.ledger.accounts["reserved"].max() > 0
