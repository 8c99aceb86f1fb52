"""Fill rules on bars, one case after the other; and that the future is out of a strategy's reach."""

from __future__ import annotations

import gc
from collections.abc import Callable
from decimal import Decimal
from types import FunctionType, ModuleType
from typing import Any, ClassVar

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.backtest import bars
from streams.backtest.bar_rules import Rules
from streams.backtest.fees import Fees
from streams.backtest.result import load
from streams.backtest.seats import Endless, Entrant
from streams.strategies.events import Bar, OrderUpdate
from streams.strategies.moving_average_cross import MovingAverageCross
from streams.strategies.strategy import ParameterError, Strategy, Symbol, parameters
from tests.streams.backtest.bar_tables import DAY_NS, flat, random_walk, run, run_series, table


class Scripted(Strategy):
    """Does what a test says on each bar, and keeps what it was told."""

    script: ClassVar[dict[int, Callable[[Scripted], Any]]] = {}
    told: ClassVar[list[OrderUpdate]] = []

    class Parameters(Strategy.Parameters):
        symbol: Symbol = "TEST"

    class State(Strategy.State):
        bars: int = 0

    def on_start(self) -> None:
        type(self).told = []

    def on_bar(self, bar: Bar) -> None:
        action = self.script.get(self.state.bars)
        self.state.bars += 1
        if action is not None:
            action(self)

    def on_order(self, update: OrderUpdate) -> None:
        self.told.append(update)


def script(actions: dict[int, Callable[[Scripted], Any]]) -> type[Scripted]:
    return type("Script", (Scripted,), {"script": actions})


Row = tuple[float, float, float, float]
QUIET: Row = (100, 101, 99, 100)


def fill_of(next_bar: Row, rules: Rules = Rules(), **terms: Any) -> list[tuple[str, float]]:  # noqa: B008
    """Side and price of what an order that was sent on a quiet bar did on the next one."""
    side = terms.pop("side", "buy")

    def send(one: Scripted) -> None:
        getattr(one.desk, side)("TEST", 10, **terms)

    result = run(script({0: send}), table([QUIET, next_bar, (next_bar[3],) * 4]), bars.Plan(rules=rules))
    return result.fills.filter(result.fills["ts_ns"] == 2 * DAY_NS).select("side", "price").rows()


CASES: list[tuple[str, Row, dict[str, Any], list[tuple[str, float]]]] = [
    ("a market order fills at the next open", (103, 105, 102, 104), {}, [("buy", 103)]),
    ("a limit fills at the open where that is better", (95, 99, 94, 98), {"limit_price": 97}, [("buy", 95)]),
    ("a limit fills at its price when it is traded through", (99, 100, 96, 98), {"limit_price": 97}, [("buy", 97)]),
    ("a limit that is only touched does not fill", (99, 100, 97, 98), {"limit_price": 97}, []),
    ("a sell limit fills above", (101, 105, 100, 104), {"side": "sell", "limit_price": 104}, [("sell", 104)]),
    ("a stop fills at its price", (101, 105, 100, 104), {"order_type": "stop", "stop_price": 103}, [("buy", 103)]),
    (
        "a stop fills at an open beyond it",
        (106, 107, 105, 106),
        {"order_type": "stop", "stop_price": 103},
        [("buy", 106)],
    ),
    ("a stop that is not reached waits", (101, 102, 100, 101), {"order_type": "stop", "stop_price": 103}, []),
    (
        "a stop limit set off inside the bar fills where its limit takes the stop price",
        (101, 105, 100, 104),
        {"order_type": "stop_limit", "stop_price": 103, "limit_price": 103.5},
        [("buy", 103)],
    ),
    (
        "a stop limit beyond its limit waits",
        (106, 107, 105, 106),
        {"order_type": "stop_limit", "stop_price": 103, "limit_price": 104},
        [],
    ),
    (
        "a trailing stop stands at its distance from the last close",
        (100, 100, 96, 97),
        {"side": "sell", "order_type": "trailing_stop", "trail_amount": 3},
        [("sell", 97)],
    ),
    (
        "a market order that is ioc is gone after one bar",
        (103, 105, 102, 104),
        {"time_in_force": "fok"},
        [("buy", 103)],
    ),
]


@pytest.mark.parametrize(("name", "bar", "terms", "expected"), CASES, ids=[case[0] for case in CASES])
def test_a_fill(name: str, bar: Row, terms: dict[str, Any], expected: list[tuple[str, float]]) -> None:
    assert fill_of(bar, **dict(terms)) == expected


