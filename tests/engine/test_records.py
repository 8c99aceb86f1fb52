"""From the core's rows to the records of topics: every field, and whole columns as row by row."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray

from engine.command_records import CommandReporter
from engine.core import Core
from engine.decode import decode
from engine.layout import COMMAND, REPORT, field_number
from engine.messages import (
    Cancel,
    CancelAll,
    DefineAccount,
    DefineInstrument,
    Fees,
    Kill,
    Limits,
    NewOrder,
    OrderCommand,
    Replace,
    SetPhase,
)
from engine.records import Reporter, account_record, book_record, exec_id, instrument_record, trade_id
from engine.registry import AccountEntry
from engine.words import (
    LIST_SHIFT,
    CommandType,
    Durability,
    ExecType,
    Flag,
    Liquidity,
    ListType,
    OrderStatus,
    OrderType,
    Reason,
    SelfTrade,
    Side,
    Source,
    TimeInForce,
)


@pytest.fixture(scope="module")
def core() -> Core:
    made = Core(max_orders=10)
    made.administer(
        1,
        1,
        DefineInstrument(
            symbol="AAPL",
            tick_size=Decimal("0.01"),
            lot_size=Decimal(1),
            price_min=Decimal(1),
            price_max=Decimal(2000),
        ),
    )
    made.administer(
        2,
        2,
        DefineInstrument(
            symbol="BTCUSD",
            tick_size=Decimal("0.50"),
            lot_size=Decimal("0.0001"),
            price_min=Decimal(1000),
            price_max=Decimal(100_000),
        ),
    )
    made.administer(3, 3, DefineAccount(account="demo", deposit=Decimal(1000)))
    return made


def row(dtype: np.dtype[Any], **values: Any) -> NDArray[Any]:
    made = np.zeros(1, dtype)
    for name, value in values.items():
        made[name] = value
    return made


ICEBERG = {
    "seq": 9,
    "index": 2,
    "ts_ns": 900,
    "transact_ns": 800,
    "order_id": 7,
    "list_id": 6,
    "quantity": 100,
    "filled": 30,
    "leaves": 70,
    "notional": 19_001 * 10 + 19_002 * 20,
    "limit_price": 19_002,
    "stop_price": 18_999,
    "trail": 12_500,
    "display_quantity": 10,
    "expires_ns": 5_000,
    "last_quantity": 20,
    "last_price": 19_002,
    "fee": -1_500_000,
    "match": 3,
    "account": 1,
    "instrument": 1,
    "exec_type": int(ExecType.TRADE),
    "order_status": int(OrderStatus.PARTIALLY_FILLED),
    "side": int(Side.BUY),
    "order_type": int(OrderType.STOP_LIMIT),
    "time_in_force": int(TimeInForce.GTD),
    "liquidity": int(Liquidity.MAKER),
    "source": int(Source.REST),
    "flags": int(Flag.POST_ONLY | Flag.TRAIL_PERCENT),
    "self_trade_prevention": int(SelfTrade.DECREMENT),
    "strategy": b"maker",
    "client_order_id": b"c-7",
}
REFUSED = {
    "seq": 10,
    "ts_ns": 1000,
    "account": 99,
    "instrument": 77,
    "quantity": 5,
    "limit_price": 12,
    "side": 9,
    "exec_type": int(ExecType.REJECTED),
    "order_status": int(OrderStatus.REJECTED),
    "reason": int(Reason.UNKNOWN_SYMBOL),
    "field": field_number("symbol"),
    "client_order_id": b'"\xff',
}
TRAILING = {
    "seq": 11,
    "ts_ns": 1100,
    "account": 1,
    "instrument": 2,
    "order_id": 11,
    "quantity": 12_345,
    "leaves": 12_345,
    "stop_price": 80_001,
    "trail": 250,
    "exec_type": int(ExecType.RESTATED),
    "order_status": int(OrderStatus.NEW),
    "reason": int(Reason.LINKED_ORDER),
    "flags": int(Flag.REDUCE_ONLY) | int(ListType.OCO) << LIST_SHIFT,
    "side": int(Side.SELL),
    "order_type": int(OrderType.TRAILING_STOP),
    "time_in_force": int(TimeInForce.GTC),
    "client_order_id": b"x" * 48,
}


def test_every_field_of_a_report(core: Core) -> None:
    (event,) = Reporter(core).order_events(row(REPORT, **ICEBERG))
    assert msgspec.structs.asdict(event) == {
        "v": 1,
        "seq": 9,
        "index": 2,
        "ts_ns": 900,
        "transact_ns": 800,
        "exec_id": "0.1.9.2",
        "exec_type": "trade",
        "order_status": "partially_filled",
        "reason": None,
        "field": None,
        "text": None,
        "order_id": "7",
        "client_order_id": "c-7",
        "orig_client_order_id": None,
        "list_id": "6",
        "account": "demo",
        "symbol": "AAPL",
        "side": "buy",
        "order_type": "stop_limit",
        "time_in_force": "gtd",
        "expires_ns": 5_000,
        "quantity": "100",
        "display_quantity": "10",
        "limit_price": "190.02",
        "stop_price": "189.99",
        "trail_amount": None,
        "trail_percent": "1.25",
        "post_only": True,
        "reduce_only": False,
        "self_trade_prevention": "decrement",
        "filled_quantity": "30",
        "leaves_quantity": "70",
        "average_price": "190.016666667",
        "last_quantity": "20",
        "last_price": "190.02",
        "liquidity": "maker",
        "fee": "-1.50",
        "strategy": "maker",
        "source": "rest",
    }


def test_a_refusal_says_no_more_than_it_knows(core: Core) -> None:
    (event,) = Reporter(core).order_events(row(REPORT, **REFUSED))
    assert (event.exec_type, event.reason, event.field) == ("rejected", "unknown_symbol", "symbol")
    assert (event.account, event.symbol, event.side, event.order_id, event.transact_ns) == ("", "", None, "0", 1000)
    assert (event.quantity, event.limit_price, event.client_order_id) == ("5", "12", '"ÿ')
    for name in ("list_id", "stop_price", "trail_amount", "trail_percent", "display_quantity", "expires_ns"):
        assert getattr(event, name) is None
    assert (event.post_only, event.reduce_only, event.self_trade_prevention, event.average_price) == (
        False,
        False,
        None,
        None,
    )


def test_a_trailing_stop_in_its_own_ticks_and_lots(core: Core) -> None:
    (event,) = Reporter(core).order_events(row(REPORT, **TRAILING))
    assert (event.quantity, event.stop_price, event.trail_amount, event.trail_percent) == (
        "1.2345",
        "40000.5",
        "125.0",
        None,
    )
    assert (event.exec_type, event.reason, event.post_only, event.reduce_only) == (
        "restated",
        "linked_order",
        False,
        True,
    )


@pytest.mark.parametrize("kind", list(ExecType), ids=lambda kind: kind.wire)
def test_a_report_of_a_cancel_or_replace_names_the_order_that_was_there(core: Core, kind: ExecType) -> None:
    (event,) = Reporter(core).order_events(row(REPORT, **{**ICEBERG, "exec_type": int(kind)}))
    named = kind in (ExecType.CANCELED, ExecType.REPLACED)
    assert event.orig_client_order_id == ("c-7" if named else None)


@pytest.mark.parametrize("seed", range(5))
def test_a_batch_is_its_rows(core: Core, seed: int) -> None:
    """Columns that are empty in one part of a batch and not in another."""
    draw = np.random.default_rng(seed)
    shapes = (ICEBERG, REFUSED, TRAILING)
    parts = []
    for number in draw.integers(0, 3, 40):
        shape = dict(shapes[number])
        for name in draw.choice([name for name in shape if name not in ("exec_type", "order_status")], 3):
            if name not in ("seq", "filled", "notional"):
                shape[str(name)] = np.zeros(1, REPORT[str(name)])[0]
        parts.append(row(REPORT, **shape))
    batch = np.concatenate(parts)
    assert Reporter(core).order_events(batch) == [
        event for part in parts for event in Reporter(core).order_events(part)
    ]
    assert Reporter(core).order_events(batch[:0]) == []


def test_ids_carry_shard_and_epoch(core: Core) -> None:
    reporter = Reporter(core, shard=3, epoch=12)
    (event,) = reporter.order_events(row(REPORT, **ICEBERG))
    assert event.exec_id == exec_id(9, 2, shard=3, epoch=12) == "3.12.9.2"
    assert reporter.fill(event, 3).trade_id == reporter.trade(event, 3).trade_id == trade_id(9, 3, shard=3, epoch=12)


def test_a_fill_and_the_line_of_the_tape(core: Core) -> None:
    (event,) = Reporter(core).order_events(row(REPORT, **ICEBERG))
    fill, trade = Reporter(core).fill(event, 3), Reporter(core).trade(event, 3)
    assert (fill.fill_id, fill.trade_id, fill.quantity, fill.price, fill.fee) == (
        "0.1.9.2",
        "0.1.9.m3",
        "20",
        "190.02",
        "-1.50",
    )
    assert (trade.trade_id, trade.quantity, trade.price, trade.aggressor_side, trade.hidden) == (
        "0.1.9.m3",
        "20",
        "190.02",
        "buy",
        False,
    )


def test_a_print_is_hidden(core: Core) -> None:
    printed = row(
        REPORT, seq=5, ts_ns=5, instrument=1, exec_type=int(ExecType.PRINT), last_quantity=7, last_price=19_000, match=1
    )
    reporter = Reporter(core)
    (event,) = reporter.order_events(printed)
    trade = reporter.trade(event, 1)
    assert (trade.symbol, trade.price, trade.quantity, trade.hidden, trade.aggressor_side) == (
        "AAPL",
        "190.00",
        "7",
        True,
        None,
    )


# ------------------------------------------------------------------------------------------------- commands

NEW = {"account": "demo", "symbol": "AAPL", "side": "buy", "quantity": Decimal(10)}
ASKED: list[OrderCommand] = [
    NewOrder(**NEW, limit_price=Decimal("190.10"), client_order_id="a-1", strategy="s", transact_ns=5),
    NewOrder(**NEW, order_type="market", time_in_force="ioc", reduce_only=True),
    NewOrder(**NEW, order_type="stop_limit", limit_price=Decimal(191), stop_price=Decimal(190), time_in_force="gtc"),
    NewOrder(**NEW, order_type="trailing_stop", trail_amount=Decimal("1.50")),
    NewOrder(**NEW, order_type="trailing_stop", trail_percent=Decimal("2.5")),
    NewOrder(
        **NEW,
        limit_price=Decimal(190),
        display_quantity=Decimal(2),
        post_only=True,
        time_in_force="gtd",
        expires_ns=99,
        self_trade_prevention="cancel_both",
    ),
    Cancel(account="demo", order_id="17"),
    Cancel(account="demo", symbol="BTCUSD", client_order_id="a-1"),
    Replace(account="demo", symbol="BTCUSD", order_id="17", quantity=Decimal("0.5"), stop_price=Decimal("40000.5")),
    CancelAll(account="demo", side="sell"),
]


@pytest.mark.parametrize("command", ASKED, ids=[type(command).__name__ for command in ASKED])
def test_a_command_is_published_as_it_was_asked(core: Core, command: OrderCommand) -> None:
    """What the record says, sent again, is the same command."""
    asked = decode(command, core.instruments, core.accounts)
    (record,) = CommandReporter(core).records(asked)
    fields = {"type": record.type, **record.command}
    fields |= {name: int(fields[name]) for name in ("expires_ns", "transact_ns") if name in fields}
    again = decode(msgspec.convert(fields, OrderCommand, strict=False), core.instruments, core.accounts)
    assert again == asked


def test_what_the_engine_stamped(core: Core) -> None:
    commands = np.concatenate(
        [
            row(COMMAND, seq=5, ts_ns=50, type=1, source=int(Source.KAFKA), source_partition=2, source_offset=70),
            row(COMMAND, seq=6, ts_ns=60, type=4, source=int(Source.REST), source_partition=-1, actor=b"ann"),
        ]
    )
    first, second = CommandReporter(core).records(commands)
    assert (first.seq, first.ts_ns, first.source, first.source_partition, first.source_offset) == (
        5,
        50,
        "kafka",
        2,
        70,
    )
    assert (second.source, second.actor, second.type, second.source_partition, second.source_offset) == (
        "rest",
        "ann",
        "cancel_all",
        None,
        None,
    )


def test_the_legs_of_a_list_say_so(core: Core) -> None:
    flags = int(ListType.BRACKET) << LIST_SHIFT | int(Flag.REDUCE_ONLY)
    leg = row(COMMAND, seq=5, type=int(CommandType.NEW), account=1, instrument=1, flags=flags, source_partition=-1)
    (record,) = CommandReporter(core).records(leg)
    assert record.command == {"account": "demo", "symbol": "AAPL", "list_type": "bracket", "reduce_only": True}


def test_a_cancel_that_the_engine_asked_for_and_a_wish_for_durability(core: Core) -> None:
    sweep = row(
        COMMAND,
        seq=5,
        type=int(CommandType.CANCEL_ALL),
        account=1,
        flags=int(Flag.DISCONNECTED),
        durability=int(Durability.SYNCED),
        source_partition=-1,
    )
    (record,) = CommandReporter(core).records(sweep)
    assert record.command == {"account": "demo", "disconnected": True, "durability": "synced"}


# ------------------------------------------------------------------------------------- accounts, instruments, books


def test_an_account_says_all_that_it_may_do() -> None:
    core = Core(max_orders=10)
    for command in (
        DefineAccount(account="demo", deposit=Decimal(1000), firm="acme", self_trade_prevention="cancel_oldest"),
        Limits(account="demo", max_open_orders=5, messages_per_second=10, margin_multiple=Decimal("2.5")),
        Fees(account="demo", maker_fee_ppm=-5, taker_fee_ppm=7),
        Kill(account="demo"),
    ):
        core.administer(core.last_seq + 1, 70 + core.last_seq, command)
    record = account_record(core.accounts.by_number(1))
    assert (record.account, record.account_id, record.deposits, record.firm) == ("demo", 1, "1000.00", "acme")
    assert (record.margin_multiple, record.messages_per_second, record.message_burst) == ("2.5", 10, 10)
    assert (record.maker_fee_ppm, record.taker_fee_ppm, record.killed) == (-5, 7, True)
    assert (record.self_trade_prevention, record.self_trade_scope) == ("cancel_oldest", "account")
    assert [(limits.symbol, limits.max_open_orders, limits.max_long) for limits in record.limits] == [(None, 5, None)]
    assert (record.seq, record.ts_ns) == (4, 73)
    assert account_record(registered("plain")).margin_multiple is None


def registered(account: str) -> AccountEntry:
    core = Core(max_orders=10)
    core.administer(1, 1, DefineAccount(account=account))
    return core.accounts.by_number(1)


def test_a_book_in_an_auction_says_what_would_trade() -> None:
    core = Core(max_orders=10)
    definition = DefineInstrument(
        symbol="AAPL", tick_size=Decimal("0.01"), lot_size=Decimal(1), price_min=Decimal(1), price_max=Decimal(2000)
    )
    for command in (definition, DefineAccount(account="demo"), SetPhase(symbol="AAPL", phase="opening_auction")):
        core.administer(core.last_seq + 1, 1, command)
    assert instrument_record(core, core.instruments.by_number(1)).phase == "opening_auction"
    for side, price in ((Side.BUY, 19_010), (Side.SELL, 19_000)):
        asked = row(COMMAND, seq=core.last_seq + 1, type=1, account=1, instrument=1, side=int(side), quantity=5)
        asked["limit_price"], asked["order_type"], asked["time_in_force"] = price, 2, 1
        asked["client_order_id"] = f"c-{price}".encode()
        core.apply(asked)
    book = book_record(core, 1, 5, core.last_seq, 9)
    assert (book.bids, book.asks) == ([("190.10", "5", 1)], [("190.00", "5", 1)])
    assert (book.phase, book.indicative_price, book.indicative_quantity) == ("opening_auction", "190.00", "5")
    core.administer(core.last_seq + 1, 1, SetPhase(symbol="AAPL", phase="continuous"))
    book = book_record(core, 1, 5, core.last_seq, 9)
    assert (book.bids, book.phase, book.indicative_price, book.indicative_quantity) == ([], "continuous", None, None)
