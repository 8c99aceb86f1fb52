"""All figures of a backtest or of a live account at once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np
import polars as pl
from msgspec import Struct

from streams.analytics import activity, execution, returns, round_trips
from streams.analytics.attribution import Share, attribution, defined
from streams.analytics.curve import LEAST, SECOND_NS, YEAR_S, Curve, curve, sampled
from streams.analytics.deflated_sharpe import probabilistic_sharpe
from streams.analytics.drawdown import drawdowns
from streams.analytics.execution import Markout, Prices

SHORTEST_S: Final = 28 * 86_400
"""Of less than that no growth of a year is told."""


class EquityFigures(Struct, kw_only=True, frozen=True):
    """Figures of the course of equity alone. None: not defined, as a ratio whose divisor is 0."""

    start_ns: int | None
    end_ns: int | None
    starting_equity: float
    final_equity: float
    deposits: float
    """Paid in less paid out meanwhile: neither gain nor loss."""
    net_profit: float
    """final - starting equity - deposits."""
    total_return: float | None
    """Growth of what was there at each moment (time-weighted), as a part: 0.1 is 10 %."""
    cagr: float | None
    """Growth of a year. None of less than four weeks."""
    volatility: float | None
    """This and the ratios are not told of fewer than ten returns."""
    sharpe: float | None
    sharpe_probability: float | None
    """That the true Sharpe ratio is above 0 (Bailey and López de Prado)."""
    sortino: float | None
    calmar: float | None
    max_drawdown: float | None
    """Largest fall from a peak, as a part of it, at full resolution."""
    max_drawdown_s: float | None
    """How long it was until that peak was reached again, or to the end."""
    max_drawdown_peak_ns: int | None
    max_drawdown_trough_ns: int | None
    longest_drawdown_s: float | None
    value_at_risk: float | None
    """Return of a period that 5 % of them are below."""
    conditional_value_at_risk: float | None
    """Mean of those 5 %."""
    skewness: float | None
    kurtosis: float | None
    best: float | None
    worst: float | None
    """Returns of one period."""
    step_s: float
    """Length of a period."""
    periods_per_year: float
    """That figures are scaled to a year with."""
    returns: int
    """How many periods there are."""
    mean_exposure: float | None
    """Value of all positions over equity, in the mean of time."""
    max_exposure: float | None
    mean_net_exposure: float | None
    time_in_market: float | None
    """The part of the time in which anything was held."""


class Figures(EquityFigures, kw_only=True, frozen=True):
    """With those of fills and round trips."""

    fills: int
    fees: float
    traded: float
    """Notional of all fills."""
    turnover: float | None
    """Notional traded in a year over the mean equity. None of less than four weeks."""
    maker_share: float | None
    """The part of the notional that rested in a book."""
    slippage_bps: float | None
    """Fills against the price that was known at the decision; negative: worse."""
    slippage: float
    """The same in money."""
    round_trips: int
    open_round_trips: int
    hit_rate: float | None
    profit_factor: float | None
    average_win: float | None
    average_loss: float | None
    expectancy: float | None
    """Mean of a round trip, after fees."""
    average_holding_s: float | None
    markouts: list[Markout]
    by_symbol: list[Share]
    by_strategy: list[Share]


def together(equity: pl.DataFrame) -> pl.DataFrame:
    """The sum of all accounts at each moment, of those the last known ones. Columns: `ts_ns`, `equity`, `deposits`,
    `gross_exposure`, `net_exposure`."""
    sums = ("equity", "deposits", "gross_exposure", "net_exposure")
    if equity["account"].n_unique() < 2:
        return equity.select("ts_ns", *sums)
    filled = equity.sort("ts_ns").pivot(on="account", index="ts_ns", values=list(sums)).sort("ts_ns").fill_null(
        strategy="forward"
    ).fill_null(0.0)  # fmt: skip
    return filled.select(
        "ts_ns", *(pl.sum_horizontal(pl.selectors.starts_with(f"{name}_")).alias(name) for name in sums)
    )


def curve_of(equity: pl.DataFrame, starting: float) -> Curve:
    """Growth of all accounts together."""
    return _curve(together(equity), starting)


def _curve(total: pl.DataFrame, starting: float) -> Curve:
    return curve(total["ts_ns"].to_numpy(), total["equity"].to_numpy(), total["deposits"].to_numpy(), starting)


def performance(equity: pl.DataFrame, starting: float) -> EquityFigures:
    """Of equity as `streams.backtest.result.EQUITY` has it."""
    total = together(equity)
    of = _curve(total, starting)
    ts_ns, values = total["ts_ns"].to_numpy(), total["equity"].to_numpy()
    gross, net = total["gross_exposure"].to_numpy(), total["net_exposure"].to_numpy()
    final = float(values[-1]) if len(values) else starting
    paid = total["deposits"]
    deposits = float(paid[-1] - paid[0]) if len(paid) else 0.0
    span_s = (int(ts_ns[-1]) - int(ts_ns[0])) / SECOND_NS if len(ts_ns) else 0.0
    sample = sampled(of)
    rates, per_year = sample.returns, sample.periods_per_year
    growth = returns.cagr(rates, per_year) if span_s >= SHORTEST_S else np.nan
    falls = drawdowns(of.ts_ns, of.growth)
    deepest = max(falls, key=lambda one: one.depth, default=None)
    end_ns = int(ts_ns[-1]) if len(ts_ns) else 0
    depth = deepest.depth if deepest else 0.0
    ratio, skewness, kurtosis = returns.sharpe(rates, 1), returns.skewness(rates), returns.kurtosis(rates)
    held = activity.exposure(gross, values)
    told = rates if len(rates) >= LEAST else rates[:0]
    return EquityFigures(
        start_ns=int(ts_ns[0]) if len(ts_ns) else None,
        end_ns=end_ns if len(ts_ns) else None,
        starting_equity=starting,
        final_equity=final,
        deposits=deposits,
        net_profit=final - starting - deposits,
        total_return=float(of.growth[-1] - 1) if len(of.growth) else None,
        cagr=defined(growth),
        volatility=defined(returns.volatility(told, per_year)),
        sharpe=defined(returns.sharpe(told, per_year)),
        sharpe_probability=defined(probabilistic_sharpe(ratio, 0.0, len(told), skewness, kurtosis)),
        sortino=defined(returns.sortino(told, per_year)),
        calmar=defined(returns.calmar(growth, depth)),
        max_drawdown=depth if len(of.growth) else None,
        max_drawdown_s=deepest.length_ns(end_ns) / SECOND_NS if deepest else None,
        max_drawdown_peak_ns=deepest.peak_ns if deepest else None,
        max_drawdown_trough_ns=deepest.trough_ns if deepest else None,
        longest_drawdown_s=max((fall.length_ns(end_ns) / SECOND_NS for fall in falls), default=None),
        value_at_risk=defined(returns.value_at_risk(rates)),
        conditional_value_at_risk=defined(returns.conditional_value_at_risk(rates)),
        skewness=skewness if len(rates) else None,
        kurtosis=kurtosis if len(rates) else None,
        best=float(rates.max()) if len(rates) else None,
        worst=float(rates.min()) if len(rates) else None,
        step_s=sample.step_s,
        periods_per_year=per_year,
        returns=len(rates),
        mean_exposure=defined(activity.over_time(ts_ns, held)),
        max_exposure=float(held.max()) if len(held) else None,
        mean_net_exposure=defined(activity.over_time(ts_ns, activity.exposure(net, values))),
        time_in_market=defined(activity.over_time(ts_ns, (gross > 0).astype(np.float64))),
    )


def figures(
    equity: pl.DataFrame,
    fills: pl.DataFrame,
    trades: pl.DataFrame,
    prices: Mapping[str, Prices],
    starting: float,
) -> Figures:
    """Of frames as `streams.backtest.result` declares them; `starting`: equity of all accounts before anything."""
    base = performance(equity, starting)
    total = together(equity)
    mean_equity = activity.over_time(total["ts_ns"].to_numpy(), total["equity"].to_numpy())
    span_s = (base.end_ns - base.start_ns) / SECOND_NS if base.end_ns and base.start_ns else 0.0
    notional = fills["price"] * fills["quantity"]
    traded = float(notional.sum())
    slipped, slipped_money = execution.slippage(fills)
    over = trades.filter(~pl.col("is_open"))
    pnl = over["pnl"].to_numpy()
    return Figures(
        **{name: getattr(base, name) for name in base.__struct_fields__},
        fills=len(fills),
        fees=float(fills["fee"].sum()),
        traded=traded,
        turnover=defined(activity.turnover(traded, mean_equity, span_s / YEAR_S)) if span_s >= SHORTEST_S else None,
        maker_share=float(notional.filter(fills["liquidity"] == "maker").sum()) / traded if traded > 0 else None,
        slippage_bps=defined(slipped),
        slippage=slipped_money,
        round_trips=len(over),
        open_round_trips=len(trades) - len(over),
        hit_rate=defined(round_trips.hit_rate(pnl)),
        profit_factor=defined(round_trips.profit_factor(pnl)),
        average_win=defined(round_trips.average(pnl[pnl > 0])),
        average_loss=defined(round_trips.average(pnl[pnl < 0])),
        expectancy=defined(round_trips.average(pnl)),
        average_holding_s=defined(
            round_trips.average((over["exit_ns"] - over["entry_ns"]).to_numpy().astype(np.float64) / SECOND_NS)
        ),
        markouts=execution.markouts(fills, prices, execution.horizons(prices)) if prices and len(fills) else [],
        by_symbol=attribution(trades, fills, "symbol"),
        by_strategy=attribution(trades, fills, "strategy"),
    )
