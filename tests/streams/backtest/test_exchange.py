"""Strategies' orders among those of a recorded market: their place in the queue, their latency, their fills and
fees."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from itertools import pairwise
from typing import Any, ClassVar

import pytest

from engine.messages import NewOrder
from streams.backtest import exchange
from streams.backtest.latency import Constant, Latency, Measured
from streams.backtest.market import LobsterMarket
from streams.backtest.seats import Endless, Entrant
from streams.feeds.lobster.reader import read
from streams.strategies.events import BookUpdate, OrderUpdate, Timer, TradeUpdate
from streams.strategies.imbalance import Imbalance
from streams.strategies.market_making import MarketMaking
from streams.strategies.strategy import Strategy, Symbol, parameters
from tests.streams.backtest.markets import MS, SYMBOL, CommandMarket, cancel, limit, random_market, take
from tests.streams.feeds.lobster_day import MARKETDATA


class Scripted(Strategy):
    """Acts on its n-th book, and keeps what it was told."""

    takes = ("book", "trade")
    script: ClassVar[dict[int, Callable[[Scripted], Any]]] = {}
    told: ClassVar[list[Any]] = []

    class Parameters(Strategy.Parameters):
        symbol: Symbol = SYMBOL

    class State(Strategy.State):
        books: int = 0

    def on_start(self) -> None:
        type(self).told = []

    def on_book(self, book: BookUpdate) -> None:
        self.told.append(book)
        action = self.script.get(self.state.books)
        self.state.books += 1
        if action is not None:
            action(self)

    def on_trade(self, trade: TradeUpdate) -> None:
        self.told.append(trade)

    def on_order(self, update: OrderUpdate) -> None:
        self.told.append(update)


def script(actions: dict[int, Callable[[Scripted], Any]]) -> type[Scripted]:
    return type("Script", (Scripted,), {"script": actions})


EAGER = exchange.Plan(book_ns=0, mark_ns=0)


def run(market: CommandMarket, kind: type[Strategy], plan: exchange.Plan = EAGER, **given: Any) -> exchange.Result:
    return exchange.run(market, [Entrant(kind, parameters(kind, given), "test")], plan)


def test_an_order_queues_behind_those_that_were_there() -> None:
    market = CommandMarket(
        [
            (1, limit("buy", 10, "100.00", "first")),
            (2, limit("sell", 50, "100.05")),
            (3, limit("buy", 7, "100.00", "second")),
            (5, take("sell", 8)),
            (6, take("sell", 4)),
            (7, take("sell", 20)),
        ]
    )
    join = script({1: lambda one: one.desk.buy(SYMBOL, 5, limit_price=100)})
    result = run(market, join)
    fills = result.fills.select("ts_ns", "quantity", "price", "liquidity").rows()
    assert fills == [(6 * MS, 2.0, 100.0, "maker"), (7 * MS, 3.0, 100.0, "maker")], "after 10, before the second's 7"
    assert result.fills["fee"].to_list() == [-0.004, -0.006]
    kinds = [(told.exec_type, told.order_status) for told in join.told if isinstance(told, OrderUpdate)]
    assert kinds == [("new", "new"), ("trade", "partially_filled"), ("trade", "filled")]


def test_those_who_leave_the_queue_make_way() -> None:
    market = CommandMarket(
        [
            (1, limit("buy", 10, "100.00", "first")),
            (2, limit("sell", 50, "100.05")),
            (5, cancel("first")),
            (6, take("sell", 3)),
        ]
    )
    join = script({1: lambda one: one.desk.buy(SYMBOL, 5, limit_price=100)})
    assert run(market, join).fills["quantity"].to_list() == [3.0]


@pytest.mark.parametrize(("order_ms", "expected"), [(1, [100.05]), (4, [100.07])])
def test_latency_decides_who_is_there_first(order_ms: int, expected: list[float]) -> None:
    market = CommandMarket(
        [
            (1, limit("buy", 10, "100.00")),
            (2, limit("sell", 5, "100.05")),
            (3, limit("sell", 50, "100.07")),
            (5, take("buy", 5)),
            (20, limit("buy", 1, "99.00")),
        ]
    )
    latency = Latency(Constant(MS // 10), Constant(order_ms * MS))
    buy = script({1: lambda one: one.desk.buy(SYMBOL, 5)})
    result = run(market, buy, EAGER._replace(latency=latency))
    assert result.fills["price"].to_list() == expected
    order = result.orders.row(0, named=True)
    assert order["arrived_ns"] - order["decided_ns"] == order_ms * MS
    assert order["decided_ns"] == 2 * MS + MS // 10


def test_a_large_order_walks_the_book_and_what_is_refused_is_told() -> None:
    market = CommandMarket(
        [
            (1, limit("buy", 10, "100.00")),
            (2, limit("sell", 5, "100.05")),
            (3, limit("sell", 5, "100.09")),
            (9, limit("sell", 5, "100.20")),
        ]
    )
    greedy = script({2: lambda one: (one.desk.buy(SYMBOL, 12), one.desk.buy(SYMBOL, 1, limit_price=5000))})
    result = run(market, greedy)
    assert result.fills.select("quantity", "price").rows() == [(5.0, 100.05), (5.0, 100.09)]
    assert result.orders["status"].to_list() == ["canceled", "rejected"]
    assert result.orders["reason"].to_list() == ["no_liquidity", "price_band"]
    assert [told.reason for told in greedy.told if isinstance(told, OrderUpdate)][-1] == "price_band"
    limited = run(
        market,
        script({2: lambda one: one.desk.buy(SYMBOL, 5)}),
        EAGER._replace(margin_multiple=Decimal(1), cash=Decimal(100)),
    )
    assert limited.orders["reason"].to_list() == ["buying_power"]


def test_what_happens_later_changes_nothing_before() -> None:
    market = random_market(5, 300)
    edge = 1500 * MS
    part = CommandMarket([one for one in market.commands if one[0] * MS <= edge])
    latency = Latency(Measured([100_000, 700_000, 2 * MS], seed=3), Measured([300_000, 900_000], seed=4))
    plan = exchange.Plan(latency=latency)
    given = {"symbol": SYMBOL, "threshold": 0.1, "max_position": 5}
    whole = run(market, Imbalance, plan, **given)
    latency = Latency(Measured([100_000, 700_000, 2 * MS], seed=3), Measured([300_000, 900_000], seed=4))
    before = run(part, Imbalance, exchange.Plan(latency=latency), **given)
    first, second = (
        result.orders.filter(result.orders["arrived_ns"] <= edge)
        .select("client_order_id", "side", "limit_price", "decided_ns")
        .rows()
        for result in (whole, before)
    )
    assert first == second
    assert len(first) > 10
    fills = [result.fills.filter(result.fills["ts_ns"] <= edge).rows() for result in (whole, before)]
    assert fills[0] == fills[1]
    assert len(fills[0]) > 3


def test_the_same_run_gives_the_same_result_and_its_books_add_up() -> None:
    given = {"symbol": SYMBOL, "max_position": 20, "quantity": 2, "arrival_decay": 100}
    results = [run(random_market(7, 300), MarketMaking, exchange.Plan(), **given) for _ in range(2)]
    one, other = results
    assert one.fills.equals(other.fills)
    assert one.equity.equals(other.equity)
    assert len(one.fills) > 20
    assert set(one.fills["liquidity"]) == {"maker"}, "its orders are post-only"
    assert one.fills["position"].abs().max() <= 20
    last = one.equity.tail(1).row(0, named=True)
    assert last["equity"] == pytest.approx(1_000_000 + last["realized_pnl"] + last["unrealized_pnl"] - last["fees"])
    filled = one.orders["filled_quantity"].sum()
    assert filled == one.fills["quantity"].sum()


def test_timers_come_at_their_times() -> None:
    class Clock(Scripted):
        @property
        def timer_seconds(self) -> float:
            return 0.1

        def on_timer(self, timer: Timer) -> None:
            self.told.append(timer)

    run(random_market(1, 100), Clock, exchange.Plan())
    times = [told.ts_ns for told in Clock.told if isinstance(told, Timer)]
    assert times == [10 * MS + 100 * MS * (k + 1) for k in range(len(times))]
    assert len(times) >= 9


def test_books_are_told_no_more_often_than_asked() -> None:
    quiet = script({})
    run(random_market(1, 100), quiet, exchange.Plan(book_ns=50 * MS))
    books = [told.ts_ns for told in quiet.told if isinstance(told, BookUpdate)]
    assert min(b - a for a, b in pairwise(books)) >= 50 * MS
    trades = [told for told in quiet.told if isinstance(told, TradeUpdate)]
    assert len(trades) > 60
    assert {type(told.price) for told in trades} == {float}


def test_a_strategy_that_answers_itself_without_end_is_stopped() -> None:
    class Echo(Scripted):
        def on_order(self, update: OrderUpdate) -> None:
            self.desk.buy(SYMBOL, 1, limit_price=50)

    market = CommandMarket([(1, limit("buy", 10, "100.00")), (2, limit("sell", 50, "100.05")), (3, take("sell", 1))])
    echo = type("Echo", (Echo,), {"script": {0: lambda one: one.desk.buy(SYMBOL, 1, limit_price=50)}})
    with pytest.raises(Endless, match="strategy test did more than 10,000 things at one moment"):
        run(market, echo)


def test_a_market_maker_does_not_chase_its_own_quotes() -> None:
    """Its quotes, better than the rest by more than a tick on one side, move the middle of the book that it sees."""
    market = CommandMarket(
        [
            (1, limit("buy", 18, "100.00")),
            (2, limit("sell", 200, "100.61")),
            (3, limit("buy", 5, "99.90")),
            (4, limit("sell", 5, "100.70")),
        ]
    )
    result = run(market, MarketMaking, symbol=SYMBOL, quantity=10, max_position=100, arrival_decay=20)
    assert result.orders["side"].to_list() == ["buy", "sell"], "one of each side, and they stay"
    assert result.orders["status"].to_list() == ["new", "new"]


def test_latencies_below_zero_are_refused() -> None:
    for wrong in (lambda: Constant(-1), lambda: Measured([]), lambda: Measured([5, -1])):
        with pytest.raises(ValueError, match="below 0"):
            wrong()


@pytest.mark.marketdata
def test_a_recorded_day_fills_no_more_than_it_traded() -> None:
    files = MARKETDATA / "lobster_aapl_999"
    if not files.exists():
        pytest.skip("../shared/marketdata/lobster_aapl_999 is not there")
    name = "AAPL_2012-06-21_34200000_57600000_{}_10.csv"
    market = LobsterMarket(read(files / name.format("message"), files / name.format("orderbook")), "AAPL")
    given = parameters(MarketMaking, {"symbol": "AAPL", "quantity": 10, "max_position": 100, "arrival_decay": 20})
    result = exchange.run(market, [Entrant(MarketMaking, given, "mm")], exchange.Plan(book_ns=0))
    assert len(result.fills) > 3
    traded = sum(int(one["quantity"]) for one in market.plan.instructions if one["time_in_force"] == 4)
    assert result.fills["quantity"].sum() <= traded


def test_order_types_reach_the_engine() -> None:
    market = random_market(2, 100)
    exits = script({3: lambda one: one.desk.bracket(SYMBOL, "buy", 3, take_profit=100.05, stop_loss=99.5)})
    result = run(market, exits, exchange.Plan())
    assert sorted(result.orders["order_type"]) == ["limit", "market", "stop"]
    assert result.fills["side"].to_list()[0] == "buy"
    assert isinstance(limit("buy", 1, "1"), NewOrder)
