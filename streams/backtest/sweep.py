"""Many variants of one strategy, in parallel processes; and split by time, so that what is chosen on one part of the
data is judged on the next."""

from __future__ import annotations

import itertools
import math
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from typing import Any, Final, NamedTuple, Protocol

import numpy as np
import polars as pl

from streams.analytics import returns
from streams.analytics.curve import returns_of
from streams.analytics.drawdown import max_drawdown
from streams.analytics.figures import curve_of
from streams.backtest import bars
from streams.backtest.bar_data import BarSeries
from streams.backtest.bars import Plan
from streams.backtest.result import Result
from streams.backtest.seats import Entrant
from streams.strategies import catalog
from streams.strategies.instrument import Listed
from streams.strategies.strategy import ParameterError, parameters

MOST_TRIALS: Final = 1_000_000
RANGE_PARTS: Final = (2, 3)


class Task(Protocol):
    """What every variant shares; sent to the processes once."""

    def result(self, given: Mapping[str, Any]) -> Result:
        """Runs one. Raises `ParameterError` where its parameters break a rule."""


class Job(NamedTuple):
    """A `Task` on bars."""

    strategy: str
    """As `catalog.find` takes it."""
    fixed: dict[str, Any]
    data: Sequence[BarSeries]
    instruments: Mapping[str, Listed]
    plan: Plan

    def result(self, given: Mapping[str, Any]) -> Result:
        kind = catalog.find(self.strategy)
        chosen = parameters(kind, {**self.fixed, **given})
        return bars.run(self.data, self.instruments, [Entrant(kind, chosen, "sweep")], self.plan)


class Trial(NamedTuple):
    """One variant and what it came to."""

    parameters: dict[str, Any]
    final_equity: float
    sharpe: float
    """Of one bar's returns, not annualized: the form that the deflated Sharpe ratio is about. NaN without a spread."""
    skewness: float
    kurtosis: float
    """3 for a normal distribution."""
    returns: int
    """How many returns these are figures of."""
    max_drawdown: float
    """As a part of the peak."""
    trades: int


def grid(texts: Sequence[str]) -> list[dict[str, str]]:
    """Every combination of `name=a,b,c` and `name=first:last:step` (both ends included).

    Raises:
        ParameterError: a text is neither.
    """
    axes: list[tuple[str, list[str]]] = []
    for text in texts:
        name, equals, values = text.partition("=")
        if not equals or not values:
            raise ParameterError(f"--sweep {text}: write name=a,b,c or name=first:last:step")
        axes.append((name, _values(text, values)))
    if math.prod(len(values) for _, values in axes) > MOST_TRIALS:
        raise ParameterError(f"--sweep: more than {MOST_TRIALS:,} variants")
    return [dict(zip([name for name, _ in axes], row, strict=True)) for row in itertools.product(*(v for _, v in axes))]


def _values(text: str, values: str) -> list[str]:
    if ":" not in values:
        return values.split(",")
    parts = values.split(":")
    try:
        if len(parts) not in RANGE_PARTS:
            raise ValueError
        first, last = float(parts[0]), float(parts[1])
        step = float(parts[2]) if len(parts) == max(RANGE_PARTS) else 1.0
        if step <= 0 or last < first:
            raise ValueError
    except ValueError:
        raise ParameterError(f"--sweep {text}: a range is first:last:step, rising") from None
    count = int((last - first) / step + 1e-9) + 1
    return [f"{first + k * step:.12g}" for k in range(count)]


# ------------------------------------------------------------------------------------------------------ one variant


def judged(given: Mapping[str, Any], result: Result) -> Trial:
    growth = curve_of(result.equity, result.starting_cash).growth
    rates = returns_of(growth)
    return Trial(
        parameters=dict(given),
        final_equity=result.final_equity,
        sharpe=returns.sharpe(rates, 1),
        skewness=returns.skewness(rates),
        kurtosis=returns.kurtosis(rates),
        returns=len(rates),
        max_drawdown=max_drawdown(growth) if len(growth) else 0.0,
        trades=len(result.trades),
    )


_job: Task | None = None


def _begin(job: Task) -> None:
    global _job
    _job = job


def _run(numbered: tuple[int, dict[str, Any]]) -> tuple[int, Trial | None]:
    """None where the parameters do not fit together, as with fast ≥ slow."""
    assert _job is not None
    number, given = numbered
    try:
        return number, judged(given, _job.result(given))
    except ParameterError:
        return number, None


