"""What a backtest gives back: plain Polars frames, the same for every kind of backtest and for a live day.

Money, prices and quantities are Float64, each the float nearest to the exact number that the books of account hold;
times are Int64 nanoseconds since the epoch, UTC.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import polars as pl

from streams.analytics import figures
from streams.analytics.execution import Prices
from streams.analytics.figures import Figures

EQUITY: Final = pl.Schema(
    {
        "ts_ns": pl.Int64,
        "account": pl.String,
        "equity": pl.Float64,  # cash + value of what is held
        "cash": pl.Float64,
        "realized_pnl": pl.Float64,  # before fees
        "unrealized_pnl": pl.Float64,
        "fees": pl.Float64,  # paid up to now
        "gross_exposure": pl.Float64,  # sum of |value| of all positions
        "net_exposure": pl.Float64,
        "deposits": pl.Float64,  # paid in less paid out up to now, without the starting cash
    }
)
"""One row an account and moment, rising in time; the first is the moment before anything was traded."""

FILLS: Final = pl.Schema(
    {
        "ts_ns": pl.Int64,
        "account": pl.String,
        "strategy": pl.String,
        "symbol": pl.String,
        "side": pl.String,  # buy, sell
        "quantity": pl.Float64,
        "price": pl.Float64,
        "fee": pl.Float64,  # negative: a rebate
        "liquidity": pl.String,  # maker, taker
        "client_order_id": pl.String,
        "decided_ns": pl.Int64,  # when the strategy sent the order
        "decision_price": pl.Float64,  # middle, or last price, that the strategy knew then
        "position": pl.Float64,  # signed, of the strategy in the symbol, after the fill
    }
)

ORDERS: Final = pl.Schema(
    {
        "client_order_id": pl.String,
        "account": pl.String,
        "strategy": pl.String,
        "symbol": pl.String,
        "side": pl.String,
        "order_type": pl.String,
        "time_in_force": pl.String,
        "quantity": pl.Float64,
        "limit_price": pl.Float64,
        "stop_price": pl.Float64,
        "status": pl.String,
        "filled_quantity": pl.Float64,
        "average_price": pl.Float64,
        "reason": pl.String,
        "decided_ns": pl.Int64,
        "arrived_ns": pl.Int64,  # when the market had it: decided + latency
        "ended_ns": pl.Int64,
    }
)

TRADES: Final = pl.Schema(
    {
        "account": pl.String,
        "strategy": pl.String,
        "symbol": pl.String,
        "side": pl.String,  # long, short
        "quantity": pl.Float64,  # largest that was held
        "entry_ns": pl.Int64,
        "entry_price": pl.Float64,  # average
        "exit_ns": pl.Int64,
        "exit_price": pl.Float64,  # average; of one still open: the last mark
        "pnl": pl.Float64,  # after fees
        "fees": pl.Float64,
        "is_open": pl.Boolean,
    }
)
"""Round trips: from flat, or from the other side, until flat again."""

MARKS: Final = pl.Schema({"ts_ns": pl.Int64, "symbol": pl.String, "price": pl.Float64})
"""What positions were valued at, rising in time within a symbol."""


@dataclass(frozen=True)
class Result:
    """One backtest, or one live day in the same form."""

    equity: pl.DataFrame
    orders: pl.DataFrame
    fills: pl.DataFrame
    trades: pl.DataFrame
    marks: pl.DataFrame
    starting_cash: float
    """Of all accounts together."""
    assumptions: dict[str, str] = field(default_factory=dict)
    """What was modelled how, by name: data, fill rule, latency, queue, fees, …"""
    parameters: dict[str, Any] = field(default_factory=dict)
    strategies: tuple[str, ...] = ()
    trials: int = 1
    """How many variants were tried before this one was chosen: the more, the less its Sharpe ratio means."""
    held_back: int = 0
    """Orders that strategies gave while they were warming up: none of them was sent."""
    events: int = 0
    """Delivered to the strategies."""
    seconds: float = 0.0
    """That the run took."""

    @property
    def final_equity(self) -> float:
        """Of all accounts together."""
        if self.equity.is_empty():
            return self.starting_cash
        return float(self.equity.group_by("account").agg(pl.col("equity").last())["equity"].sum())

    @property
    def final_cash(self) -> float:
        if self.equity.is_empty():
            return self.starting_cash
        return float(self.equity.group_by("account").agg(pl.col("cash").last())["cash"].sum())

    @cached_property
    def figures(self) -> Figures:
        """Returns, risk, round trips, costs and whose they are."""
        return figures.figures(self.equity, self.fills, self.trades, self.prices, self.starting_cash)

    @property
    def prices(self) -> dict[str, Prices]:
        """The marks by symbol."""
        return {
            str(symbol): Prices(part["ts_ns"].to_numpy(), part["price"].to_numpy())
            for (symbol,), part in self.marks.group_by("symbol", maintain_order=True)
        }

    def save(self, folder: Path) -> None:
        """The frames as Parquet, the rest as JSON, in a folder that is made where it is missing."""
        folder.mkdir(parents=True, exist_ok=True)
        for name in FRAMES:
            getattr(self, name).write_parquet(folder / f"{name}.parquet")
        rest = {name: getattr(self, name) for name in OTHERS}
        (folder / "result.json").write_text(json.dumps(rest, indent=1, default=str) + "\n")


FRAMES: Final = ("equity", "orders", "fills", "trades", "marks")
OTHERS: Final = (
    *("starting_cash", "assumptions", "parameters", "strategies", "trials", "held_back", "events", "seconds"),
)


def load(folder: Path) -> Result:
    """What `save` wrote. Raises FileNotFoundError where it is not there."""
    rest = json.loads((folder / "result.json").read_text())
    rest["strategies"] = tuple(rest["strategies"])
    frames: dict[str, Any] = {name: pl.read_parquet(folder / f"{name}.parquet") for name in FRAMES}
    return Result(**frames, **rest)


def frame(rows: Sequence[tuple[Any, ...]], schema: pl.Schema) -> pl.DataFrame:
    """Rows in the order of the schema's columns."""
    return pl.DataFrame(rows, schema=schema, orient="row")
