"""The records that compiled code writes are, byte for byte, those of the reporters."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from engine.command_records import CommandReporter
from engine.core import Core
from engine.layout import COMMAND, FIELDS, REPORT
from engine.messages import DefineAccount, DefineInstrument, Split
from engine.record_bytes import RecordBytes
from engine.records import Reporter
from engine.units import LARGEST
from engine.words import REASONS, CommandType, ExecType, Liquidity, OrderStatus
from tests.engine.sequences import define, orders, running

encode = msgspec.json.encode
TICKS = (("0.01", "1"), ("0.25", "0.0001"), ("0.5", "0.001"), ("5", "10"), ("0.0005", "1"), ("1000", "2000"))
TEXT = st.one_of(
    st.binary(max_size=16),
    st.sampled_from(
        [b"", b'a"b', b"back\\slash", b"\x00\x1f\n\t\r\b\f\x0b", "é".encode("latin-1"), b"\x00a", b"\x7f\xff"]
    ),
)
SIZE = st.one_of(st.just(0), st.integers(1, 300), st.integers(1, LARGEST), st.integers(-5, 2**63 - 1))
WIDE = st.one_of(st.just(0), st.integers(0, 10**6), st.integers(-(2**63), 2**63 - 1))


@pytest.fixture(scope="module")
def core() -> Core:
    made = Core(max_orders=10)
    for number, (tick, lot) in enumerate(TICKS):
        made.administer(
            made.last_seq + 1,
            1,
            DefineInstrument(
                symbol=f"S{number}",
                tick_size=Decimal(tick),
                lot_size=Decimal(lot),
                price_min=Decimal(tick),
                price_max=Decimal(tick) * 1000,
            ),
        )
    for account in ("demo", 'quo"te', "other"):
        made.administer(made.last_seq + 1, 1, DefineAccount(account=account))
    made.administer(made.last_seq + 1, 1, Split(symbol="S1", new_shares=2))
    assert len(made.instruments) == len(TICKS)
    return made


def check_reports(core: Core, reports: NDArray[Any]) -> None:
    reporter = Reporter(core, shard=2, epoch=7)
    events, fills, trades = [], [], []
    for event, row in zip(reporter.order_events(reports), reports, strict=True):
        match, kind = int(row["match"]), int(row["exec_type"])
        if kind != ExecType.PRINT:
            events.append(encode(event))
        if kind == ExecType.TRADE:
            fills.append(encode(reporter.fill(event, match)))
        if kind == ExecType.PRINT or (kind == ExecType.TRADE and row["liquidity"] == Liquidity.TAKER):
            trades.append(encode(reporter.trade(event, match)))
    assert RecordBytes(core, shard=2, epoch=7).reports(reports) == (events, fills, trades)


@st.composite
def report(draw: st.DrawFn) -> NDArray[Any]:
    row = np.zeros(1, REPORT)
    row["seq"], row["index"], row["match"] = draw(st.tuples(*[st.integers(0, 2**40), *[st.integers(0, 2**32 - 1)] * 2]))
    row["ts_ns"], row["transact_ns"] = draw(st.integers(0, 2**63 - 1)), draw(WIDE)
    row["order_id"], row["list_id"] = draw(st.integers(0, 2**64 - 1)), draw(st.integers(0, 2**64 - 1))
    row["exec_type"] = draw(st.sampled_from([int(kind) for kind in ExecType]))
    row["order_status"] = draw(st.sampled_from([0, *map(int, OrderStatus)]))
    row["reason"] = draw(st.sampled_from([0, *map(int, REASONS)]))
    row["field"] = draw(st.integers(0, len(FIELDS) - 1))
    row["account"], row["instrument"] = draw(st.integers(0, 5)), draw(st.integers(0, 8))
    row["side"], row["order_type"] = draw(st.integers(0, 3)), draw(st.integers(0, 7))
    row["time_in_force"], row["self_trade_prevention"] = draw(st.integers(0, 9)), draw(st.integers(0, 7))
    row["liquidity"], row["source"], row["flags"] = (
        draw(st.integers(0, 2)),
        draw(st.integers(0, 9)),
        draw(st.integers(0, 255)),
    )
    for name in ("quantity", "leaves", "limit_price", "stop_price", "trail", "display_quantity"):
        row[name] = draw(SIZE)
    row["expires_ns"], row["fee"] = draw(WIDE), draw(WIDE)
    row["filled"] = draw(st.one_of(st.just(0), st.integers(1, 1000), st.integers(1, LARGEST)))
    most = (2**63 - 1) // max(1, int(row["filled"][0]))
    average = draw(st.integers(0, min(most, 10**6)))
    row["notional"] = average * int(row["filled"][0]) + draw(st.integers(0, max(0, int(row["filled"][0]) // 2)))
    row["last_quantity"], row["last_price"] = draw(st.integers(1, 10**9)), draw(st.integers(1, 10**9))
    row["strategy"], row["client_order_id"] = draw(TEXT), draw(TEXT)
    return row


@settings(max_examples=400, deadline=None)
@given(rows=st.lists(report(), min_size=1, max_size=4))
def test_any_report(core: Core, rows: list[NDArray[Any]]) -> None:
    check_reports(core, np.concatenate(rows))


@st.composite
def command(draw: st.DrawFn) -> NDArray[Any]:
    row = np.zeros(1, COMMAND)
    row["seq"], row["ts_ns"], row["transact_ns"] = (
        draw(st.integers(0, 2**63 - 1)),
        draw(st.integers(0, 2**63 - 1)),
        draw(WIDE),
    )
    row["order_id"] = draw(st.integers(0, 2**64 - 1))
    for name in ("quantity", "limit_price", "stop_price", "trail", "display_quantity"):
        row[name] = draw(SIZE)
    row["expires_ns"] = draw(WIDE)
    row["source_partition"] = draw(st.integers(-1, 3))
    row["source_offset"] = draw(st.integers(-1, 2**62))
    row["account"], row["instrument"] = draw(st.integers(0, 5)), draw(st.one_of(st.integers(0, 8), st.just(2**32 - 1)))
    row["type"] = draw(st.sampled_from([int(kind) for kind in CommandType]))
    for name in ("side", "order_type", "time_in_force", "self_trade_prevention", "source", "durability"):
        row[name] = draw(st.one_of(st.integers(0, 8), st.integers(0, 255)))
    row["flags"] = draw(st.integers(0, 255))
    row["actor"], row["strategy"], row["client_order_id"] = draw(TEXT), draw(TEXT), draw(TEXT)
    return row


@settings(max_examples=400, deadline=None)
@given(rows=st.lists(command(), min_size=1, max_size=4))
def test_any_command(core: Core, rows: list[NDArray[Any]]) -> None:
    commands = np.concatenate(rows)
    wanted = [encode(one) for one in CommandReporter(core, epoch=5).records(commands)]
    assert RecordBytes(core, epoch=5).commands(commands) == wanted


def test_nothing(core: Core) -> None:
    assert RecordBytes(core).reports(np.zeros(0, REPORT)) == ([], [], [])
    assert RecordBytes(core).commands(np.zeros(0, COMMAND)) == []


def test_what_a_core_says(tmp_path: Any) -> None:
    """A stream of orders as a market has them, names that come later included."""
    with running(tmp_path) as sequencer:
        made = RecordBytes(sequencer.core)
        define(sequencer)
        for turn in range(1, 4):
            commands = orders(turn, 500)
            reports = sequencer.submit(commands).reports.copy()
            check_reports(sequencer.core, reports)
            assert made.commands(commands) == [encode(one) for one in CommandReporter(sequencer.core).records(commands)]