def test_slippage_goes_to_the_worse_and_not_beyond_the_bar() -> None:
    assert fill_of((103, 105, 102, 104), Rules(slippage_ticks=50)) == [("buy", 103.5)]
    assert fill_of((103, 103.2, 102, 103), Rules(slippage_ticks=50)) == [("buy", 103.2)]
    assert fill_of((99, 100, 97, 98), Rules(touch=True), limit_price=97) == [("buy", 97)]


def test_volume_limits_what_a_bar_fills() -> None:
    rules = Rules(participation=0.1, limit_volume=True)
    for terms, filled, status in (
        ({"limit_price": 1000}, [4, 4, 2], "filled"),
        ({"limit_price": 1000, "time_in_force": "ioc"}, [4], "canceled"),
        ({}, [4], "canceled"),  # at the market what is left is canceled, as on the exchange
    ):
        big = script({0: lambda one, terms=terms: one.desk.buy("TEST", 10, **terms)})
        result = run(big, table([QUIET] * 5, volume=40), bars.Plan(rules=rules))
        assert (result.fills["quantity"].to_list(), result.orders["status"].to_list()) == (filled, [status])


@pytest.mark.parametrize(
    ("bar", "expected"),
    [
        ((100, 106, 94, 100), 95.0),  # both are reached: the stop-loss was first
        ((100, 106, 99, 105), 105.0),
        ((100, 101, 94, 95), 95.0),
    ],
)
def test_a_bracket_takes_the_worse_exit(bar: Row, expected: float) -> None:
    enter = script({0: lambda one: one.desk.bracket("TEST", "buy", 10, take_profit=105, stop_loss=95)})
    result = run(enter, table([QUIET, QUIET, bar, QUIET]))
    assert result.fills["price"].to_list() == [100.0, expected]
    assert sorted(result.orders["status"]) == ["canceled", "filled", "filled"]
    assert not result.trades["is_open"].any()


def test_an_exit_of_an_entry_inside_a_bar_waits_for_the_next_bar() -> None:
    enter = script({0: lambda one: one.desk.bracket("TEST", "buy", 10, take_profit=105, stop_loss=95, limit_price=98)})
    result = run(enter, table([QUIET, (100, 110, 90, 100), (100, 101, 99, 100), (94, 94, 94, 94)]))
    assert result.fills.select("ts_ns", "price").rows() == [(2 * DAY_NS, 98.0), (4 * DAY_NS, 94.0)]


def test_day_orders_end_with_their_day_and_cancels_are_told() -> None:
    orders = script(
        {
            0: lambda one: one.desk.buy("TEST", 1, limit_price=50, time_in_force="day"),
            1: lambda one: one.desk.buy("TEST", 1, limit_price=60),
            2: lambda one: one.desk.cancel_all(),
        }
    )
    result = run(orders, flat([100.0] * 5))
    assert result.orders["status"].to_list() == ["expired", "canceled"]
    kinds = [(update.client_order_id, update.exec_type) for update in orders.told]
    assert kinds == [("test-1", "new"), ("test-1", "expired"), ("test-2", "new"), ("test-2", "canceled")]


def test_what_cannot_be_taken_is_refused_with_a_reason() -> None:
    odd = script({0: lambda one: one.desk.buy("TEST", 1, order_type="stop"), 1: lambda one: one.desk.cancel("nobody")})
    run(odd, flat([100.0] * 3))
    assert [update.reason for update in odd.told] == ["missing_field", "unknown_order"]
    poor = script({0: lambda one: one.desk.buy("TEST", 101)})
    result = run(poor, flat([100.0] * 3), bars.Plan(margin_multiple=Decimal(1)))
    assert result.orders["reason"].to_list() == ["buying_power"]
    assert result.final_equity == 10_000


def test_fees_are_paid_out_of_cash() -> None:
    there_and_back = script({0: lambda one: one.desk.buy("TEST", 10), 1: lambda one: one.desk.sell("TEST", 10)})
    fees = Fees(0, 1000, per_unit=Decimal("0.01"), minimum=Decimal("1.50"))
    result = run(there_and_back, flat([100.0, 100.0, 101.0, 101.0]), bars.Plan(fees=fees))
    assert result.fills["fee"].to_list() == [1.5, 1.5]
    assert result.final_equity == 10_000 + 10 - 3
    assert result.trades["pnl"].to_list() == [7.0]
    assert result.equity.tail(1).select("equity", "realized_pnl", "fees", "gross_exposure").row(0) == (10_007, 10, 3, 0)


def test_warming_up_sends_nothing_and_says_so() -> None:
    class Slow(Scripted):
        script: ClassVar = {k: lambda one: one.desk.buy("TEST", 1) for k in range(4)}

        @property
        def warm_up(self) -> int:
            return 2

    result = run(Slow, flat([100.0] * 5))
    assert (len(result.orders), result.held_back) == (2, 2)


