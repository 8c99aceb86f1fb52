"""Parameters, the desk, what is saved, and the skeleton of a new strategy."""

from __future__ import annotations

import os
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pytest

from engine.messages import Cancel, NewOrder, OrderList, Replace
from streams.strategies import catalog, scaffold
from streams.strategies.desk import Desk, Target
from streams.strategies.events import Bar, BookUpdate, OrderUpdate, TradeUpdate
from streams.strategies.instrument import Listed
from streams.strategies.moving_average_cross import MovingAverageCross
from streams.strategies.running import Running
from streams.strategies.strategy import ParameterError, parameters, with_symbol

UNITS = {
    "AAPL": Listed("AAPL", Decimal("0.01"), Decimal(1)),
    "BTCUSD": Listed("BTCUSD", Decimal("0.5"), Decimal("0.001")),
}


def desk() -> Desk:
    return Desk("demo", "run", UNITS, cash=Decimal(10_000), strategy="mine")


def fill(name: str, side: str, quantity: float, price: float, *, left: float = 0.0, fee: float = 0.0) -> OrderUpdate:
    status = "partially_filled" if left else "filled"
    return OrderUpdate(
        "AAPL",
        1,
        name,
        "trade",
        status,
        side=side,
        quantity=quantity + left,
        leaves_quantity=left,
        last_quantity=quantity,
        last_price=price,
        fee=fee,
    )


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"symbol": "A", "fats": "3"}, "fats: MovingAverageCross has no such parameter"),
        ({"symbol": "A", "fast": "0"}, "fast: expected `int` >= 1"),
        ({"symbol": "A", "fast": "two"}, "fast: expected `int`, got `str`"),
        ({}, "symbol: required by"),
        ({"symbol": "no spaces"}, "symbol: expected `str` matching regex"),
    ],
)
def test_a_wrong_parameter_is_named_with_its_rule(given: dict[str, str], message: str) -> None:
    with pytest.raises(ParameterError) as raised:
        parameters(MovingAverageCross, given)
    assert message.lower() in str(raised.value).lower()


def test_what_data_has_only_one_of_need_not_be_named() -> None:
    assert with_symbol(MovingAverageCross, {"fast": "3"}, ["A"]) == {"symbol": "A", "fast": "3"}
    assert with_symbol(MovingAverageCross, {"symbol": "B"}, ["A"]) == {"symbol": "B"}
    assert with_symbol(MovingAverageCross, {}, ["A", "B"]) == {}
    assert with_symbol(catalog.find("pairs"), {}, ["A"]) == {}


def test_how_long_live_bars_are() -> None:
    for name, given in (("moving-average-cross", {"symbol": "A"}), ("pairs", {"first": "A", "second": "B"})):
        kind = catalog.find(name)
        assert kind(parameters(kind, given), desk()).bar_seconds == 60
        assert kind(parameters(kind, {**given, "bar_seconds": "5"}), desk()).bar_seconds == 5
    kind = catalog.find("imbalance")
    assert kind(parameters(kind, {"symbol": "A"}), desk()).bar_seconds == 60


def test_parameters_that_do_not_fit_together() -> None:
    wrong = parameters(MovingAverageCross, {"symbol": "AAPL", "fast": 5, "slow": 5})
    with pytest.raises(ParameterError, match="fast: must be less than slow"):
        Running(MovingAverageCross, wrong, account="demo", tag="t", instruments=UNITS, cash=Decimal(1))


def test_orders_go_onto_ticks_and_lots() -> None:
    one = desk()
    one.buy("AAPL", 10.7, limit_price=100.019)
    one.sell("AAPL", 3, limit_price=100.011)
    one.buy("BTCUSD", 0.0027)
    one.sell("AAPL", 1, order_type="stop", stop_price=95.004)
    limit, other, market, stop = one.taken()
    assert isinstance(limit, NewOrder)
    assert (limit.quantity, limit.limit_price, limit.time_in_force) == (Decimal(10), Decimal("100.01"), "gtc")
    assert (limit.client_order_id, limit.strategy, limit.account) == ("run-1", "mine", "demo")
    assert isinstance(other, NewOrder)
    assert other.limit_price == Decimal("100.02"), "a seller's limit is never below what was said"
    assert isinstance(market, NewOrder)
    assert (market.order_type, market.quantity, market.time_in_force) == ("market", Decimal("0.002"), "gtc")
    assert isinstance(stop, NewOrder)
    assert stop.stop_price == Decimal("95.00")
    assert [order.client_order_id for order in one.working("AAPL", "sell")] == ["run-2", "run-4"]
    for wrong in (lambda: one.buy("NONE", 1), lambda: one.buy("AAPL", 0.4), lambda: one.replace("x", quantity=1)):
        with pytest.raises(ValueError, match=r"NONE|0\.4|x is not"):
            wrong()