def run(
    job: Task,
    variants: Sequence[dict[str, Any]],
    *,
    processes: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> list[Trial]:
    """The trials of all variants whose parameters fit together, in the order given.

    Raises:
        ParameterError: none of them does; the first one's reason.
    """
    workers = min(processes or os.cpu_count() or 1, len(variants))
    found: list[Trial | None] = [None] * len(variants)
    if workers <= 1:
        _begin(job)
        outcomes: Iterator[tuple[int, Trial | None]] = map(_run, enumerate(variants))
        _collect(outcomes, found, progress)
    else:
        # Not forked: a copy of threads that hold locks may hang.
        with ProcessPoolExecutor(workers, get_context("spawn"), _begin, (job,)) as pool:
            futures = [pool.submit(_run, numbered) for numbered in enumerate(variants)]
            _collect((future.result() for future in as_completed(futures)), found, progress)
    trials = [trial for trial in found if trial is not None]
    if not trials:
        job.result(variants[0])  # raises the reason
    return trials


def _collect(
    outcomes: Iterator[tuple[int, Trial | None]],
    found: list[Trial | None],
    progress: Callable[[int, int], None] | None,
) -> None:
    for done, (number, trial) in enumerate(outcomes, 1):
        found[number] = trial
        if progress is not None:
            progress(done, len(found))


def best(trials: Sequence[Trial]) -> Trial:
    """By Sharpe ratio, the first of equals; one without any comes last."""
    return max(trials, key=lambda trial: -math.inf if math.isnan(trial.sharpe) else trial.sharpe)


def table(trials: Sequence[Trial]) -> pl.DataFrame:
    """One row a trial, the best first."""
    rows = [
        {
            **{name: str(value) for name, value in trial.parameters.items()},
            "final_equity": trial.final_equity,
            "sharpe": trial.sharpe,
            "max_drawdown": trial.max_drawdown,
            "trades": trial.trades,
        }
        for trial in trials
    ]
    return pl.DataFrame(rows).sort(pl.col("sharpe").fill_nan(-math.inf), descending=True, maintain_order=True)


# ------------------------------------------------------------------------------------------------------ by time


class Fold(NamedTuple):
    """One step of a walk forward: chosen on the bars before `split_ns`, judged on those from there to `end_ns`."""

    start_ns: int
    split_ns: int
    end_ns: int
    chosen: dict[str, Any]
    trained: Trial
    tested: Trial
    starting_cash: float


def splits(data: Sequence[BarSeries], folds: int) -> list[tuple[int, int, int]]:
    """(start, split, end) of each fold in nanoseconds: the time is cut into folds + 1 equal parts, and fold k trains on
    all of the first k and is tested on the next, so that no bar is judged by what was chosen on it or after it.

    Raises:
        ParameterError: a part would have no bar.
    """
    times = np.unique(np.concatenate([one.ts_ns for one in data]))
    if folds < 1 or len(times) < 2 * (folds + 1):
        raise ParameterError(f"walk-forward: {len(times)} bars are too few for {folds} folds")
    edges = [int(times[len(times) * k // (folds + 1)]) for k in range(folds + 1)]
    edges.append(int(times[-1]) + 1)
    return [(edges[0], edges[k], edges[k + 1]) for k in range(1, folds + 1)]


def between(data: Sequence[BarSeries], start_ns: int, end_ns: int) -> list[BarSeries]:
    """The bars that end in [start, end)."""
    return [
        one.part(int(np.searchsorted(one.ts_ns, start_ns)), int(np.searchsorted(one.ts_ns, end_ns))) for one in data
    ]


def walk_forward(
    job: Job,
    variants: Sequence[dict[str, Any]],
    folds: int,
    *,
    processes: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> list[Fold]:
    """For each fold the best variant of the past, on the future. The test begins with averages that are not warm."""
    found = []
    total = folds * len(variants)
    for number, (start_ns, split_ns, end_ns) in enumerate(splits(job.data, folds)):
        done = number * len(variants)

        def tell(step: int, _: int, done: int = done) -> None:
            if progress is not None:
                progress(done + step, total)

        past = job._replace(data=between(job.data, start_ns, split_ns))
        trained = best(run(past, variants, processes=processes, progress=tell))
        future = job._replace(data=between(job.data, split_ns, end_ns))
        tested = judged(trained.parameters, future.result(trained.parameters))
        cash = float(job.plan.cash)
        found.append(Fold(start_ns, split_ns, end_ns, trained.parameters, trained, tested, cash))
    return found
