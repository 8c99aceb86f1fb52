"""Administrative commands: what each is answered with, and that both engines go on alike afterwards."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import order_flow
import pytest
import small_exchange
from compare import answer, compare, difference
from order_flow import Batch
from small_exchange import command
from twins import INSTRUMENTS, twins

from engine.messages import (
    AdministrativeCommand,
    DefineAccount,
    DefineInstrument,
    Deposit,
    Dividend,
    Fees,
    Halt,
    Kill,
    Limits,
    Print,
    Refused,
    Resume,
    SetPhase,
    Split,
    Timer,
)
from engine.refusal import Refusal
from engine.words import CommandType, OrderType, Outcome, Reason, Side, TimeInForce

DEFINITION = DefineInstrument(
    symbol="NEW",
    tick_size=Decimal("0.05"),
    lot_size=Decimal("10"),
    price_min=Decimal("0.05"),
    price_max=Decimal("500"),
    maker_fee_ppm=1,
    taker_fee_ppm=2,
)


def _definition(**changes: Any) -> DefineInstrument:
    fields = {name: getattr(DEFINITION, name) for name in DEFINITION.__struct_fields__}
    return DefineInstrument(**(fields | changes))


ADMINISTRATIVE: list[tuple[AdministrativeCommand, Reason]] = [
    (DEFINITION, Reason.NONE),
    (_definition(symbol="NARROW"), Reason.INVALID_FIELD),  # there is one, in other units
    (_definition(tick_size=Decimal(0)), Reason.INVALID_FIELD),
    (_definition(lot_size=Decimal(-1)), Reason.INVALID_FIELD),
    (_definition(tick_size=Decimal("0.0000001"), lot_size=Decimal(1)), Reason.INVALID_FIELD),
    (_definition(price_min=Decimal("0.07")), Reason.PRICE_INCREMENT),
    (_definition(price_max=Decimal("499.99")), Reason.PRICE_INCREMENT),
    (_definition(price_min=Decimal(0)), Reason.INVALID_FIELD),
    (_definition(price_min=Decimal(501)), Reason.INVALID_FIELD),
    (_definition(price_max=Decimal("13107.20")), Reason.NONE),  # 2^18 ticks
    (_definition(price_max=Decimal("13107.25")), Reason.INVALID_FIELD),
    (_definition(maker_fee_ppm=100_000, taker_fee_ppm=-100_000), Reason.NONE),
    (_definition(maker_fee_ppm=100_001), Reason.INVALID_FIELD),
    (_definition(taker_fee_ppm=-100_001), Reason.INVALID_FIELD),
    (DefineAccount(account="eve", deposit=Decimal("0.000001")), Reason.NONE),
    (DefineAccount(account="ann", deposit=Decimal(5)), Reason.NONE),
    (DefineAccount(account="eve", deposit=Decimal("0.0000001")), Reason.INVALID_FIELD),
    (DefineAccount(account="new", deposit=Decimal(-1)), Reason.INVALID_FIELD),
    (DefineAccount(account="new", deposit=Decimal("72057594037.927936")), Reason.NONE),
    (DefineAccount(account="new", deposit=Decimal("72057594037.927937")), Reason.INVALID_FIELD),
    (DefineAccount(account="new", margin_multiple=Decimal("2.55"), firm="blue"), Reason.NONE),
    (DefineAccount(account="new", margin_multiple=Decimal("2.555")), Reason.INVALID_FIELD),
    (DefineAccount(account="new", margin_multiple=Decimal("100.01")), Reason.INVALID_FIELD),
    (DefineAccount(account="new", margin_multiple=Decimal(-1)), Reason.INVALID_FIELD),
    (DefineAccount(account="new", self_trade_prevention="decrement", self_trade_scope="firm"), Reason.NONE),
    (DefineAccount(account="new", self_trade_prevention="perhaps"), Reason.INVALID_FIELD),
    (DefineAccount(account="ann", self_trade_scope="world"), Reason.INVALID_FIELD),
    (Deposit(account="ann", amount=Decimal("-10000")), Reason.NONE),
    (Deposit(account="ann", amount=Decimal("-10000.000001")), Reason.BUYING_POWER),
    (Deposit(account="ann", amount=Decimal("72057584037.927936")), Reason.NONE),
    (Deposit(account="ann", amount=Decimal("72057584037.927937")), Reason.INVALID_FIELD),
    (Deposit(account="cat", amount=Decimal(-400)), Reason.NONE),
    (Deposit(account="ann", amount=Decimal("0.0000001")), Reason.INVALID_FIELD),
    (Deposit(account="nobody", amount=Decimal(1)), Reason.UNKNOWN_ACCOUNT),
    (Print(symbol="NARROW", price=Decimal("7.77"), quantity=Decimal(3), transact_ns=5), Reason.NONE),
    (Print(symbol="WIDE", price=Decimal("0.5"), quantity=Decimal("0.0001"), aggressor_side="sell"), Reason.NONE),
    (Print(symbol="WIDE", price=Decimal("0.5"), quantity=Decimal(1), aggressor_side="buy"), Reason.NONE),
    (Print(symbol="WIDE", price=Decimal("0.5"), quantity=Decimal(1), aggressor_side="up"), Reason.INVALID_FIELD),
    (Print(symbol="WIDE", price=Decimal("0.25"), quantity=Decimal(1)), Reason.PRICE_INCREMENT),
    (Print(symbol="WIDE", price=Decimal(0), quantity=Decimal(1)), Reason.INVALID_PRICE),
    (Print(symbol="WIDE", price=Decimal(1), quantity=Decimal("0.00015")), Reason.QUANTITY_INCREMENT),
    (Print(symbol="WIDE", price=Decimal(1), quantity=Decimal(0)), Reason.INVALID_QUANTITY),
    (Print(symbol="NOWHERE", price=Decimal(1), quantity=Decimal(1)), Reason.UNKNOWN_SYMBOL),
    (Halt(symbol="WIDE", text="news"), Reason.NONE),
    (Halt(symbol="NOWHERE"), Reason.UNKNOWN_SYMBOL),
    (Resume(symbol="WIDE"), Reason.NONE),
    (Resume(symbol="NOWHERE"), Reason.UNKNOWN_SYMBOL),
    (SetPhase(symbol="WIDE", phase="closing_auction", day_ends_ns=2**63 - 1), Reason.NONE),
    (SetPhase(symbol="WIDE", phase="closing_auction", day_ends_ns=2**63), Reason.INVALID_FIELD),
    (SetPhase(symbol="WIDE", phase="closing_auction", day_ends_ns=-1), Reason.INVALID_FIELD),
    (SetPhase(symbol="WIDE", phase="halted"), Reason.INVALID_FIELD),
    (SetPhase(symbol="WIDE", phase="lunch"), Reason.INVALID_FIELD),
    (SetPhase(symbol="NOWHERE", phase="lunch"), Reason.UNKNOWN_SYMBOL),
    (Split(symbol="WIDE", new_shares=2), Reason.NONE),
    (Split(symbol="WIDE", new_shares=1, old_shares=10_000), Reason.NONE),
    (Split(symbol="WIDE", new_shares=0), Reason.INVALID_FIELD),
    (Split(symbol="WIDE", new_shares=10_001), Reason.INVALID_FIELD),
    (Split(symbol="WIDE", new_shares=3, old_shares=3), Reason.INVALID_FIELD),
    (Split(symbol="WIDE", new_shares=3, old_shares=-1), Reason.INVALID_FIELD),
    (Split(symbol="NOWHERE", new_shares=2), Reason.UNKNOWN_SYMBOL),
    (Dividend(symbol="WIDE", amount=Decimal("0.25")), Reason.NONE),
    (Dividend(symbol="WIDE", amount=Decimal("0.00001")), Reason.INVALID_FIELD),  # a lot is a part of a unit
    (Dividend(symbol="WIDE", amount=Decimal(0)), Reason.INVALID_FIELD),
    (Dividend(symbol="WIDE", amount=Decimal("-0.25")), Reason.INVALID_FIELD),
    (Dividend(symbol="WIDE", amount=Decimal("Infinity")), Reason.INVALID_FIELD),
    (Dividend(symbol="NOWHERE", amount=Decimal(1)), Reason.UNKNOWN_SYMBOL),
    (Timer(), Reason.NONE),
    (Kill(account="ann"), Reason.NONE),
    (Kill(account="nobody"), Reason.UNKNOWN_ACCOUNT),
    (Kill(), Reason.NONE),
    (Kill(active=False), Reason.NONE),
    (Fees(account="ann", maker_fee_ppm=-100_000, taker_fee_ppm=100_000), Reason.NONE),
    (Fees(account="ann", maker_fee_ppm=7), Reason.NONE),
    (Fees(account="ann", maker_fee_ppm=100_001), Reason.INVALID_FIELD),
    (Fees(account="ann", taker_fee_ppm=-100_001), Reason.INVALID_FIELD),
    (Fees(account="nobody", taker_fee_ppm=-100_001), Reason.UNKNOWN_ACCOUNT),
    (Limits(account="ann", max_order_quantity=Decimal("12.5"), max_long=Decimal(40)), Reason.NONE),
    (Limits(account="ann", symbol="NARROW", max_order_quantity=Decimal("12.5")), Reason.QUANTITY_INCREMENT),
    (Limits(account="ann", symbol="NARROW", max_order_quantity=Decimal(12), max_short=Decimal(-3)), Reason.NONE),
    (Limits(account="ann", symbol="NARROW", max_long=Decimal(10**18)), Reason.NONE),
    (Limits(account="ann", max_long=Decimal(10**18)), Reason.NONE),
    (Limits(account="ann", max_long=Decimal(10**18 + 1)), Reason.INVALID_FIELD),
    (Limits(account="ann", max_long=Decimal("1e-31")), Reason.INVALID_FIELD),
    (Limits(account="ann", max_order_notional=Decimal("12.345678")), Reason.NONE),
    (Limits(account="ann", max_order_notional=Decimal("12.3456789")), Reason.INVALID_FIELD),
    (Limits(account="ann", max_order_notional=Decimal(10**18)), Reason.NONE),
    (Limits(account="ann", max_open_orders=2**31 - 1), Reason.NONE),
    (Limits(account="ann", max_open_orders=2**31), Reason.INVALID_FIELD),
    (Limits(account="ann", price_collar_ppm=10**8), Reason.NONE),
    (Limits(account="ann", price_collar_ppm=10**8 + 1), Reason.INVALID_FIELD),
    (Limits(account="ann", messages_per_second=10**6, message_burst=10**6), Reason.NONE),
    (Limits(account="ann", messages_per_second=10**6 + 1), Reason.INVALID_FIELD),
    (Limits(account="ann", messages_per_second=-1), Reason.NONE),
    (Limits(account="ann", message_burst=0), Reason.INVALID_FIELD),
    (Limits(account="ann", message_burst=10**6 + 1), Reason.INVALID_FIELD),
    (Limits(account="ann", symbol="WIDE", message_burst=5), Reason.INVALID_FIELD),
    (Limits(account="ann", symbol="WIDE", self_trade_scope="firm"), Reason.INVALID_FIELD),
    (
        Limits(account="ann", symbol="WIDE", max_long=Decimal("0.00015"), self_trade_prevention="none"),
        Reason.QUANTITY_INCREMENT,
    ),
    (Limits(account="ann", symbol="NOWHERE", max_long=Decimal(1)), Reason.UNKNOWN_SYMBOL),
    (Limits(account="nobody", symbol="NOWHERE", max_long=Decimal(1)), Reason.UNKNOWN_ACCOUNT),
    (Limits(account="ann", margin_multiple=Decimal("3.5"), self_trade_prevention="cancel_both"), Reason.NONE),
    (
        Refused(
            account="ann",
            client_order_id="a1",
            symbol="NARROW",
            side="buy",
            reason="price_increment",
            field="limit_price",
            text="1.005 is not a multiple of 0.01",
            request={},
        ),
        Reason.PRICE_INCREMENT,
    ),
]


@pytest.mark.parametrize(("command", "reason"), ADMINISTRATIVE, ids=[str(k) for k in range(len(ADMINISTRATIVE))])
def test_administrative_command(command: AdministrativeCommand, reason: Reason) -> None:
    fast, slow, seq = twins(max_orders=100)
    batch = Batch(seq, 5_000, order_flow.records([]), command)
    got, wanted = answer(fast, batch), answer(slow, batch)
    assert difference(got, wanted, batch) is None
    (reply,) = wanted.replies
    assert reply["reason"] == reason
    assert reply["outcome"] == (Outcome.REJECTED if reason else Outcome.ACCEPTED)
    assert {entry.account: entry.deposits for entry in fast.accounts} == {
        account.name: account.deposits for account in slow.state.accounts
    }
    assert len(fast.instruments) == len(slow.state.instruments)
    # ... and orders go on alike
    for following in order_flow.stream(3, 300, seq + 1, most=1):
        assert difference(answer(fast, following), answer(slow, following), following) is None


def test_what_core_refuses_check_refuses_first() -> None:
    """`check` says beforehand what `administer` would answer."""
    for asked, reason in ADMINISTRATIVE:
        if isinstance(asked, Refused):
            continue
        fast, _, seq = twins(max_orders=100)
        if reason:
            with pytest.raises(Refusal) as caught:
                fast.check(asked)
            assert caught.value.reason == reason, asked
        else:
            fast.check(asked)
        assert fast.administer(seq, 5_000, asked).replies["reason"][0] == reason


def _limit(seq: int, account: int, side: Side, price: int, **more: Any) -> Any:
    fields = {
        "account": account,
        "instrument": 1,
        "side": int(side),
        "order_type": int(OrderType.LIMIT),
        "time_in_force": int(TimeInForce.DAY),
        "quantity": 1,
        "limit_price": price,
        "client_order_id": b"order-%d" % seq,
    }
    return command(seq, CommandType.NEW, **(fields | more))


def test_new_fees_hold_for_the_orders_that_come_after() -> None:
    fast, slow, seq = twins(max_orders=100)
    orders = [_limit(seq, 1, Side.SELL, 100, quantity=20), _limit(seq + 2, 4, Side.BUY, 100, quantity=10)]
    assert compare(fast, slow, orders[0]) is None
    narrow = small_exchange.INSTRUMENTS[0]
    fields = {name: getattr(narrow, name) for name in narrow.__struct_fields__}
    for engine in (fast, slow):
        engine.administer(seq + 1, 0, DefineInstrument(**(fields | {"maker_fee_ppm": 9, "taker_fee_ppm": 5_000})))
    assert compare(fast, slow, orders[1]) is None
    reports = fast.apply(_limit(seq + 3, 4, Side.BUY, 100, quantity=10)).reports
    money = 10 * 100 * 10_000  # lots × ticks × money units of a tick
    assert reports["fee"][-2:].tolist() == [money * -20 // 1_000_000, money * 5_000 // 1_000_000]


def test_more_instruments_than_there_was_room_for() -> None:
    fast, slow, seq = twins(max_orders=100)
    resting = _limit(seq, 1, Side.SELL, 100)
    assert compare(fast, slow, resting) is None
    limits = Limits(account="ann", max_order_quantity=Decimal(30), price_collar_ppm=10_000)
    for engine in (fast, slow):
        engine.administer(seq + 1, 0, limits)
        for k in range(100):
            engine.administer(seq + 2 + k, 0, _definition(symbol=f"SYM{k}"))
    seq += 102
    for lots in (3, 4):  # of ten: the limit of 30 holds in instruments that came after it
        last = _limit(seq, 1, Side.SELL, 100, instrument=INSTRUMENTS + 100, quantity=lots)
        assert compare(fast, slow, last, INSTRUMENTS + 100) is None
        seq += 1
    taker = _limit(seq, 4, Side.BUY, 100)
    assert compare(fast, slow, taker, INSTRUMENTS + 100) is None
    assert fast.last_price(1) == 100