def test_the_desk_counts_what_it_holds_and_what_works() -> None:
    one = desk()
    name = one.buy("AAPL", 10, limit_price=100)
    assert one.pending("AAPL") == 10, "an order counts from the moment that it is sent"
    one.note(fill(name, "buy", 4, 100.0, left=6, fee=0.25))
    assert (one.position("AAPL"), one.pending("AAPL"), one.cash) == (4, 6, 9599.75)
    one.note(TradeUpdate("AAPL", 2, 101.0, 1))
    assert one.equity == 9599.75 + 404
    one.note(BookUpdate("AAPL", 3, ((101.0, 1),), ((101.01, 1),)))
    assert one.last_price("AAPL") == 101.005
    crossed = BookUpdate("AAPL", 4, ((2000.0, 5),), ((101.01, 1),), phase="opening_auction")
    one.note(crossed)
    assert (crossed.mid, one.last_price("AAPL")) == (None, 101.005), "an auction's market order is no price"
    one.note(fill(name, "buy", 6, 100.0))
    assert one.working() == []
    one.cancel(name)
    one.bracket("AAPL", "sell", 2, take_profit=90, stop_loss=110)
    *_, cancel, bracket = one.taken()
    assert isinstance(cancel, Cancel)
    assert isinstance(bracket, OrderList)
    assert [leg.side for leg in bracket.orders] == ["sell", "buy", "buy"]
    one.buy("AAPL", 1, limit_price=1)
    one.replace(one.working("AAPL", "buy")[0].client_order_id, limit_price=2)
    replace = one.taken()[-1]
    assert isinstance(replace, Replace)
    assert (replace.limit_price, replace.quantity) == (Decimal("2.00"), None)


@pytest.mark.parametrize(("fraction", "held", "expected"), [(1.0, 0, 99), (-1.0, 0, -99), (0.5, 10, 39), (0.0, 7, -7)])
def test_a_target_is_a_part_of_the_equity(fraction: float, held: int, expected: int) -> None:
    one = desk()
    if held:
        one.note(fill("x", "buy", held, 100.0))
    order = one.sized(Target(symbol="AAPL", fraction=fraction, client_order_id="t"), 10_100)
    assert order is not None
    assert int(order.quantity) * (1 if order.side == "buy" else -1) == expected
    assert one.sized(Target(symbol="BTCUSD", fraction=0.0, client_order_id="t"), 100) is None


def test_a_strategy_goes_on_from_what_it_saved() -> None:
    def fresh() -> Running:
        chosen = parameters(MovingAverageCross, {"symbol": "AAPL", "fast": 2, "slow": 5, "allow_short": True})
        return Running(MovingAverageCross, chosen, account="demo", tag="t", instruments=UNITS, cash=Decimal(10_000))

    prices = [100, 101, 99, 98, 103, 105, 104, 99, 95, 96, 101, 107, 108, 99, 90, 91, 99, 105]
    events = [Bar("AAPL", k, price, price + 1.0, price - 1.0, float(price), 1.0) for k, price in enumerate(prices)]
    whole = fresh()
    expected = [whole.deliver(event) for event in events]
    assert sum(map(len, expected)) > 3
    for cut in range(len(events)):
        before = fresh()
        sent = [before.deliver(event) for event in events[:cut]]
        after = fresh()
        after.restore(before.save())
        assert sent + [after.deliver(event) for event in events[cut:]] == expected
        assert after.save() == whole.save()


def test_strategies_are_found_by_name_and_by_file(tmp_path: Path) -> None:
    for name in catalog.SHIPPED:
        assert catalog.find(name).__doc__ is not None or catalog.module_text(name)
    (tmp_path / "two.py").write_text(
        "from streams.strategies.strategy import Strategy\nclass A(Strategy): ...\nclass B(Strategy): ...\n"
    )
    (tmp_path / "broken.py").write_text("1 / 0\n")
    assert catalog.find(f"{tmp_path}/two.py:B").__name__ == "B"
    for name, message in [
        (f"{tmp_path}/two.py", "name one"),
        (f"{tmp_path}/two.py:C", "has no strategy C"),
        (f"{tmp_path}/broken.py", "ZeroDivisionError"),
        (f"{tmp_path}/none.py", "no such file"),
        ("unknown", "no such strategy"),
    ]:
        with pytest.raises(catalog.NotFound, match=message):
            catalog.find(name)


def test_a_new_strategy_works_at_once(tmp_path: Path) -> None:
    strategy, test = scaffold.write("mean-reversion", tmp_path)
    assert catalog.find(str(strategy)).__name__ == "MeanReversion"
    run = subprocess.run(
        (sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(test)),
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    with pytest.raises(scaffold.ScaffoldError, match="is there already"):
        scaffold.write("mean-reversion", tmp_path)
    with pytest.raises(scaffold.ScaffoldError, match="small letters"):
        scaffold.write("../Up", tmp_path)