def test_a_strategy_without_end_is_stopped() -> None:
    class Echo(Scripted):
        def on_bar(self, bar: Bar) -> None:
            self.desk.cancel("x")

        def on_order(self, update: OrderUpdate) -> None:
            self.desk.cancel("x")

    with pytest.raises(Endless, match="answers what its own orders do without end"):
        run(Echo, flat([100.0] * 2))


def test_several_strategies_and_symbols_share_an_account() -> None:
    data = [random_walk(1, 200, "ONE"), random_walk(2, 150, "TWO")]
    units = {unit.symbol: unit for _, unit in data}
    entrants = [
        Entrant(
            MovingAverageCross,
            parameters(MovingAverageCross, {"symbol": symbol, "fast": fast, "slow": 10, "allow_short": True}),
            f"{symbol}-{fast}",
        )
        for symbol in ("ONE", "TWO")
        for fast in (2, 5)
    ]
    together = bars.run([one for one, _ in data], units, entrants, bars.Plan())
    alone = [bars.run([one for one, _ in data], units, [entrant], bars.Plan()) for entrant in entrants]
    for entrant, single in zip(entrants, alone, strict=True):
        mine = together.fills.filter(together.fills["strategy"] == entrant.name)
        assert mine.rows() == single.fills.rows()
        assert len(mine) > 5
    gain = sum(single.final_equity - 10_000 for single in alone)
    assert together.final_equity == pytest.approx(10_000 + gain, abs=1e-9)
    last = together.equity.tail(1).row(0, named=True)
    assert last["equity"] == pytest.approx(10_000 + last["realized_pnl"] + last["unrealized_pnl"] - last["fees"])
    assert together.trades["pnl"].sum() == pytest.approx(gain, abs=1e-6)


# ------------------------------------------------------------------------------------------------------- the future


@given(seed=st.integers(0, 10_000), cut=st.integers(20, 80))
def test_bars_after_a_moment_change_nothing_before_it(seed: int, cut: int) -> None:
    one, unit = random_walk(seed, 100)
    other, _ = random_walk(seed + 1, 100)
    prices = ("open", "high", "low", "close")
    mixed = one._replace(
        **{name: np.concatenate([getattr(one, name)[:cut], getattr(other, name)[cut:]]) for name in prices}
    )
    results = [
        run_series(MovingAverageCross, [(data, unit)], symbol="TEST", fast=2, slow=6, allow_short=True)
        for data in (one, mixed)
    ]
    edge = int(one.ts_ns[cut - 1])
    first, second = (
        result.orders.filter(result.orders["decided_ns"] <= edge).select("client_order_id", "side", "decided_ns").rows()
        for result in results
    )
    assert first == second
    fills = [result.fills.filter(result.fills["ts_ns"] <= edge).rows() for result in results]
    assert fills[0] == fills[1]


def reachable(start: object) -> list[object]:
    """Everything that can be got at from an object, without what belongs to the program itself."""
    seen: dict[int, object] = {}
    waiting = [start]
    while waiting:
        thing = waiting.pop()
        if id(thing) in seen or isinstance(thing, ModuleType | type | FunctionType):
            continue
        seen[id(thing)] = thing
        waiting += gc.get_referents(thing)
    return list(seen.values())


def test_the_future_is_not_reachable_from_a_strategy() -> None:
    """The price of a bar to come is a number that no other bar has: it is nowhere in what the strategy can get at."""
    secret, ticks = 7777.77, (777_777, 2 * 777_777)
    found: list[bool] = []

    class Spy(Scripted):
        def on_bar(self, bar: Bar) -> None:
            numbers = [thing for thing in reachable([self, bar]) if isinstance(thing, int | float)]
            found.append(any(number == secret or number in ticks for number in numbers))

    run(Spy, flat([100.0, 100.0, secret, 100.0]))
    assert found[:2] == [False, False], "two bars before it happens, and one"
    assert found[2], "once it has happened it is found: the search can find it"


# ---------------------------------------------------------------------------------------------------------- around


def test_a_result_is_read_back_as_it_was_saved(tmp_path: Any) -> None:
    result = run_series(MovingAverageCross, [random_walk(3, 80)], symbol="TEST", fast=2, slow=6)
    result.save(tmp_path / "result")
    again = load(tmp_path / "result")
    assert again == again
    for name in ("equity", "orders", "fills", "trades"):
        assert getattr(again, name).equals(getattr(result, name))
    assert (again.assumptions, again.strategies, again.final_equity) == (
        result.assumptions,
        result.strategies,
        result.final_equity,
    )


def test_a_symbol_without_data_is_named() -> None:
    with pytest.raises(ParameterError, match="there is no instrument OTHER"):
        run_series(MovingAverageCross, [random_walk(3, 80)], symbol="OTHER")
