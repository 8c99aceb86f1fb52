"""What must be true of any stream of reports, whatever the commands were; found from the reports alone."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.words import WORKING, ExecType, Liquidity, OrderStatus, OrderType, Side


class Audit:
    """Folds reports in order and raises AssertionError where they cannot all be true."""

    def __init__(self) -> None:
        self.orders: dict[int, dict[str, Any]] = {}
        self.bought: defaultdict[int, int] = defaultdict(int)
        self.sold: defaultdict[int, int] = defaultdict(int)
        self.paid: defaultdict[int, int] = defaultdict(int)
        self.received: defaultdict[int, int] = defaultdict(int)
        self.trades = 0
        self._maker: dict[str, Any] | None = None
        self._place = (0, -1)

    def read(self, reports: NDArray[Any]) -> None:
        """Reports of one or more whole commands."""
        for row in reports:
            self._read(dict(zip(reports.dtype.names or (), row.item(), strict=True)))
        assert self._maker is None, "a trade has two sides"
        for instrument, quantity in self.bought.items():
            assert quantity == self.sold[instrument], "what is bought is sold"
            assert self.paid[instrument] == self.received[instrument], "what is paid is received"

    def _read(self, report: dict[str, Any]) -> None:
        seq, index = self._place
        expected = index + 1 if report["seq"] == seq else 0
        assert report["seq"] >= seq, "reports stand in the order of their commands"
        assert report["index"] == expected, "and are numbered within each"
        self._place = (report["seq"], report["index"])
        if report["order_id"] == 0:
            assert report["exec_type"] == ExecType.REJECTED, "only a refusal is about no order"
            return
        self._check_quantities(report)
        if report["exec_type"] == ExecType.TRADE:
            self._trade(report)
        elif report["exec_type"] == ExecType.NEW:
            assert report["order_id"] == report["seq"]
            assert report["order_id"] not in self.orders, "an order is new once"
        before = self.orders.get(report["order_id"])
        if before is not None:
            assert before["order_status"] in WORKING or report["exec_type"] == ExecType.REJECTED, "closed stays closed"
            for name in ("account", "instrument", "side", "client_order_id", "strategy", "source", "order_type"):
                assert report[name] == before[name], f"an order keeps its {name}"
            traded = report["last_quantity"], report["last_quantity"] * report["last_price"]
            assert report["filled"] == before["filled"] + traded[0]
            assert report["notional"] == before["notional"] + traded[1]
        if before is not None or report["exec_type"] == ExecType.NEW:
            self.orders[report["order_id"]] = report

    def _check_quantities(self, report: dict[str, Any]) -> None:
        if report["order_status"] in WORKING:
            assert report["quantity"] == report["filled"] + report["leaves"]
            assert report["leaves"] > 0
            filled = report["filled"] > 0
            assert report["order_status"] == (OrderStatus.PARTIALLY_FILLED if filled else OrderStatus.NEW)
        else:
            assert report["leaves"] == 0
            if report["order_status"] == OrderStatus.FILLED:
                assert report["filled"] == report["quantity"]

    def _trade(self, report: dict[str, Any]) -> None:
        """The maker's side comes first, then the taker's."""
        if self._maker is None:
            assert report["liquidity"] == Liquidity.MAKER
            assert report["last_price"] == report["limit_price"], "the price is the maker's"
            self._maker = report
            return
        maker, self._maker = self._maker, None
        assert report["liquidity"] == Liquidity.TAKER
        for name in ("seq", "match", "instrument", "last_quantity", "last_price"):
            assert report[name] == maker[name], f"both sides have one {name}"
        assert {report["side"], maker["side"]} == {Side.BUY, Side.SELL}
        if report["order_type"] == OrderType.LIMIT:
            better = report["limit_price"] - report["last_price"]
            assert (better if report["side"] == Side.BUY else -better) >= 0, "never worse than the taker's limit"
        for side in (report, maker):
            quantity, money = (self.bought, self.paid) if side["side"] == Side.BUY else (self.sold, self.received)
            quantity[side["instrument"]] += side["last_quantity"]
            money[side["instrument"]] += side["last_quantity"] * side["last_price"]
        self.trades += 1

    def check_book(self, instrument: int, bids: NDArray[Any], asks: NDArray[Any]) -> None:
        """The book holds exactly what works, and is not crossed. `bids` and `asks` are all levels, best first."""
        if len(bids) and len(asks):
            assert bids[0, 0] < asks[0, 0], "a book is not crossed after matching"
        for side, levels in ((Side.BUY, bids), (Side.SELL, asks)):
            works: defaultdict[int, list[int]] = defaultdict(lambda: [0, 0])
            for order in self.orders.values():
                if order["instrument"] == instrument and order["side"] == side and order["order_status"] in WORKING:
                    works[order["limit_price"]][0] += order["leaves"]
                    works[order["limit_price"]][1] += 1
            prices = sorted(works, reverse=side == Side.BUY)
            expected = [[price, *works[price]] for price in prices]
            assert np.asarray(levels).tolist() == expected, "the book holds what works"
