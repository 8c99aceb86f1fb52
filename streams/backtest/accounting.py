"""The books of a backtest: fills into positions, cash, equity and round trips. Exact integers by `streams.ledger`,
floats only in the frames that come out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from engine.units import MONEY_DECIMALS
from streams import ledger
from streams.backtest.result import EQUITY, FILLS, MARKS, TRADES, frame
from streams.strategies.instrument import Listed

MONEY = 10**MONEY_DECIMALS


class Marks(NamedTuple):
    """Prices to value a symbol at, rising in time."""

    ts_ns: NDArray[np.int64]
    half_ticks: NDArray[np.int64]
    """Twice the price in ticks, so that a middle between two ticks is whole."""


class BookedFill(NamedTuple):
    ts_ns: int
    account: str
    strategy: str
    symbol: str
    lots: int
    """Signed."""
    ticks: int
    fee: int
    """Money units."""
    liquidity: str
    client_order_id: str
    decided_ns: int
    decision_price: float


class Trip(NamedTuple):
    """An open round trip: sums of ticks × lots on the way in and out, unsigned lots."""

    entry_ns: int
    sign: int
    entered: int
    entry_value: int
    left: int
    exit_value: int
    fees: int


class Accounts:
    """Several accounts, strategies and symbols; positions are kept for each strategy, money for each account."""

    def __init__(self, instruments: Mapping[str, Listed], cash: Mapping[str, int]) -> None:
        """`cash`: money units of each account at the beginning."""
        self._instruments = instruments
        self.starting = dict(cash)
        self.cash = dict(cash)
        self.fills: list[BookedFill] = []
        self._held: list[int] = []
        """Lots of the fill's strategy and symbol after each fill."""
        self._lots: dict[tuple[str, str, str], int] = {}
        self._trips: dict[tuple[str, str, str], Trip] = {}
        self._closed: list[tuple[Any, ...]] = []

    def lots(self, account: str, strategy: str, symbol: str) -> int:
        return self._lots.get((account, strategy, symbol), 0)

    def book(self, fill: BookedFill) -> None:
        """Takes in a fill; fills come in the order of time."""
        unit = self._instruments[fill.symbol]
        key = (fill.account, fill.strategy, fill.symbol)
        self.cash[fill.account] -= fill.lots * fill.ticks * unit.scale.money_per_tick_lot + fill.fee
        held = self._lots.get(key, 0)
        self._lots[key] = held + fill.lots
        self.fills.append(fill)
        self._held.append(held + fill.lots)
        self._follow_trip(key, held, fill)

    def _follow_trip(self, key: tuple[str, str, str], held: int, fill: BookedFill) -> None:
        closing = min(abs(held), abs(fill.lots)) if held * fill.lots < 0 else 0
        opening = abs(fill.lots) - closing
        fee_closing = fill.fee * closing // abs(fill.lots)
        if closing:
            trip = self._trips[key]
            trip = trip._replace(
                left=trip.left + closing,
                exit_value=trip.exit_value + closing * fill.ticks,
                fees=trip.fees + fee_closing,
            )
            self._trips[key] = trip
            if closing == abs(held):
                self._closed.append(self._trade_row(key, trip, fill.ts_ns, is_open=False))
                del self._trips[key]
        if opening:
            before = self._trips.get(key, Trip(fill.ts_ns, 1 if fill.lots > 0 else -1, 0, 0, 0, 0, 0))
            self._trips[key] = before._replace(
                entered=before.entered + opening,
                entry_value=before.entry_value + opening * fill.ticks,
                fees=before.fees + fill.fee - fee_closing,
            )

    def _trade_row(self, key: tuple[str, str, str], trip: Trip, exit_ns: int, *, is_open: bool) -> tuple[Any, ...]:
        account, strategy, symbol = key
        unit = self._instruments[symbol]
        value = trip.sign * (trip.exit_value - trip.entry_value) * unit.scale.money_per_tick_lot
        return (
            account,
            strategy,
            symbol,
            "long" if trip.sign > 0 else "short",
            unit.quantity(trip.entered),
            trip.entry_ns,
            unit.price(trip.entry_value) / trip.entered,
            exit_ns,
            unit.price(trip.exit_value) / trip.left,
            (value - trip.fees) / MONEY,
            trip.fees / MONEY,
            is_open,
        )

    def fill_frame(self) -> pl.DataFrame:
        rows = []
        for fill, held in zip(self.fills, self._held, strict=True):
            unit = self._instruments[fill.symbol]
            rows.append(
                (
                    fill.ts_ns,
                    fill.account,
                    fill.strategy,
                    fill.symbol,
                    "buy" if fill.lots > 0 else "sell",
                    unit.quantity(abs(fill.lots)),
                    unit.price(fill.ticks),
                    fill.fee / MONEY,
                    fill.liquidity,
                    fill.client_order_id,
                    fill.decided_ns,
                    fill.decision_price,
                    unit.quantity(held),
                )
            )
        return frame(rows, FILLS)

    def trade_frame(self, marks: Mapping[str, Marks]) -> pl.DataFrame:
        """Round trips; those that are still open are valued at the last mark."""
        rows = list(self._closed)
        for key, trip in self._trips.items():
            at = marks.get(key[2])
            if at is None or len(at.ts_ns) == 0:
                continue
            rest = trip.entered - trip.left
            # Doubled, so that a middle between two ticks stays whole until the one division at the end.
            whole = trip._replace(left=trip.entered, exit_value=0)
            unit = self._instruments[key[2]]
            half = int(at.half_ticks[-1])
            doubled = trip.sign * (2 * trip.exit_value + rest * half - 2 * trip.entry_value)
            row = list(self._trade_row(key, whole, int(at.ts_ns[-1]), is_open=True))
            row[8] = unit.price(2 * trip.exit_value + rest * half) / 2 / trip.entered
            row[9] = (doubled * unit.scale.money_per_tick_lot / 2 - trip.fees) / MONEY
            rows.append(tuple(row))
        return frame(rows, TRADES).sort("entry_ns", "exit_ns", maintain_order=True)

    def equity_frame(self, marks: Mapping[str, Marks]) -> pl.DataFrame:
        """Every account at every moment of the marks, and the moment before the first."""
        moments = [at.ts_ns for at in marks.values() if len(at.ts_ns)]
        if not moments:
            return frame([], EQUITY)
        times = np.unique(np.concatenate(moments))
        parts = [self._account_equity(account, times, marks) for account in self.starting]
        return pl.concat(parts).sort("ts_ns", maintain_order=True)

    def mark_frame(self, marks: Mapping[str, Marks]) -> pl.DataFrame:
        """The same prices as floats."""
        parts = [
            pl.DataFrame(
                {
                    "ts_ns": at.ts_ns,
                    "symbol": [symbol] * len(at.ts_ns),
                    "price": [self._instruments[symbol].price(half) / 2 for half in at.half_ticks.tolist()],
                },
                schema=MARKS,
            )
            for symbol, at in marks.items()
        ]
        return pl.concat(parts) if parts else frame([], MARKS)

    def _account_equity(self, account: str, times: NDArray[np.int64], marks: Mapping[str, Marks]) -> pl.DataFrame:
        cash = np.full(len(times), self.starting[account], np.int64)
        value, gross, realized, fees, cost = (np.zeros(len(times), np.int64) for _ in range(5))
        by_symbol: dict[str, list[BookedFill]] = {}
        for fill in self.fills:
            if fill.account == account:
                by_symbol.setdefault(fill.symbol, []).append(fill)
        for symbol, fills in by_symbol.items():
            unit = self._instruments[symbol]
            money = unit.scale.money_per_tick_lot
            steps = _steps(fills, money)
            place = np.searchsorted(steps.ts_ns, times, side="right")
            held = steps.lots[place]
            at = marks[symbol]
            mark_place = np.searchsorted(at.ts_ns, times, side="right") - 1
            half = np.where(mark_place >= 0, at.half_ticks[np.maximum(mark_place, 0)], 2 * fills[0].ticks)
            worth = held * half * money // 2
            cash += steps.cash[place]
            realized += steps.realized[place]
            fees += steps.fees[place]
            cost += steps.cost[place]
            value += worth
            gross += np.abs(worth)
        columns = {
            "ts_ns": times,
            "account": [account] * len(times),
            "equity": (cash + value) / MONEY,
            "cash": cash / MONEY,
            "realized_pnl": realized / MONEY,
            "unrealized_pnl": (value - cost) / MONEY,
            "fees": fees / MONEY,
            "gross_exposure": gross / MONEY,
            "net_exposure": value / MONEY,
            "deposits": np.zeros(len(times)),
        }
        return pl.DataFrame(columns, schema=EQUITY)


class Steps(NamedTuple):
    """An account's holding in one symbol after 0, 1, 2, … fills: arrays one longer than `ts_ns`."""

    ts_ns: NDArray[np.int64]
    lots: NDArray[np.int64]
    cash: NDArray[np.int64]
    realized: NDArray[np.int64]
    fees: NDArray[np.int64]
    cost: NDArray[np.int64]


def _steps(fills: list[BookedFill], money_per_tick_lot: int) -> Steps:
    holding = ledger.FLAT
    cash = 0
    rows = [(0, 0, 0, 0, 0)]
    for number, fill in enumerate(fills, 1):
        execution = ledger.Execution(number, 0, fill.lots, fill.ticks, fill.fee, fill.ts_ns)
        holding = ledger.apply(holding, execution, money_per_tick_lot)
        cash -= fill.lots * fill.ticks * money_per_tick_lot + fill.fee
        rows.append((holding.quantity, cash, holding.realized, holding.fees, holding.cost))
    columns = np.array(rows, np.int64).T
    return Steps(np.array([fill.ts_ns for fill in fills], np.int64), *columns)
