"""Indicators as Polars expressions, for research on whole columns. Each gives the numbers of its twin in
`streams.signals.indicators`, null where the twin says None."""

from __future__ import annotations

import polars as pl


def mean(column: pl.Expr, length: int) -> pl.Expr:
    """As `indicators.Mean`."""
    return column.rolling_mean(length)


def deviation(column: pl.Expr, length: int) -> pl.Expr:
    """As `indicators.Deviation`."""
    return column.rolling_std(length, ddof=1)


def exponential_mean(column: pl.Expr, length: int) -> pl.Expr:
    """As `indicators.ExponentialMean`."""
    return column.ewm_mean(span=length, adjust=False)


def highest(column: pl.Expr, length: int) -> pl.Expr:
    """As `indicators.Highest`."""
    return column.rolling_max(length)


def lowest(column: pl.Expr, length: int) -> pl.Expr:
    """As `indicators.Lowest`."""
    return column.rolling_min(length)


def true_range(high: pl.Expr, low: pl.Expr, close: pl.Expr, length: int) -> pl.Expr:
    """As `indicators.TrueRange`."""
    before = close.shift(1)
    width = pl.max_horizontal(high - low, (high - before).abs(), (low - before).abs())
    return width.rolling_mean(length)


def strength(column: pl.Expr, length: int) -> pl.Expr:
    """As `indicators.Strength`."""
    change = column.diff()
    gain = change.clip(lower_bound=0).ewm_mean(alpha=1 / length, adjust=False, ignore_nulls=True)
    loss = (-change).clip(lower_bound=0).ewm_mean(alpha=1 / length, adjust=False, ignore_nulls=True)
    return pl.when(gain + loss == 0).then(50.0).otherwise(100 * gain / (gain + loss))


def change(column: pl.Expr, length: int) -> pl.Expr:
    """As `indicators.Change`."""
    return (column / column.shift(length)).log()


def imbalance(bid_quantity: pl.Expr, ask_quantity: pl.Expr) -> pl.Expr:
    """As `indicators.imbalance`."""
    total = bid_quantity + ask_quantity
    return pl.when(total == 0).then(0.0).otherwise((bid_quantity - ask_quantity) / total)


def microprice(bid: pl.Expr, bid_quantity: pl.Expr, ask: pl.Expr, ask_quantity: pl.Expr) -> pl.Expr:
    """As `indicators.microprice`."""
    return (bid * ask_quantity + ask * bid_quantity) / (bid_quantity + ask_quantity)
