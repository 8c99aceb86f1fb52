"""Measures backtests: bars beside other people's programs on the same rule in the same run, and events on the recorded
day and the synthetic stream. Times are the processor's, so that a busy machine changes the ratios little."""

from __future__ import annotations

import tempfile
import time
import warnings
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, TypeVar

import numpy as np

from engine.core import Core
from engine.words import ExecType, Liquidity, Side
from infra.bench import stream as streams_of
from infra.bench.figures import Figure, Result
from infra.bench.whole_core import INSTRUMENT, prepared_core, stream_commands
from streams.backtest import bars, exchange, levels, vectorized
from streams.backtest.bar_data import BarSeries
from streams.backtest.levels import LevelTape
from streams.backtest.market import LobsterMarket
from streams.backtest.seats import Entrant
from streams.feeds.lobster.reader import read
from streams.strategies.imbalance import Imbalance
from streams.strategies.instrument import Listed
from streams.strategies.moving_average_cross import MovingAverageCross
from streams.strategies.strategy import parameters

Found = TypeVar("Found")
DAY_NS: Final = 86_400 * 10**9
FAST: Final = 10
SLOW: Final = 30
GOOG: Final = "LOBSTER_SampleFile_GOOG_2012-06-21_10.zip"
TAPE_LEVELS: Final = 5
REPEATS: Final = 5


def timed(work: Callable[[], Found], times: int = 1) -> tuple[float, Found]:
    """(least processor seconds, what it gave)."""
    least = float("inf")
    for _ in range(times):
        started = time.process_time()
        found = work()
        least = min(least, time.process_time() - started)
    return least, found


def walk(count: int, seed: int) -> tuple[BarSeries, Listed]:
    """A random walk of daily bars."""
    rng = np.random.default_rng(seed)
    close = np.maximum(200_000 + rng.integers(-300, 301, count).cumsum(), 1000)
    opened = np.concatenate([[200_000], close[:-1]])
    high, low = np.maximum(opened, close) + 50, np.minimum(opened, close) - 50
    times = (np.arange(count, dtype=np.int64) + 1) * DAY_NS
    unit = Listed("WALK", Decimal("0.01"), Decimal(1))
    return BarSeries("WALK", times, opened, high, low, close, np.ones(count)), unit


def pandas_of(data: BarSeries) -> Any:
    import pandas as pd

    index = pd.date_range("1900-01-01", periods=data.rows, freq="h")
    columns = {name.title(): getattr(data, name) / 100 for name in ("open", "high", "low", "close")}
    return pd.DataFrame({**columns, "Volume": data.volume}, index=index)


def run_backtrader(frame: Any) -> int:
    """Fills of the rule with one unit. Raises ImportError where it is not installed."""
    import backtrader as bt

    class Cross(bt.Strategy):  # type: ignore[misc]
        def __init__(self) -> None:
            averages = (bt.ind.SMA(self.data.close, period=length) for length in (FAST, SLOW))
            self.cross = bt.ind.CrossOver(*averages)
            self.fills = 0

        def notify_order(self, order: Any) -> None:
            self.fills += order.status == order.Completed

        def next(self) -> None:
            if self.cross > 0:
                self.buy(size=1)
            elif self.cross < 0 and self.position:
                self.sell(size=1)

    cerebro = bt.Cerebro()
    cerebro.broker.setcash(1e6)
    cerebro.adddata(bt.feeds.PandasData(dataname=frame))
    cerebro.addstrategy(Cross)
    return int(cerebro.run()[0].fills)


