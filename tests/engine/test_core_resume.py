"""Where the room for reports runs out in the middle of a command, the core goes on as if there had been enough."""

from __future__ import annotations

from typing import Any

import numpy as np
import order_flow
import pytest
import small_exchange
from compare import carry_out, same
from numpy.typing import NDArray
from small_exchange import command

from engine.core import Core
from engine.messages import AdministrativeCommand, DefineAccount, Kill, SetPhase, Timer
from engine.state import ROOM
from engine.words import CommandType, ExecType, OrderType, Side, TimeInForce

MANY = 100
SELLER = len(small_exchange.ACCOUNTS) + 1
BUYER = SELLER + 1


class Cramped(Core):
    """A core that never has room for more than one step."""

    def _set_reports(self, size: int) -> None:
        self.times = getattr(self, "times", 0) + 1
        super()._set_reports(min(size, int(self._written[0]) + ROOM))

    def _apply(self, commands: NDArray[Any], replies: NDArray[Any], *, administrative: bool) -> None:
        self._written[0] = 0
        self._set_reports(ROOM)
        super()._apply(commands, replies, administrative=administrative)


@pytest.mark.parametrize("seed", [11, 12, 13])
def test_the_same_bits(seed: int) -> None:
    wide, cramped = Core(max_orders=200), Cramped(max_orders=200)
    seq = small_exchange.define(wide)
    small_exchange.define(cramped)
    reports = 0
    for batch in order_flow.stream(seed, 3_000, seq):
        expected, applied = carry_out(wide, batch), carry_out(cramped, batch)
        assert same(applied.reports, expected.reports)
        assert same(applied.replies, expected.replies)
        reports += len(expected.reports)
    assert cramped.state_hash() == wide.state_hash()
    assert cramped.times > reports / 10


class Both:
    """A command after another through both kinds of core."""

    def __init__(self) -> None:
        self.cores = (Core(max_orders=1_000), Cramped(max_orders=1_000))
        self.seq = max(small_exchange.define(core) for core in self.cores)
        for account in ("seller", "buyer"):  # these two have no limits
            self.administer(DefineAccount(account=account))

    def order(self, account: int, side: Side, quantity: int, price: int, **more: int) -> NDArray[Any]:
        fields: dict[str, Any] = {
            "account": account,
            "instrument": 1,
            "side": int(side),
            "order_type": int(OrderType.LIMIT),
            "time_in_force": int(TimeInForce.DAY),
            "quantity": quantity,
            "limit_price": price,
            "client_order_id": b"order-%d" % self.seq,
        }
        return self._both(lambda core: core.apply(command(self.seq, CommandType.NEW, **fields | more)))

    def administer(self, wanted: AdministrativeCommand, ts_ns: int = 0) -> NDArray[Any]:
        return self._both(lambda core: core.administer(self.seq, ts_ns or self.seq * 1000, wanted))

    def _both(self, carry: Any) -> NDArray[Any]:
        answers = [carry(core) for core in self.cores]
        assert same(answers[1].reports, answers[0].reports)
        assert same(answers[1].replies, answers[0].replies)
        assert self.cores[0].state_hash() == self.cores[1].state_hash()
        assert [core.drift() for core in self.cores] == [0, 0]
        self.seq += 1
        reports: NDArray[Any] = answers[0].reports.copy()
        return reports


def test_an_iceberg_that_shows_one_lot_at_a_time() -> None:
    both = Both()
    both.order(SELLER, Side.SELL, 5 * MANY, 100, display_quantity=1)
    reports = both.order(BUYER, Side.BUY, 5 * MANY, 100)
    assert np.count_nonzero(reports["exec_type"] == int(ExecType.TRADE)) == 10 * MANY
    assert reports["match"].max() == 5 * MANY
    assert reports["index"].tolist() == list(range(1 + 10 * MANY))


def test_an_auction_and_a_kill_switch() -> None:
    both = Both()
    both.administer(SetPhase(symbol="NARROW", phase="opening_auction"))
    for k in range(MANY):
        both.order(SELLER, Side.SELL, 1, 98)
        both.order(BUYER, Side.BUY, 1, 102)
        both.order(BUYER, Side.BUY, 1, 99, time_in_force=int(TimeInForce.OPG) if k % 2 else int(TimeInForce.DAY))
    reports = both.administer(SetPhase(symbol="NARROW", phase="continuous"))
    assert np.count_nonzero(reports["exec_type"] == int(ExecType.TRADE)) == 2 * MANY
    assert np.count_nonzero(reports["exec_type"] == int(ExecType.CANCELED)) == MANY // 2
    reports = both.administer(Kill(account=None))
    assert len(reports) == MANY // 2


def test_stops_that_set_each_other_off() -> None:
    both = Both()
    for k in range(MANY):
        both.order(SELLER, Side.SELL, 1, 95 + k % 5)
    for _ in range(MANY):
        both.order(BUYER, Side.BUY, 1, 0, order_type=int(OrderType.STOP), stop_price=95)
    reports = both.order(BUYER, Side.BUY, 1, 95)
    assert np.count_nonzero(reports["exec_type"] == int(ExecType.TRIGGERED)) == MANY
    assert np.count_nonzero(reports["exec_type"] == int(ExecType.CANCELED)) == 1, "nobody was left to sell to it"


def test_orders_whose_time_is_over() -> None:
    both = Both()
    for k in range(MANY):
        both.order(SELLER, Side.BUY, 1, 95, time_in_force=int(TimeInForce.GTD), expires_ns=10**12 + k)
    assert both.cores[0].next_expiry == 10**12
    reports = both.administer(Timer(), ts_ns=10**12 + MANY // 2)
    assert reports["order_id"].tolist() == sorted(reports["order_id"].tolist())
    assert len(reports) == MANY // 2 + 1
    assert both.cores[0].next_expiry == 10**12 + MANY // 2 + 1
