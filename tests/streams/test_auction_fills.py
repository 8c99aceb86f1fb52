"""The fills of a call auction are fills like any: positions follow from them, and from no other report."""

from __future__ import annotations

from collections import defaultdict
from decimal import Decimal

import numpy as np
import pytest

from engine.core import Core
from engine.layout import COMMAND
from engine.messages import DefineAccount, DefineInstrument, Fill, OrderEvent, SetPhase
from engine.records import Reporter
from engine.units import Scale
from engine.words import CommandType, ExecType, OrderType, Phase, Side, TimeInForce
from streams import ledger, records
from streams.orders import fold

ACCOUNTS = ("ann", "bob", "cy")
ORDERS = (
    # account, side, type, time in force, lots, ticks
    (1, Side.BUY, OrderType.LIMIT, TimeInForce.DAY, 70, 10_010),
    (2, Side.SELL, OrderType.LIMIT, TimeInForce.OPG, 100, 10_000),
    (3, Side.BUY, OrderType.MARKET, TimeInForce.OPG, 20, 0),
    (1, Side.SELL, OrderType.LIMIT, TimeInForce.DAY, 5, 10_050),
)


@pytest.fixture(scope="module")
def events() -> list[tuple[OrderEvent, Fill | None]]:
    """What comes of an opening auction: collected, uncrossed at one price, and what may not stay canceled."""
    core, found = Core(max_orders=20), []
    reporter = Reporter(core)
    definition = DefineInstrument(
        symbol="AAPL",
        tick_size=Decimal("0.01"),
        lot_size=Decimal(1),
        price_min=Decimal(1),
        price_max=Decimal(1000),
        maker_fee_ppm=-20,
        taker_fee_ppm=30,
    )
    administrative = [definition, *(DefineAccount(account=name, deposit=Decimal(100_000)) for name in ACCOUNTS)]
    for command in (*administrative, SetPhase(symbol="AAPL", phase=Phase.OPENING_AUCTION.wire)):
        core.administer(core.last_seq + 1, 1, command)
    for number, (account, side, order_type, time_in_force, lots, ticks) in enumerate(ORDERS):
        order = np.zeros(1, COMMAND)
        order["seq"], order["type"], order["ts_ns"] = core.last_seq + 1, int(CommandType.NEW), 1
        order["account"], order["instrument"], order["side"] = account, 1, int(side)
        order["order_type"], order["time_in_force"] = int(order_type), int(time_in_force)
        order["quantity"], order["limit_price"] = lots, ticks
        order["client_order_id"] = f"c-{number}".encode()
        found.append(core.apply(order).reports.copy())
    found.append(core.administer(core.last_seq + 1, 2, SetPhase(symbol="AAPL", phase="continuous")).reports.copy())
    rows = np.concatenate(found)
    return [
        (event, reporter.fill(event, match) if event.exec_type == ExecType.TRADE.wire else None)
        for event, match in zip(reporter.order_events(rows), rows["match"].tolist(), strict=True)
    ]


def test_both_sides_of_every_match_are_fills_at_one_price(events: list[tuple[OrderEvent, Fill | None]]) -> None:
    fills = [fill for _, fill in events if fill is not None]
    assert {fill.price for fill in fills} == {"100.00"}
    assert len({fill.seq for fill in fills}) == 1
    by_match = defaultdict(list)
    for fill in fills:
        by_match[fill.trade_id].append((fill.liquidity, fill.side))
    for sides in by_match.values():
        assert [liquidity for liquidity, _ in sides] == ["maker", "taker"]
        assert {side for _, side in sides} == {"buy", "sell"}
    assert sum(int(fill.quantity) for fill in fills) == 2 * 90


def test_positions_follow_from_the_fills_alone(events: list[tuple[OrderEvent, Fill | None]]) -> None:
    scale = Scale(Decimal("0.01"), Decimal(1))
    holdings: defaultdict[str, ledger.Holding] = defaultdict(lambda: ledger.FLAT)
    for _, fill in events:
        if fill is not None:
            before = holdings[fill.account]
            execution = records.execution(fill, scale)
            holdings[fill.account] = ledger.apply(before, execution, scale.money_per_tick_lot)
    assert {name: held.quantity for name, held in holdings.items()} == {"ann": 70, "bob": -90, "cy": 20}
    assert sum(held.realized - held.cost for held in holdings.values()) == 0


def test_every_order_ends_as_its_reports_say(events: list[tuple[OrderEvent, Fill | None]]) -> None:
    orders = {}
    for event, _ in events:
        orders[event.client_order_id] = fold(orders.get(event.client_order_id), event)
    assert {name: (order.status, order.filled_quantity, order.leaves_quantity) for name, order in orders.items()} == {
        "c-0": ("filled", "70", "0"),
        "c-1": ("canceled", "90", "0"),
        "c-2": ("filled", "20", "0"),
        "c-3": ("new", "0", "5"),
    }
