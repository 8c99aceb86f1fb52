"""Trades as a table, and the bars that they make."""

from __future__ import annotations

from typing import Final

import polars as pl

TAPE: Final = pl.Schema(
    {
        "symbol": pl.String,
        "ts_ns": pl.Int64,  # when it happened: transact_ns where the record has one
        "price": pl.Float64,
        "quantity": pl.Float64,
        "aggressor_side": pl.String,
        "seq": pl.Int64,
        "index": pl.Int64,
    }
)


def bars_of(tape: pl.DataFrame, seconds: int) -> dict[str, pl.DataFrame]:
    """Bars by symbol of a table with the columns of `TAPE`; as `streams.strategies.bar_builder` makes them."""
    length_ns = seconds * 10**9
    bars = (
        tape.sort("symbol", "seq", "index", maintain_order=True)
        .with_columns(end_ns=(pl.col("ts_ns") // length_ns + 1) * length_ns)
        .group_by("symbol", "end_ns", maintain_order=True)
        .agg(
            open=pl.col("price").first(),
            high=pl.col("price").max(),
            low=pl.col("price").min(),
            close=pl.col("price").last(),
            volume=pl.col("quantity").sum(),
        )
        .rename({"end_ns": "ts_ns"})
        .sort("symbol", "ts_ns")
    )
    return {str(key[0]): part.drop("symbol") for key, part in bars.partition_by("symbol", as_dict=True).items()}