def run_backtesting(frame: Any) -> int:
    """Round trips of the rule. Raises ImportError where it is not installed."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from backtesting import Backtest, Strategy
        from backtesting.lib import crossover

        class Cross(Strategy):  # type: ignore[misc]
            def init(self) -> None:
                self.fast, self.slow = (
                    self.I(lambda close, n: close.rolling(n).mean(), self.data.Close.s, length)
                    for length in (FAST, SLOW)
                )

            def next(self) -> None:
                if crossover(self.fast, self.slow):
                    self.buy(size=1)
                elif crossover(self.slow, self.fast):
                    self.position.close()

        return int(Backtest(frame, Cross, cash=1e6, commission=0, finalize_trades=True).run()["# Trades"])


def bar_figures(count: int, say: Callable[[str], None]) -> list[Figure]:
    data, unit = walk(count, 1)
    frame = pandas_of(data)
    units = {"WALK": unit}
    chosen = parameters(MovingAverageCross, {"symbol": "WALK", "fast": FAST, "slow": SLOW})
    plan = bars.Plan(cash=Decimal(1_000_000))
    say("bars, event by event")
    bars.run([data.part(0, 100)], units, [Entrant(MovingAverageCross, chosen, "warm")], plan)
    event_s, event = timed(
        lambda: bars.run([data], units, [Entrant(MovingAverageCross, chosen, "bench")], plan), REPEATS
    )

    def compiled() -> vectorized.Outcome:
        return vectorized.run(data, unit, vectorized.cross_targets(data.close, FAST, SLOW, 1, False))

    compiled()
    say("bars, vectorized")
    vector_s, vector = timed(lambda: [compiled() for _ in range(20)], REPEATS)
    vector_s /= 20
    figures = [
        Figure("bars: event-driven, Python strategy", count / event_s, "bars/s"),
        Figure("bars: vectorized", count / vector_s, "bars/s"),
        Figure("bars: both have the same fills", len(event.fills) == vector[0].fills),
    ]
    for name, other in (("backtrader", run_backtrader), ("backtesting", run_backtesting)):
        say(f"bars, {name}")
        try:
            other_s, found = timed(lambda other=other: other(frame), 1)  # type: ignore[misc]
        except ImportError:
            figures.append(Figure(f"bars: {name}", "not installed: make test installs it"))
            continue
        figures.append(Figure(f"bars: {name}", count / other_s, "bars/s"))
        figures.append(Figure(f"bars: event-driven by {name}", other_s / event_s, "×"))
        figures.append(Figure(f"bars: vectorized by {name}", other_s / vector_s, "×"))
        if name == "backtrader":
            figures.append(Figure(f"bars: {name} has as many fills", found == len(event.fills)))
    return figures


def level_figures(name: str, tape: LevelTape) -> list[Figure]:
    rule = np.array([0.6, 10.0, 50.0])

    def once() -> levels.Outcome:
        return levels.run(levels.imbalance_quotes, tape, rule, latency_ns=100_000)

    once()
    rounds = max(1, 2_000_000 // tape.rows)
    seconds, outcomes = timed(lambda: [once() for _ in range(rounds)], REPEATS)
    return [
        Figure(f"{name}: Numba strategy on levels", rounds * tape.rows / seconds, "events/s"),
        Figure(f"{name}: its orders", outcomes[0].sent),
        Figure(f"{name}: its fills", len(outcomes[0].fills)),
    ]


def day_figures(archive: Path, say: Callable[[str], None]) -> list[Figure]:
    """The recorded day: compiled on levels, and a Python strategy among the day's orders in the matcher."""
    say("the recorded day, on levels")
    day = read(archive, None)
    figures = level_figures("recorded day", levels.lobster_tape(day, "GOOG"))
    say("the recorded day, through the matcher")
    market = LobsterMarket(day, "GOOG")
    Core(max_orders=1000).compile()
    chosen = parameters(Imbalance, {"symbol": "GOOG", "quantity": 10, "max_position": 50})
    seconds, result = timed(lambda: exchange.run(market, [Entrant(Imbalance, chosen, "bench")], exchange.Plan()))
    return [
        *figures,
        Figure("recorded day: Python strategy, exact queue in the matcher", market.plan.rows / seconds, "messages/s"),
        Figure("recorded day: its fills in the matcher", len(result.fills)),
    ]


def synthetic_tape(folder: Path, operations: int, seed: int) -> LevelTape:
    """The bench stream's orders through the matcher: its book after every order, and its trades."""
    with tempfile.TemporaryDirectory() as to:
        stream = streams_of.make(folder, streams_of.BOOKS[0], operations, seed, Path(to))
    core, seq = prepared_core(stream.room)
    records = stream_commands(stream, seq + 1, by_order_id=False)
    core.apply(records[: stream.prefill])
    rows = len(records) - stream.prefill
    book = np.zeros((rows, 2, TAPE_LEVELS, 2), np.int64)
    trade = np.zeros((rows, 3), np.int64)
    for row in range(rows):
        reports = core.apply(records[stream.prefill + row : stream.prefill + row + 1]).reports
        taken = (reports["exec_type"] == int(ExecType.TRADE)) & (reports["liquidity"] == int(Liquidity.TAKER))
        if taken.any():
            last = reports[taken][-1]
            sign = 1 if last["side"] == int(Side.BUY) else -1
            trade[row] = last["last_price"], int(reports["last_quantity"][taken].sum()), sign
        for side, found in enumerate(core.depth(INSTRUMENT, TAPE_LEVELS)):
            book[row, side, : len(found)] = found[:, :2]
    return LevelTape((np.arange(rows, dtype=np.int64) + 1) * 10_000, book, trade)


def run(count: int, marketdata: Path, bench: Path, operations: int, seed: int, say: Callable[[str], None]) -> Result:
    figures = bar_figures(count, say)
    archive = marketdata / GOOG
    if archive.is_file():
        figures += day_figures(archive, say)
    else:
        figures.append(Figure("recorded day", f"{GOOG} is not in {marketdata}"))
    if (bench / streams_of.PROGRAM).is_file():
        say("the synthetic stream, on levels")
        figures += level_figures("synthetic stream", synthetic_tape(bench, operations, seed))
    else:
        figures.append(Figure("synthetic stream", f"{streams_of.PROGRAM} is not in {bench}"))
    sizes = {"bars": count, "rule": f"SMA {FAST}/{SLOW} cross, one unit", "synthetic orders": operations, "seed": seed}
    return Result("hft bench backtest (processor seconds, one thread)", sizes, figures)
