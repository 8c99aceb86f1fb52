"""A preview says what the same order then does, and changes nothing."""

from __future__ import annotations

import contextlib
import re
from decimal import Decimal

import msgspec
import numpy as np
import order_flow
import pytest
from small_exchange import command, define

from engine.core import Core
from engine.messages import NewOrder
from engine.preview import estimate, preview
from engine.refusal import Refusal
from engine.words import CommandType, OrderType, Side, TimeInForce


def as_message(core: Core, record: np.void) -> NewOrder | None:
    """A plain new order of the flow as its sender would write it; None where it cannot be written."""
    if re.fullmatch(rb"[!-~]+", record["client_order_id"]) is None:
        return None
    if not 1 <= record["instrument"] <= len(core.instruments) or not 1 <= record["account"] <= len(core.accounts):
        return None
    entry = core.instruments.by_number(int(record["instrument"]))
    kind, time_in_force = int(record["order_type"]), int(record["time_in_force"])
    if kind not in (OrderType.MARKET, OrderType.LIMIT) or time_in_force not in (
        TimeInForce.DAY,
        TimeInForce.GTC,
        TimeInForce.IOC,
        TimeInForce.FOK,
    ):
        return None
    plain = record["side"] in (1, 2) and not record["flags"] and not record["display_quantity"]
    if not plain or record["expires_ns"] or record["stop_price"] or record["trail"] or record["quantity"] < 1:
        return None
    if (kind == OrderType.LIMIT) != (record["limit_price"] > 0) or record["self_trade_prevention"]:
        return None
    price = entry.scale.price_text(int(record["limit_price"]))
    return msgspec.convert(
        {
            "type": "new",
            "account": core.accounts.by_number(int(record["account"])).account,
            "symbol": entry.definition.symbol,
            "side": Side(int(record["side"])).wire,
            "quantity": entry.scale.quantity_text(int(record["quantity"])),
            "order_type": OrderType(kind).wire,
            "time_in_force": TimeInForce(time_in_force).wire,
            "limit_price": price if kind == OrderType.LIMIT else None,
            "client_order_id": record["client_order_id"].decode(),
        },
        NewOrder,
    )


def test_the_order_then_does_what_was_said() -> None:
    core = Core(max_orders=1000)
    seq = define(core)
    agreed = {True: 0, False: 0}
    for batch in order_flow.stream(11, 6_000, seq, most=1):
        if batch.command is not None:
            core.administer(batch.seq, batch.ts_ns, batch.command)
            continue
        record = batch.records[0]
        said = None
        if len(batch.records) == 1 and record["type"] == CommandType.NEW:
            order = as_message(core, record)
            if order is not None and not core.find_client(int(record["account"]), order.client_order_id or ""):
                before = core.state_hash()
                with contextlib.suppress(Refusal):  # outside the band: as at every door
                    said = preview(core, order, batch.ts_ns)
                assert core.state_hash() == before
        available = None if said is None else said.buying_power
        reply = core.apply(batch.records).replies[0]
        if said is None or reply["outcome"] == 3:
            continue
        assert said.accepted == (reply["outcome"] == 1), (said, reply)
        if not said.accepted:
            assert said.reason is not None
        agreed[said.accepted] += 1
        assert (available is None) == (said.buying_power_after is None)
    assert agreed[True] > 200
    assert agreed[False] > 30


@pytest.mark.parametrize(
    ("side", "lots", "limit", "whole", "expected"),
    [
        (Side.BUY, 3, 0, False, (3, 302, 3)),
        (Side.BUY, 3, 100, False, (1, 100, 1)),
        (Side.BUY, 9, 0, False, (6, 608, 6)),
        (Side.BUY, 9, 0, True, (0, 0, 0)),
        (Side.BUY, 6, 102, True, (6, 608, 6)),
        (Side.BUY, 1, 99, False, (0, 0, 0)),
    ],
)
def test_what_trades_at_once(side: Side, lots: int, limit: int, whole: bool, expected: tuple[int, int, int]) -> None:
    levels = np.array([[100, 1, 1], [101, 2, 2], [102, 3, 1]], np.int64)
    assert estimate(levels, side, lots, limit, whole, 1, 10_000) == expected


def test_sellers_stop_below_their_limit() -> None:
    levels = np.array([[100, 1, 1], [99, 2, 1]], np.int64)
    assert estimate(levels, Side.SELL, 5, 100, False, 1, 0) == (1, 100, 0)
    assert estimate(levels, Side.SELL, 2, 99, True, 1, 0) == (2, 199, 0)


def test_a_resting_order_reserves_what_was_said() -> None:
    core = Core(max_orders=1000)
    seq = define(core)
    order = NewOrder(
        account="cat",
        symbol="NARROW",
        side="buy",
        quantity=Decimal(100),
        limit_price=Decimal("1.00"),
        client_order_id="one",
    )
    said = preview(core, order, 1_000)
    assert (said.accepted, said.notional, said.position_after) == (True, "100.00", "100")
    assert said.buying_power == "600.00"
    record = command(
        seq,
        CommandType.NEW,
        account=3,
        instrument=1,
        side=1,
        order_type=2,
        time_in_force=1,
        quantity=100,
        limit_price=100,
        client_order_id=b"one",
    )
    core.apply(record)
    then = preview(core, msgspec.structs.replace(order, client_order_id="two"), 2_000)
    assert then.buying_power == said.buying_power_after
    assert then.open_buys == "100"
