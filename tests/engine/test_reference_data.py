"""Instruments, accounts and limits: the arrays grow, and say what the registries say."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from small_exchange import command

import engine.reference_data
from engine.core import Core
from engine.messages import DefineAccount, DefineInstrument, Deposit, Fees, Kill, Limits, SymbolLimits
from engine.refusal import Refusal
from engine.words import CommandType, OrderType, Outcome, Phase, Reason, Side, TimeInForce

SECOND_NS = 10**9


def instrument(symbol: str, lot: str = "1") -> DefineInstrument:
    return DefineInstrument(
        symbol=symbol,
        tick_size=Decimal("0.01"),
        lot_size=Decimal(lot),
        price_min=Decimal("1.00"),
        price_max=Decimal("2.00"),
        taker_fee_ppm=30,
    )


class Desk:
    """A core, and the next seq."""

    def __init__(self) -> None:
        self.core = Core(max_orders=100)
        self.seq = 0

    def administer(self, wanted: Any, ts_ns: int = 0) -> Any:
        self.seq += 1
        return self.core.administer(self.seq, ts_ns or self.seq * SECOND_NS, wanted).replies[0]

    def buy(self, account: int, number: int, quantity: int = 1, price: int = 150) -> Any:
        self.seq += 1
        record = command(self.seq, CommandType.NEW, account=account, instrument=number, quantity=quantity)
        record["side"] = int(Side.BUY)
        record["order_type"] = int(OrderType.LIMIT)
        record["time_in_force"] = int(TimeInForce.GTC)
        record["limit_price"] = price
        record["client_order_id"] = b"id-%d" % self.seq
        return self.core.apply(record).replies[0]


@pytest.fixture
def desk() -> Desk:
    made = Desk()
    made.administer(instrument("ONE"))
    made.administer(DefineAccount(account="ann", deposit=Decimal(100)))
    return made


def test_more_instruments_and_accounts_than_there_was_room_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine.reference_data, "INSTRUMENT_ROOM", 2)
    monkeypatch.setattr(engine.reference_data, "ACCOUNT_ROOM", 2)
    desk = Desk()
    desk.administer(instrument("S1"))
    desk.administer(DefineAccount(account="a1", deposit=Decimal(7)))
    desk.administer(Limits(account="a1", symbol="S1", max_order_quantity=Decimal(5)))
    assert desk.buy(1, 1, price=120)["outcome"] == int(Outcome.ACCEPTED)
    for number in range(2, 12):
        desk.administer(instrument(f"S{number}"))
        desk.administer(DefineAccount(account=f"a{number}", deposit=Decimal(number)))
    assert len(desk.core.engine.books.instruments) >= 12
    assert len(desk.core.engine.ledger.accounts) >= 12
    assert desk.core.depth(1, 5)[0].tolist() == [[120, 1, 1]]
    assert desk.buy(1, 1, quantity=6)["reason"] == int(Reason.MAX_ORDER_QUANTITY)
    assert desk.buy(11, 11, quantity=6)["outcome"] == int(Outcome.ACCEPTED)
    assert desk.core.engine.ledger.accounts["deposits"][[1, 11]].tolist() == [7_000_000, 11_000_000]
    assert desk.core.phase(11) is Phase.CONTINUOUS
    assert desk.core.drift() == 0


def test_the_memory_begins_at_cache_lines(desk: Desk) -> None:
    """A record of 64 bytes would else lie on two of them."""
    engine_ = desk.core.engine
    arrays = (
        *(engine_.books.orders, engine_.books.terms, engine_.clients.records),
        *(engine_.ledger.accounts, engine_.ledger.pairs),
    )
    for array in arrays:
        assert array.ctypes.data % 64 == 0
        assert array.dtype.itemsize % 64 == 0


def test_limits_of_the_account_and_of_a_symbol(desk: Desk) -> None:
    """An account's own limit in a symbol counts before the one that it has in all."""
    desk.administer(Limits(account="ann", max_order_quantity=Decimal(10), max_open_orders=3))
    desk.administer(Limits(account="ann", symbol="ONE", max_order_quantity=Decimal(20)))
    desk.administer(instrument("TWO", lot="3"))
    assert desk.buy(1, 1, quantity=20)["outcome"] == int(Outcome.ACCEPTED)
    assert desk.buy(1, 1, quantity=21)["reason"] == int(Reason.MAX_ORDER_QUANTITY)
    assert desk.buy(1, 2, quantity=3)["outcome"] == int(Outcome.ACCEPTED), "9 of 10 units: three whole lots"
    assert desk.buy(1, 2, quantity=4)["reason"] == int(Reason.MAX_ORDER_QUANTITY)
    entry = desk.core.accounts.find("ann")
    assert entry is not None
    none = dict.fromkeys(SymbolLimits.__struct_fields__)
    assert entry.limits == (
        SymbolLimits(**none | {"max_order_quantity": "10", "max_open_orders": 3}),
        SymbolLimits(**none | {"symbol": "ONE", "max_order_quantity": "20"}),
    )

    desk.administer(Limits(account="ann", symbol="ONE", max_order_quantity=Decimal(-1)))
    assert desk.buy(1, 1, quantity=11)["reason"] == int(Reason.MAX_ORDER_QUANTITY), "that of the account holds again"
    desk.administer(Limits(account="ann", max_order_quantity=Decimal(-1), max_open_orders=-1))
    assert desk.buy(1, 1, quantity=21)["outcome"] == int(Outcome.ACCEPTED)
    entry = desk.core.accounts.find("ann")
    assert entry is not None
    assert entry.limits == ()
    assert entry.seq < desk.seq


