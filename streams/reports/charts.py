"""The charts of a tear sheet, each as SVG text; an empty text where there is nothing to draw. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from streams.analytics import wording
from streams.analytics.activity import exposure
from streams.analytics.attribution import Share
from streams.analytics.curve import Curve
from streams.analytics.drawdown import underwater
from streams.analytics.execution import Markout
from streams.reports.axes import Tick, numbers
from streams.reports.plot import Plot, padded

WIDE: Final = 1110
HALF: Final = 530
BINS: Final = 41


def _span(ts_ns: NDArray[np.int64]) -> tuple[float, float]:
    return float(ts_ns[0]), float(ts_ns[-1])


def _signed_percent(value: float) -> str:
    """Of an axis, whose values share their decimals."""
    return f"{100 * value:g} %".replace("-", "−")


def _compact(value: float) -> str:
    """Money on an axis."""
    for size, name in ((1e9, "B"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:g}{name}".replace("-", "−")
    return f"{value:g}".replace("-", "−")


def growth(of: Curve, worst: tuple[int, int] | None) -> str:
    """Growth of 1 as a change from the beginning; `worst`: begin and end of the largest drawdown, shaded."""
    if len(of.ts_ns) < 2:
        return ""
    change = of.growth - 1
    low, high = padded(min(float(change.min()), 0), max(float(change.max()), 0))
    plot = Plot(WIDE, 290, _span(of.ts_ns), (low, high))
    if worst is not None:
        told = f"largest drawdown, {wording.moment(worst[0])} to {wording.moment(worst[1])}"
        plot.band(worst[0], worst[1], "under", told)
    plot.grid(_signed_percent, 6)
    plot.times(9)
    plot.area(of.ts_ns, change, 0, "main")
    plot.line(of.ts_ns, change, "main")
    return plot.svg("Growth")


def fall(of: Curve) -> str:
    """How far below its peak the equity was."""
    if len(of.ts_ns) < 2:
        return ""
    below = -underwater(of.growth)
    plot = Plot(WIDE, 130, _span(of.ts_ns), (min(float(below.min()) * 1.08, -1e-6), 0))
    plot.grid(_signed_percent, 3)
    plot.times(9)
    plot.area(of.ts_ns, below, 0, "loss")
    plot.line(of.ts_ns, below, "loss")
    return plot.svg("Drawdown")


def distribution(returns: NDArray[np.float64], at_risk: float | None) -> str:
    """How often which return was; those of exactly 0, when nothing was held, are left out."""
    returns = returns[returns != 0]
    if len(returns) < 5 or returns.min() == returns.max():
        return ""
    # What lies beyond these is counted at the edge: one jump would else leave no room for the rest.
    low, high = (float(edge) for edge in np.quantile(returns, (0.002, 0.998)))
    if not high > low:
        low, high = float(returns.min()), float(returns.max())
    counts, edges = np.histogram(np.clip(returns, low, high), BINS, (low, high))
    plot = Plot(HALF, 220, (low, high), (0, float(counts.max()) * 1.08))
    plot.grid(_compact, 4)
    plot.along(numbers(low, high, 6, _signed_percent))
    for count, start, end in zip(counts.tolist(), edges[:-1].tolist(), edges[1:].tolist(), strict=True):
        if count:
            told = f"{wording.percent(start)} to {wording.percent(end)}: {count:,}"
            plot.bar(start, end, 0, count, "gain" if start + end > 0 else "loss", told)
    if at_risk is not None and low <= at_risk <= high:
        plot.upright(at_risk, "mark", f"VaR {wording.percent(at_risk)}")
    return plot.svg("Distribution of returns")


def trips(trades: pl.DataFrame) -> str:
    """What each closed round trip earned, at the moment of its end."""
    over = trades.filter(~pl.col("is_open")).sort("exit_ns")
    if len(over) < 2 or over["exit_ns"][0] == over["exit_ns"][-1]:
        return ""
    pnl = over["pnl"].to_numpy()
    times = over["exit_ns"].to_numpy()
    plot = Plot(HALF, 220, _span(times), padded(min(float(pnl.min()), 0), max(float(pnl.max()), 0)))
    plot.grid(_compact, 5)
    plot.times(5)
    step = max(1, len(over) // 1500)
    for row in over[::step].iter_rows(named=True):
        told = (
            f"{row['symbol']} {row['side']}, {wording.moment(row['entry_ns'])} to {wording.moment(row['exit_ns'])}: "
            f"{wording.signed(row['pnl'])}"
        )
        plot.dot(row["exit_ns"], row["pnl"], "gain" if row["pnl"] > 0 else "loss", told)
    return plot.svg("Round trips")


def held(total: pl.DataFrame) -> str:
    """Value of all positions over equity."""
    ts_ns = total["ts_ns"].to_numpy()
    if len(ts_ns) < 2:
        return ""
    equity = total["equity"].to_numpy()
    gross = exposure(total["gross_exposure"].to_numpy(), equity)
    net = exposure(total["net_exposure"].to_numpy(), equity)
    low, high = min(float(net.min()), 0.0), max(float(gross.max()), 0.0)
    plot = Plot(HALF, 220, _span(ts_ns), (low * 1.08, high * 1.08 or 1.0))
    plot.grid(_signed_percent, 4)
    plot.times(5)
    plot.area(ts_ns, gross, 0, "warm")
    plot.line(ts_ns, net, "warm")
    return plot.svg("Exposure, gross (area) and net (line)")


def markouts(found: Sequence[Markout]) -> str:
    """Where the price went after the fills."""
    known = [(one.horizon_s, one.basis_points, one.fills) for one in found if one.basis_points is not None]
    if not known:
        return ""
    points = [point for _, point, _ in known]
    plot = Plot(HALF, 220, (-0.5, len(known) - 0.5), padded(min(*points, 0.0), max(*points, 0.0)))
    plot.grid(lambda value: f"{value:g}".replace("-", "−"), 5)
    plot.along([Tick(k, wording.duration(horizon)) for k, (horizon, _, _) in enumerate(known)])
    for k, (horizon, point, fills) in enumerate(known):
        told = f"{wording.basis_points(point)} after {wording.duration(horizon)}, {fills:,} fills"
        plot.bar(k - 0.32, k + 0.32, 0, point, "gain" if point > 0 else "loss", told)
    return plot.svg("Markout in basis points")


def shares(found: Sequence[Share]) -> str:
    """Net profit of each symbol or strategy."""
    shown = [*found[:8], *found[max(8, len(found) - 8) :]]
    if len(shown) < 2:
        return ""
    values = [one.net_pnl for one in shown]
    plot = Plot(HALF, 220, (-0.5, len(shown) - 0.5), padded(min(*values, 0.0), max(*values, 0.0)))
    plot.grid(_compact, 5)
    plot.along([Tick(k, one.name or "none") for k, one in enumerate(shown)])
    for k, one in enumerate(shown):
        told = f"{one.name}: {wording.signed(one.net_pnl)}"
        plot.bar(k - 0.32, k + 0.32, 0, one.net_pnl, "gain" if one.net_pnl > 0 else "loss", told)
    return plot.svg("Net profit")
