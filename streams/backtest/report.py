"""A backtest in words, for the terminal; the tear sheet with charts is another program's."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

import numpy as np

from streams.analytics.deflated_sharpe import deflated_sharpe, expected_maximum
from streams.backtest.result import Result
from streams.backtest.sweep import Fold, Trial, best

SHOWN: Final = 10
LIKELY: Final = 0.95


def text(result: Result) -> str:
    """Totals, and what was assumed."""
    start, end = result.starting_cash, result.final_equity
    lines = [
        f"final equity   {end:,.2f} from {start:,.2f} ({100 * (end / start - 1):+.2f} %)",
        f"cash           {result.final_cash:,.2f}",
        f"drawdown       {100 * drawdown(result):.2f} % at most",
        f"orders         {len(result.orders):,}, fills {len(result.fills):,}, "
        f"round trips {len(result.trades):,} ({int(result.trades['is_open'].sum())} open)",
        f"fees           {float(result.fills['fee'].sum()):,.2f}",
        f"events         {result.events:,} in {result.seconds:.2f} s",
    ]
    if result.held_back:
        lines.append(f"held back      {result.held_back:,} orders of the warm-up, none of them sent")
    refused = result.orders.filter(result.orders["status"] == "rejected")
    if len(refused):
        reasons = ", ".join(f"{row[0]} {row[1]}" for row in refused["reason"].value_counts().sort("reason").rows())
        lines.append(f"refused        {len(refused):,} orders: {reasons}")
    lines += ["assumed", *(f"  {name:12} {value}" for name, value in result.assumptions.items())]
    return "\n".join(lines)


def drawdown(result: Result) -> float:
    """The largest fall from a peak, as a part of it, of all accounts together."""
    if result.equity.is_empty():
        return 0.0
    wide = result.equity.pivot(on="account", index="ts_ns", values="equity").sort("ts_ns").drop("ts_ns")
    equity = wide.fill_null(strategy="forward").sum_horizontal().to_numpy()
    peak = np.maximum.accumulate(np.maximum(equity, result.starting_cash))
    return float(((peak - equity) / peak).max())


def sweep_text(trials: Sequence[Trial], tried: int) -> str:
    """The best variants, and how much of the best one's Sharpe ratio the number of trials explains."""
    ranked = sorted(trials, key=lambda one: -math.inf if math.isnan(one.sharpe) else one.sharpe, reverse=True)
    lines = [f"{len(trials):,} of {tried:,} variants could run", ""]
    lines.append(f"{'Sharpe, a bar':>14} {'final equity':>14} {'drawdown':>9} {'trips':>6}  parameters")
    lines += [trial_line(one) for one in ranked[:SHOWN]]
    return "\n".join([*lines, "", warning(trials)])


def trial_line(one: Trial) -> str:
    chosen = " ".join(f"{name}={value}" for name, value in one.parameters.items())
    return f"{one.sharpe:14.4f} {one.final_equity:14,.2f} {100 * one.max_drawdown:8.2f}% {one.trades:6}  {chosen}"


def warning(trials: Sequence[Trial]) -> str:
    """The best of many trials looks good by luck: the deflated Sharpe ratio says by how much."""
    ratios = np.array([one.sharpe for one in trials if not math.isnan(one.sharpe)])
    chosen = best(trials)
    if len(ratios) < 2:
        return f"{len(trials):,} trial: nothing was chosen among several"
    variance = float(ratios.var(ddof=1))
    luck = expected_maximum(len(ratios), variance)
    likely = deflated_sharpe(
        chosen.sharpe,
        trials=len(ratios),
        variance=variance,
        returns=chosen.returns,
        skewness=chosen.skewness,
        kurtosis=chosen.kurtosis,
    )
    verdict = "it is hardly luck alone" if likely >= LIKELY else "it may well be luck"
    return (
        f"warning: the best of {len(ratios):,} trials. Worthless ones would show {luck:.4f} at best; "
        f"the probability that this one's true Sharpe ratio is above 0 is {likely:.1%} (deflated Sharpe): {verdict}"
    )


def fold_text(folds: Sequence[Fold], variants: int) -> str:
    """What was chosen in each fold and what it came to on the data after it."""
    lines = [f"{len(folds)} folds, the best of {variants:,} variants in each", ""]
    lines.append(f"{'tested from':>11} {'to':>11} {'Sharpe before':>14} {'and after':>10} {'return after':>13}  chosen")
    growth = 1.0
    for fold in folds:
        chosen = " ".join(f"{name}={value}" for name, value in fold.chosen.items())
        change = fold.tested.final_equity / fold.starting_cash - 1
        growth *= 1 + change
        lines.append(
            f"{_day(fold.split_ns):>11} {_day(fold.end_ns):>11} {fold.trained.sharpe:14.4f} {fold.tested.sharpe:10.4f} "
            f"{100 * change:12.2f}%  {chosen}"
        )
    return "\n".join([*lines, "", f"out of sample together: {100 * (growth - 1):+.2f} %"])


def _day(ts_ns: int) -> str:
    return datetime.fromtimestamp(ts_ns / 1e9, UTC).date().isoformat()