@pytest.mark.parametrize(
    ("wanted", "reason", "field"),
    [
        (Limits(account="bob"), Reason.UNKNOWN_ACCOUNT, "account"),
        (Limits(account="ann", symbol="NIL"), Reason.UNKNOWN_SYMBOL, "symbol"),
        (Limits(account="ann", symbol="ONE", max_long=Decimal("0.5")), Reason.QUANTITY_INCREMENT, "max_long"),
        (Limits(account="ann", symbol="ONE", message_burst=1), Reason.INVALID_FIELD, "message_burst"),
        (Limits(account="ann", max_order_notional=Decimal("1e-7")), Reason.INVALID_FIELD, "max_order_notional"),
        (Limits(account="ann", max_short=Decimal("NaN")), Reason.INVALID_FIELD, "max_short"),
        (Limits(account="ann", price_collar_ppm=10**8 + 1), Reason.INVALID_FIELD, "price_collar_ppm"),
        (Limits(account="ann", max_open_orders=1 << 31), Reason.INVALID_FIELD, "max_open_orders"),
        (Limits(account="ann", messages_per_second=10**6 + 1), Reason.INVALID_FIELD, "messages_per_second"),
        (Limits(account="ann", message_burst=0), Reason.INVALID_FIELD, "message_burst"),
        (Limits(account="ann", margin_multiple=Decimal("1.005")), Reason.INVALID_FIELD, "margin_multiple"),
        (Limits(account="ann", margin_multiple=Decimal("100.01")), Reason.INVALID_FIELD, "margin_multiple"),
        (Limits(account="ann", self_trade_prevention="maybe"), Reason.INVALID_FIELD, "self_trade_prevention"),
        (Limits(account="ann", self_trade_scope="world"), Reason.INVALID_FIELD, "self_trade_scope"),
        (Fees(account="ann", maker_fee_ppm=100_001), Reason.INVALID_FIELD, "maker_fee_ppm"),
        (Deposit(account="ann", amount=Decimal("0.0000001")), Reason.INVALID_FIELD, "amount"),
        (Deposit(account="ann", amount=Decimal("1e12")), Reason.INVALID_FIELD, "amount"),
        (Deposit(account="ann", amount=Decimal("-100.000001")), Reason.BUYING_POWER, "amount"),
        (DefineAccount(account="bob", deposit=Decimal(-1)), Reason.INVALID_FIELD, "deposit"),
        (DefineAccount(account="bob", margin_multiple=Decimal(-1)), Reason.INVALID_FIELD, "margin_multiple"),
        (Kill(account="bob"), Reason.UNKNOWN_ACCOUNT, "account"),
    ],
    ids=str,
)
def test_what_cannot_be_is_refused_and_changes_nothing(desk: Desk, wanted: Any, reason: Reason, field: str) -> None:
    before = desk.core.accounts.find("ann")
    with pytest.raises(Refusal) as refused:
        desk.core.check(wanted)
    assert (refused.value.reason, refused.value.field) == (reason, field)
    assert desk.administer(wanted)["reason"] == int(reason)
    assert desk.core.accounts.find("ann") == before
    assert desk.core.accounts.find("bob") is None


def test_a_withdrawal_leaves_what_orders_need(desk: Desk) -> None:
    desk.administer(Limits(account="ann", margin_multiple=Decimal(1)))
    assert desk.buy(1, 1, quantity=50)["outcome"] == int(Outcome.ACCEPTED), "75 of 100, and the fee"
    assert desk.administer(Deposit(account="ann", amount=Decimal(-25)))["reason"] == int(Reason.BUYING_POWER)
    assert desk.administer(Deposit(account="ann", amount=Decimal("-24.5")))["outcome"] == int(Outcome.ACCEPTED)


def test_what_an_account_is_after_its_commands(desk: Desk) -> None:
    desk.administer(Fees(account="ann", maker_fee_ppm=-5))
    desk.administer(Limits(account="ann", messages_per_second=50, self_trade_prevention="decrement"))
    desk.administer(Kill(account=None))
    entry = desk.core.accounts.find("ann")
    assert entry is not None
    assert (entry.maker_fee_ppm, entry.taker_fee_ppm, entry.killed) == (-5, None, True)
    assert (entry.messages_per_second, entry.message_burst, entry.self_trade_prevention) == (50, None, "decrement")
    assert entry.seq == desk.seq
    desk.administer(Limits(account="ann", messages_per_second=0))
    desk.administer(Kill(account="ann", active=False))
    entry = desk.core.accounts.find("ann")
    assert entry is not None
    assert (entry.messages_per_second, entry.killed) == (None, False)


def test_firms_have_numbers_in_the_order_in_which_they_are_named(desk: Desk) -> None:
    for account, firm in (("b", "red"), ("c", "blue"), ("d", "red"), ("e", None)):
        desk.administer(DefineAccount(account=account, firm=firm))
    assert desk.core.engine.ledger.accounts["firm"][1:6].tolist() == [0, 1, 2, 1, 0]
