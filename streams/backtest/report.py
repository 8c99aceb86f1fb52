"""A backtest in words, for the terminal; `hft report` draws it (`tear_sheet.py`)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

import numpy as np

from streams.analytics import wording
from streams.analytics.deflated_sharpe import deflated_sharpe, expected_maximum
from streams.backtest.result import Result
from streams.backtest.sweep import Fold, Trial, best

SHOWN: Final = 10
LIKELY: Final = 0.95


def text(result: Result) -> str:
    """Totals, and what was assumed."""
    start, end, found = result.starting_cash, result.final_equity, result.figures
    ratios = (found.sharpe, found.sortino, found.calmar)
    lines = [
        f"final equity   {end:,.2f} from {start:,.2f} ({100 * (end / start - 1):+.2f} %)",
        f"cash           {result.final_cash:,.2f}",
        f"a year         {wording.signed_percent(found.cagr)}, volatility {wording.percent(found.volatility)}",
        "ratios         Sharpe {}, Sortino {}, Calmar {}".format(*map(wording.number, ratios)),
        f"               {found.returns:,} returns of {wording.period(found.step_s)}, "
        f"scaled with {found.periods_per_year:,.0f} a year",
        f"drawdown       {wording.percent(found.max_drawdown)} at most, for {wording.duration(found.max_drawdown_s)}",
        f"tail           5 % of the returns are below {wording.percent(found.value_at_risk, 3)}, "
        f"{wording.percent(found.conditional_value_at_risk, 3)} in the mean",
        f"exposure       {wording.percent(found.mean_exposure, 1)} of equity in the mean, "
        f"{wording.percent(found.max_exposure, 1)} at most, {wording.percent(found.time_in_market, 1)} of the time",
        f"orders         {len(result.orders):,}, fills {len(result.fills):,}, "
        f"round trips {len(result.trades):,} ({found.open_round_trips} open)",
        f"trips          {wording.percent(found.hit_rate, 1)} won, "
        f"profit factor {wording.number(found.profit_factor)}, {wording.signed(found.expectancy)} in the mean, "
        f"held for {wording.duration(found.average_holding_s)}",
        f"traded         {found.traded:,.2f}, a year {wording.number(found.turnover, 1)} × equity",
        f"costs          fees {found.fees:,.2f}, slippage {wording.basis_points(found.slippage_bps)} "
        f"({wording.signed(found.slippage)})",
        f"events         {result.events:,} in {result.seconds:.2f} s",
    ]
    if result.held_back:
        lines.append(f"held back      {result.held_back:,} orders of the warm-up, none of them sent")
    refused = result.orders.filter(result.orders["status"] == "rejected")
    if len(refused):
        reasons = ", ".join(f"{row[0]} {row[1]}" for row in refused["reason"].value_counts().sort("reason").rows())
        lines.append(f"refused        {len(refused):,} orders: {reasons}")
    for title, shares in (("symbol", found.by_symbol), ("strategy", found.by_strategy)):
        if len(shares) > 1:
            lines.append(f"by {title}")
            lines += [f"  {one.name:12} {one.net_pnl:+14,.2f}  after fees, {one.fills:,} fills" for one in shares]
    lines += ["assumed", *(f"  {name:12} {value}" for name, value in result.assumptions.items())]
    return "\n".join(lines)


def sweep_text(trials: Sequence[Trial], tried: int) -> str:
    """The best variants, and how much of the best one's Sharpe ratio the number of trials explains."""
    ranked = sorted(trials, key=lambda one: -math.inf if math.isnan(one.sharpe) else one.sharpe, reverse=True)
    lines = [f"{len(trials):,} of {tried:,} variants could run", ""]
    lines.append(f"{'Sharpe, a step':>14} {'final equity':>14} {'drawdown':>9} {'trips':>6}  parameters")
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
