"""The engine and its reference answer the same commands with the same bits, and have the same books.

Random orders, changes and repeats, about one in ten of them wrong (`order_flow`); and Hypothesis, which looks for the
shortest sequence of commands that tells the two apart."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import numpy as np
import order_flow
import pytest
from compare import compare, compare_stream, rows_text, same
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from invariants import Audit

from engine.core import Core
from engine.messages import AdministrativeCommand, DefineAccount, DefineInstrument, Deposit, Print, Refused
from engine.reference import Reference
from engine.words import CommandType, ExecType, OrderType, Outcome, Reason, Side, TimeInForce

INSTRUMENTS = len(order_flow.INSTRUMENTS)
ALL_LEVELS = 1 << 18


def twins(**room: int) -> tuple[Core, Reference, int]:
    """Both engines with the small exchange of `order_flow`, and the next seq."""
    fast, slow = Core(**room), Reference(**room)
    seq = order_flow.define(fast)
    order_flow.define(slow)
    return fast, slow, seq


# --------------------------------------------------------------------------------------------------- streams


@pytest.mark.parametrize(
    ("seed", "room"),
    [
        (1, {"max_orders": 1000}),
        (2, {"max_orders": 1000, "max_client_ids": 1001}),
        (3, {"max_orders": 120, "max_client_ids": 500}),
        (4, {"max_orders": 60, "max_client_ids": 61}),
        (5, {"max_orders": 10, "max_client_ids": 100}),
        (6, {"max_orders": 1, "max_client_ids": 2}),
    ],
    ids=str,
)
def test_after_every_command(seed: int, room: dict[str, int]) -> None:
    fast, slow, seq = twins(**room)
    commands = order_flow.stream(seed, 4_000, seq)
    assert compare_stream(fast, slow, commands, INSTRUMENTS) is None


@pytest.mark.parametrize("first_seed", [100, 105, 110, 115])
def test_long_stream_in_batches(first_seed: int) -> None:
    """Four times 50,000 commands, and what must be true of their reports, whatever they were."""
    fast, slow, seq = twins(max_orders=500, max_client_ids=2_000)
    audit = Audit()
    for seed in range(first_seed, first_seed + 5):
        commands = order_flow.stream(seed, 10_000, seq)
        seq = int(commands["seq"][-1]) + 1
        for start in range(0, len(commands), 1_000):
            batch = commands[start : start + 1_000]
            expected = slow.apply(batch)
            applied = fast.apply(batch)
            assert same(applied.reports, expected.reports)
            assert same(applied.replies, expected.replies)
            audit.read(applied.reports)
        for number in range(1, INSTRUMENTS + 1):
            bids, asks = fast.depth(number, ALL_LEVELS)
            audit.check_book(number, bids, asks)
            assert same(bids, slow.depth(number, ALL_LEVELS)[0])
            assert same(asks, slow.depth(number, ALL_LEVELS)[1])
    assert audit.trades > 5_000


def test_every_level_of_a_wide_band() -> None:
    fast, slow, seq = twins(max_orders=100)
    commands = order_flow.ladder(seq)
    assert compare_stream(fast, slow, commands, INSTRUMENTS) is None
    assert [len(side) for side in fast.depth(2, ALL_LEVELS)] == [0, 0]
    assert fast.last_price(2) == order_flow.PRICES[1][-1], "the sellers came last, and the dearest of them at the end"


def test_a_stream_holds_every_kind_of_report_and_refusal() -> None:
    """Otherwise the comparison would pass over what never happens."""
    fast, _, seq = twins(max_orders=200, max_client_ids=500)
    reports = fast.apply(order_flow.stream(7, 20_000, seq)).reports
    kinds = {ExecType.NEW, ExecType.TRADE, ExecType.CANCELED, ExecType.REPLACED, ExecType.REJECTED}
    assert set(reports["exec_type"].tolist()) == kinds
    at_the_doors = {
        *(Reason.MALFORMED, Reason.NOT_AUTHORIZED, Reason.BUSY),
        *(Reason.QUANTITY_INCREMENT, Reason.PRICE_INCREMENT),
    }
    assert set(reports["reason"].tolist()) == set(Reason) - at_the_doors
    trades = reports[reports["exec_type"] == ExecType.TRADE]
    assert len(trades) > 3_000
    assert np.mean(trades["match"] > 1) > 0.2, "orders that trade with more than one"


@pytest.mark.parametrize("seed", [1, 2])
def test_batches_of_any_size_are_the_same_commands(seed: int) -> None:
    one, _, seq = twins(max_orders=100, max_client_ids=400)
    many, _, _ = twins(max_orders=100, max_client_ids=400)
    commands = order_flow.stream(seed, 5_000, seq)
    rng = np.random.default_rng(seed)
    start, reports, replies = 0, [], []
    while start < len(commands):
        size = int(rng.integers(1, 200))
        applied = many.apply(commands[start : start + size])
        reports.append(applied.reports.copy())
        replies.append(applied.replies.copy())
        start += size
    whole = one.apply(commands)
    assert same(whole.reports, np.concatenate(reports))
    assert same(whole.replies, np.concatenate(replies))
    assert one.state_hash() == many.state_hash()


def test_more_reports_than_there_was_room_for() -> None:
    """Orders that trade with thousands, one account that cancels as many, and all of it in one batch."""
    count = 6_000
    fast, slow, seq = twins(max_orders=3 * count)
    sweeps = order_flow.sweep(count, seq)
    resting = order_flow.sweep(count, seq + 4 * count)[:count]
    cancel = order_flow.command(seq + 5 * count, CommandType.CANCEL_ALL, account=1)
    assert compare(fast, slow, np.concatenate([sweeps, resting, cancel]), INSTRUMENTS) is None


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
    return order_flow.command(seq, CommandType.NEW, **(fields | more))


def test_the_same_commands_give_the_same_state() -> None:
    first, _, seq = twins(max_orders=100)
    second, _, _ = twins(max_orders=100)
    commands = order_flow.stream(11, 2_000, seq)
    first.apply(commands)
    second.apply(commands[:-1])
    assert first.state_hash() != second.state_hash()
    second.apply(commands[-1:])
    assert first.state_hash() == second.state_hash()


# ------------------------------------------------------------------------------------ administrative commands

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
    (Deposit(account="ann", amount=Decimal("-2000.5")), Reason.NONE),
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
    answers = [engine.administer(seq, 5_000, command) for engine in (fast, slow)]
    assert same(answers[0].reports, answers[1].reports), rows_text(answers[0].reports)
    assert same(answers[0].replies, answers[1].replies), rows_text(answers[0].replies)
    (reply,) = answers[1].replies
    assert reply["reason"] == reason
    assert reply["outcome"] == (Outcome.REJECTED if reason else Outcome.ACCEPTED)
    paid_in = {entry.account: entry.deposits for entry in fast.accounts}
    assert paid_in == slow.accounts
    assert len(fast.instruments) == len(slow.instruments)
    # ... and orders go on as before, with the new instrument and account among them
    commands = order_flow.stream(3, 300, seq + 1)
    assert compare_stream(fast, slow, commands, len(slow.instruments)) is None


def test_new_fees_hold_from_the_next_trade_on() -> None:
    fast, slow, seq = twins(max_orders=100)
    orders = [_limit(seq, 1, Side.SELL, 100, quantity=20), _limit(seq + 2, 2, Side.BUY, 100, quantity=10)]
    assert compare(fast, slow, orders[0], INSTRUMENTS) is None
    narrow = order_flow.INSTRUMENTS[0]
    fields = {name: getattr(narrow, name) for name in narrow.__struct_fields__}
    for engine in (fast, slow):
        engine.administer(seq + 1, 0, DefineInstrument(**(fields | {"taker_fee_ppm": 5_000})))
    assert compare(fast, slow, orders[1], INSTRUMENTS) is None
    expected = 10 * 100 * 10_000 * 5_000 // 1_000_000  # lots × ticks × money units of a tick × ppm
    assert fast.apply(_limit(seq + 3, 2, Side.BUY, 100, quantity=10)).reports["fee"][-1] == expected


def test_more_instruments_than_there_was_room_for() -> None:
    fast, slow, seq = twins(max_orders=100)
    resting = _limit(seq, 1, Side.SELL, 100)
    assert compare(fast, slow, resting, INSTRUMENTS) is None
    for k in range(100):
        for engine in (fast, slow):
            engine.administer(seq + 1 + k, 0, _definition(symbol=f"SYM{k}"))
    seq += 101
    last = _limit(seq, 1, Side.SELL, 100, instrument=INSTRUMENTS + 100)
    assert compare(fast, slow, last, INSTRUMENTS + 100) is None
    taker = _limit(seq + 1, 2, Side.BUY, 100)
    assert compare(fast, slow, taker, INSTRUMENTS + 100) is None
    assert fast.last_price(1) == 100


# ------------------------------------------------------------------------------------------------ hypothesis

accounts = st.integers(1, len(order_flow.ACCOUNTS))
instruments = st.integers(1, 2)
sides = st.sampled_from([int(Side.BUY), int(Side.SELL)])
quantities = st.integers(1, 9)
times = st.sampled_from([int(TimeInForce.DAY), int(TimeInForce.GTC), int(TimeInForce.IOC)])
places = st.integers(0, 3)


class Twins(RuleBasedStateMachine):
    """Both engines side by side, with room for few orders; orders are named by their place among the last ones."""

    @initialize(max_orders=st.integers(1, 8), more_ids=st.integers(1, 8))
    def open(self, max_orders: int, more_ids: int) -> None:
        self.fast, self.slow, self.seq = twins(max_orders=max_orders, max_client_ids=max_orders + more_ids)
        self.sent: list[Any] = []

    def apply(self, kind: CommandType, **fields: Any) -> None:
        self.put(order_flow.command(self.seq, kind, **fields))

    def put(self, record: Any) -> None:
        found = compare(self.fast, self.slow, record, INSTRUMENTS)
        assert found is None, found
        self.seq += 1

    @rule(
        account=accounts,
        instrument=instruments,
        side=sides,
        time_in_force=times,
        quantity=quantities,
        place=places,
        market=st.booleans(),
    )
    def new(
        self, account: int, instrument: int, side: int, time_in_force: int, quantity: int, place: int, market: bool
    ) -> None:
        record = _limit(
            self.seq,
            account,
            Side(side),
            0 if market else int(order_flow.PRICES[instrument - 1][place]),
            instrument=instrument,
            order_type=int(OrderType.MARKET if market else OrderType.LIMIT),
            time_in_force=time_in_force,
            quantity=quantity,
        )
        self.sent.append(record)
        self.put(record.copy())

    @precondition(lambda self: self.sent)
    @rule(back=st.integers(1, 12), quantity=quantities, changed=st.booleans())
    def repeat(self, back: int, quantity: int, changed: bool) -> None:
        record = self._earlier(back).copy()
        record["seq"], record["ts_ns"] = self.seq, self.seq * 1000
        if changed:
            record["quantity"] = quantity
        self.put(record)

    @precondition(lambda self: self.sent)
    @rule(back=st.integers(1, 12), by_number=st.booleans(), account=st.none() | accounts)
    def cancel(self, back: int, by_number: bool, account: int | None) -> None:
        self.apply(CommandType.CANCEL, **self._names(back, by_number, account))

    @precondition(lambda self: self.sent)
    @rule(
        back=st.integers(1, 12),
        by_number=st.booleans(),
        quantity=st.integers(0, 12),
        place=st.none() | places,
    )
    def replace(self, back: int, by_number: bool, quantity: int, place: int | None) -> None:
        names = self._names(back, by_number, None)
        instrument = int(self._earlier(back)["instrument"][0])
        price = 0 if place is None else int(order_flow.PRICES[instrument - 1][place])
        self.apply(CommandType.REPLACE, quantity=quantity, limit_price=price, **names)

    @rule(account=accounts, instrument=st.integers(0, 2), side=st.integers(0, 2))
    def cancel_all(self, account: int, instrument: int, side: int) -> None:
        self.apply(CommandType.CANCEL_ALL, account=account, instrument=instrument, side=side)

    @rule(spoiled=st.sampled_from(order_flow.SPOILED))
    def wrong(self, spoiled: tuple[str, Any]) -> None:
        record = _limit(self.seq, 1, Side.BUY, 100)
        record[spoiled[0]] = spoiled[1]
        self.put(record)

    @invariant()
    def not_crossed(self) -> None:
        for instrument in (1, 2):
            bids, asks = self.fast.depth(instrument, 1)
            assert not len(bids) or not len(asks) or bids[0, 0] < asks[0, 0]

    def _earlier(self, back: int) -> Any:
        return self.sent[-min(back, len(self.sent))]

    def _names(self, back: int, by_number: bool, account: int | None) -> dict[str, Any]:
        target = self._earlier(back)[0]
        named = {"order_id": target["seq"]} if by_number else {"client_order_id": target["client_order_id"]}
        return named | {"account": target["account"] if account is None else account}


TestTwins = Twins.TestCase
TestTwins.settings = settings(
    max_examples=150,
    stateful_step_count=40,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow],
)
