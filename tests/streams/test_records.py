"""Between the wire and the ledger: what is taken, what is refused, and how numbers are written."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine import messages, units
from engine.units import Scale
from streams import ledger, records
from tests.streams import flow

CENT = Scale(Decimal("0.01"), Decimal(1))
AT_HOME = records.Exchange("USD", {}, {})
FILL = next(record for topic, _, record in flow.Market().command() if topic == "fills")


def fill(**values: Any) -> messages.Fill:
    sound = {"symbol": "AAPL", "side": "buy", "price": "190.01", "quantity": "3", "fee": "-0.01", "seq": 5, "index": 1}
    return msgspec.structs.replace(FILL, **{**sound, **values})


def test_a_fill_in_ticks_and_lots() -> None:
    assert records.execution(fill(ts_ns=9), CENT) == ledger.Execution(5, 1, 3, 19_001, -10_000, 9)
    assert records.execution(fill(side="sell"), CENT).lots == -3


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"quantity": "0"}, "quantity"),
        ({"quantity": "-1"}, "quantity"),
        ({"quantity": "1.5"}, "quantity"),
        ({"quantity": "many"}, "quantity"),
        ({"price": "190.005"}, "price"),
        ({"price": "0"}, "price"),
        ({"price": "NaN"}, "price"),
        ({"fee": "0.0000001"}, "fee"),
        ({"side": "hold"}, "side"),
        ({"seq": 0}, "seq"),
    ],
)
def test_an_impossible_fill_is_refused_by_field(values: dict[str, Any], field: str) -> None:
    with pytest.raises(records.Unusable) as refusal:
        records.execution(fill(**values), CENT)
    assert refusal.value.field == field


@given(st.integers(-(10**18), 10**18))
def test_money_is_read_as_it_is_written(amount: int) -> None:
    assert records.money(units.money_text(amount)) == amount


@pytest.mark.parametrize("text", ["", ".", "-", "1e5", "1_0", " 1", "1.2345678", "٣", "--1", "nan"])
def test_what_is_no_money_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"money|decimals"):
        records.money(text)


def test_a_position_as_published() -> None:
    holding = ledger.FLAT
    for seq, (lots, ticks) in enumerate([(2, 10_000), (1, 10_100), (-1, 10_200)], 1):
        holding = ledger.apply(holding, ledger.Execution(seq, 0, lots, ticks, 7, seq), CENT.money_per_tick_lot)
    record = records.position("alice", "AAPL", holding, CENT, [], 4)
    assert msgspec.structs.asdict(record) == {
        "v": 1,
        "account": "alice",
        "symbol": "AAPL",
        "quantity": "2",
        "average_price": "100.333333333",
        "cost": "200.666667",
        "realized_pnl": "1.666667",
        "fees": "0.000021",
        "bought_quantity": "3",
        "sold_quantity": "1",
        "last_price": "102.00",
        "last_seq": 3,
        "last_index": 0,
        "ts_ns": 3,
        "strategies": [],
        "action_seq": 4,
    }


def test_a_flat_position_has_no_average_price() -> None:
    assert records.average_price(ledger.FLAT, CENT) is None


def test_an_account_as_published() -> None:
    account = messages.Account(account="alice", account_id=1, currency="USD", deposits="1000.00", seq=2, ts_ns=2)
    holding = ledger.apply(ledger.FLAT, ledger.Execution(5, 1, 10, 10_000, 1_000_000, 5), CENT.money_per_tick_lot)
    part = records.strategy_position("maker", holding, CENT)
    held = records.position("alice", "AAPL", holding, CENT, [part], 0)
    prices = {"AAPL": (records.Price(20_001, "mid", 9, 8), CENT)}
    record = records.pnl(account, None, {"AAPL": held}, {"maker": {"AAPL": part}}, prices, AT_HOME)
    assert record.marks["AAPL"] == messages.Mark(
        price="100.005",
        source="mid",
        seq=9,
        position_seq=5,
        position_index=1,
        quantity="10",
        unrealized_pnl="0.05",
    )
    assert (record.equity, record.fees, record.peak_equity, record.drawdown) == ("999.05", "1.00", "1000.00", "0.95")
    assert (record.gross_exposure, record.net_exposure, record.last_seq, record.ts_ns) == ("1000.05", "1000.05", 9, 8)
    assert records.peak_profit(record) == 0
    assert record.strategies["maker"] == messages.StrategyPnl(
        realized_pnl="0.00",
        unrealized_pnl="0.05",
        fees="1.00",
        profit="-0.95",
        peak_profit="0.00",
        drawdown="0.95",
        gross_exposure="1000.05",
        net_exposure="1000.05",
    )


def test_a_strategy_keeps_the_peak_of_what_was_published() -> None:
    holding = ledger.apply(ledger.FLAT, ledger.Execution(5, 1, 10, 10_000, 0, 5), CENT.money_per_tick_lot)
    held = {"AAPL": records.strategy_position("maker", holding, CENT)}
    up = records.strategy_pnl(held, {"AAPL": (records.Price(20_200, "mid", 9, 8), CENT)}, AT_HOME, None)
    down = records.strategy_pnl(held, {"AAPL": (records.Price(20_000, "mid", 9, 8), CENT)}, AT_HOME, up)
    assert (up.peak_profit, down.profit, down.peak_profit, down.drawdown) == ("10.00", "0.00", "10.00", "10.00")
