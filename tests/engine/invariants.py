"""What must be true of any stream of reports, whatever the commands were; found from the reports alone."""

from __future__ import annotations

from collections import defaultdict
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.words import WORKING, ExecType, Liquidity, OrderStatus, OrderType, Side, TimeInForce

KEPT: Final = (
    *("account", "instrument", "side", "client_order_id", "strategy", "source", "order_type", "time_in_force"),
    *("flags", "self_trade_prevention", "trail", "display_quantity", "expires_ns", "list_id"),
)
PRICED: Final = (OrderType.LIMIT, OrderType.STOP_LIMIT)


class Queued(NamedTuple):
    """A plain limit order's right to trade before others: the better rank first, then the earlier arrival."""

    rank: int
    """Its price, so that a smaller one comes first."""
    arrival: int


class Holding:
    """What an account bought and sold of an instrument, by its trades."""

    def __init__(self) -> None:
        self.bought = 0
        self.sold = 0
        self.tick_lots = 0
        """Of its sales less those of its purchases."""
        self.fees = 0


class Audit:
    """Folds reports in order and raises AssertionError where they cannot all be true."""

    def __init__(self) -> None:
        self.orders: dict[int, dict[str, Any]] = {}
        self.holdings: defaultdict[tuple[int, int], Holding] = defaultdict(Holding)
        """By account and instrument."""
        self.trades = 0
        self.acted: set[int] = set()
        """Instruments that a corporate action has changed: of their positions the trades no longer tell all."""
        self._queues: defaultdict[tuple[int, int], dict[int, Queued]] = defaultdict(dict)
        """By instrument and side."""
        self._maker: dict[str, Any] | None = None
        self._place = (0, -1)
        self._arrivals = 0

    def read(self, reports: NDArray[Any], is_uncross: bool = False) -> None:
        """Reports of one or more whole commands. `is_uncross`: of a change of phase. If it ended an auction, its trades
        have one price instead of the makers', up to the first order that comes to the market afterwards."""
        for row in reports:
            is_uncross = is_uncross and row["exec_type"] != ExecType.TRIGGERED
            self._read(dict(zip(reports.dtype.names or (), row.item(), strict=True)), is_uncross)
        assert self._maker is None, "a trade has two sides"

    def _read(self, report: dict[str, Any], is_uncross: bool) -> None:
        seq, index = self._place
        expected = index + 1 if report["seq"] == seq else 0
        assert report["seq"] >= seq, "reports stand in the order of their commands"
        assert report["index"] == expected, "and are numbered within each"
        self._place = (report["seq"], report["index"])
        if report["exec_type"] == ExecType.PRINT:
            return
        if report["order_id"] == 0:
            assert report["exec_type"] == ExecType.REJECTED, "only a refusal is about no order"
            return
        self._check_quantities(report)
        if report["exec_type"] == ExecType.TRADE:
            self._trade(report, is_uncross)
        elif report["exec_type"] == ExecType.NEW:
            assert report["order_id"] == report["seq"]
            assert report["order_id"] not in self.orders, "an order is new once"
        before = self.orders.get(report["order_id"])
        if before is not None:
            self._check_change(before, report)
        if report["exec_type"] == ExecType.REJECTED:
            return
        if before is not None or report["exec_type"] == ExecType.NEW:
            self.orders[report["order_id"]] = report
            self._queue(before, report)

    def _check_quantities(self, report: dict[str, Any]) -> None:
        if report["order_status"] in WORKING:
            assert report["quantity"] == report["filled"] + report["leaves"]
            assert report["leaves"] > 0
            if report["order_status"] != OrderStatus.PENDING_NEW:
                filled = report["filled"] > 0
                assert report["order_status"] == (OrderStatus.PARTIALLY_FILLED if filled else OrderStatus.NEW)
        else:
            assert report["leaves"] == 0
            if report["order_status"] == OrderStatus.FILLED:
                assert report["filled"] == report["quantity"]

    def _check_change(self, before: dict[str, Any], report: dict[str, Any]) -> None:
        refused = report["exec_type"] == ExecType.REJECTED
        closed = before["order_status"] not in WORKING
        assert refused or not closed, "closed stays closed"
        for name in KEPT:
            assert report[name] == before[name] or (refused and closed), f"an order keeps its {name}"
        assert report["filled"] == before["filled"] + report["last_quantity"]
        assert report["notional"] == before["notional"] + report["last_quantity"] * report["last_price"]

    # ------------------------------------------------------------------------------------------------ trades

    def _trade(self, report: dict[str, Any], is_uncross: bool) -> None:
        """The maker's side comes first, then the taker's."""
        price = report["last_price"]
        if report["order_type"] in PRICED:
            better = report["limit_price"] - price
            assert (better if report["side"] == Side.BUY else -better) >= 0, "never worse than the limit"
        if self._maker is None:
            assert report["liquidity"] == Liquidity.MAKER
            if not is_uncross:
                assert price == report["limit_price"], "the price is the maker's"
            self._check_priority(report)
            self._maker = report
            return
        maker, self._maker = self._maker, None
        assert report["liquidity"] == Liquidity.TAKER
        for name in ("seq", "match", "instrument", "last_quantity", "last_price"):
            assert report[name] == maker[name], f"both sides have one {name}"
        assert {report["side"], maker["side"]} == {Side.BUY, Side.SELL}
        if is_uncross:
            assert maker["order_id"] < report["order_id"], "in an auction the later order is the taker"
            self._check_priority(report)
        for side in (report, maker):
            self._book(side)
        self.trades += 1

    def _book(self, side: dict[str, Any]) -> None:
        holding = self.holdings[side["account"], side["instrument"]]
        tick_lots = side["last_quantity"] * side["last_price"]
        if side["side"] == Side.BUY:
            holding.bought += side["last_quantity"]
            holding.tick_lots -= tick_lots
        else:
            holding.sold += side["last_quantity"]
            holding.tick_lots += tick_lots
        holding.fees += side["fee"]

    def _queue(self, before: dict[str, Any] | None, report: dict[str, Any]) -> None:
        """Keeps the arrivals of plain limit orders, which stand in the book as long as they work."""
        queue = self._queues[report["instrument"], report["side"]]
        if report["order_status"] not in WORKING:
            queue.pop(report["order_id"], None)
            return
        is_plain = report["order_type"] == OrderType.LIMIT and report["time_in_force"] != TimeInForce.CLS
        if not is_plain or report["display_quantity"] or report["list_id"]:
            return
        same_price = before is not None and before["limit_price"] == report["limit_price"]
        if before is None or (
            report["exec_type"] == ExecType.REPLACED
            and not (same_price and report["quantity"] <= before["quantity"])
        ):  # fmt: skip
            self._arrivals += 1
            rank = -report["limit_price"] if report["side"] == Side.BUY else report["limit_price"]
            queue[report["order_id"]] = Queued(rank, self._arrivals)

    def _check_priority(self, report: dict[str, Any]) -> None:
        queue = self._queues[report["instrument"], report["side"]]
        mine = queue.get(report["order_id"])
        if mine is not None:
            assert mine == min(queue.values()), "price first, then time"

    # ------------------------------------------------------------------------------------------------- state

    def check_positions(self, engine: Any, instruments: int, accounts: int, money: list[int]) -> None:
        """What the engine holds for each account is what its trades say, and no money and no lot comes from nowhere.
        `money`: units of a tick × lot, by instrument."""
        for instrument in range(1, instruments + 1):
            positions = [engine.position(account, instrument) for account in range(1, accounts + 1)]
            for account, position in enumerate(positions, 1):
                holding = self.holdings[account, instrument]
                assert (position.bought, position.sold) == (holding.bought, holding.sold)
                if instrument not in self.acted:
                    assert position.quantity == holding.bought - holding.sold
                    assert position.cash == holding.tick_lots * money[instrument - 1]
                assert position.fees == holding.fees
                assert position.cash + position.cost - position.realized == 0, "cash + cost − realized"
                assert (position.cost > 0) == (position.quantity > 0), "the cost has the position's sign"
                assert (position.cost < 0) == (position.quantity < 0)
            lots, cash = engine.rest(instrument)
            assert instrument in self.acted or (lots, cash) == (0, 0)
            assert sum(position.cash for position in positions) + cash == 0, "what is paid is received"
            assert sum(position.quantity for position in positions) + lots == 0, "what is bought is sold"

    def check_book(self, bids: NDArray[Any], asks: NDArray[Any]) -> None:
        """In continuous trading. `bids` and `asks` are (n, 3), best first."""
        if len(bids) and len(asks):
            assert bids[0, 0] < asks[0, 0], "a book is not crossed after matching"
        assert np.all(np.diff(np.asarray(bids)[:, 0]) < 0)
        assert np.all(np.diff(np.asarray(asks)[:, 0]) > 0)
