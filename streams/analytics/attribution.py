"""Whose and where the profit was: by symbol and by strategy."""

from __future__ import annotations

import math

import polars as pl
from msgspec import Struct

from streams.analytics.execution import slippage
from streams.analytics.round_trips import hit_rate, profit_factor


class Share(Struct, kw_only=True, frozen=True):
    """What one symbol or strategy contributed."""

    name: str
    net_pnl: float
    """After fees; what is still held is valued at the last price."""
    fees: float
    round_trips: int
    """Those that are over."""
    hit_rate: float | None
    profit_factor: float | None
    fills: int
    traded: float
    """Notional of all fills."""
    slippage_bps: float | None


def attribution(trades: pl.DataFrame, fills: pl.DataFrame, column: str) -> list[Share]:
    """One share for each value of `column` (`symbol` or `strategy`), the most profitable first. The shares' `net_pnl`
    add up to the whole."""
    names = set(trades[column].unique()) | set(fills[column].unique())
    shares = [
        _share(name, trades.filter(pl.col(column) == name), fills.filter(pl.col(column) == name)) for name in names
    ]
    return sorted(shares, key=lambda one: (-one.net_pnl, one.name))


def _share(name: str, trades: pl.DataFrame, fills: pl.DataFrame) -> Share:
    over = trades.filter(~pl.col("is_open"))["pnl"].to_numpy()
    return Share(
        name=name,
        net_pnl=float(trades["pnl"].sum()),
        fees=float(trades["fees"].sum()),
        round_trips=len(over),
        hit_rate=defined(hit_rate(over)),
        profit_factor=defined(profit_factor(over)),
        fills=len(fills),
        traded=float((fills["price"] * fills["quantity"]).sum()),
        slippage_bps=defined(slippage(fills)[0]),
    )


def defined(value: float) -> float | None:
    """None for NaN and the infinities, which JSON has no words for."""
    return value if math.isfinite(value) else None
