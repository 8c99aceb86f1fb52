"""What Prometheus is told of reports, against a count of each report by itself."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal

import numpy as np
from prometheus_client import REGISTRY

from engine.core import Core
from engine.layout import REPORT
from engine.messages import DefineInstrument
from engine.tally import Tally
from engine.words import ExecType, Liquidity, OrderStatus, OrderType, Reason

SYMBOLS = ("TALLY-A", "TALLY-B")


def value(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


def test_reports_are_counted_as_one_by_one() -> None:
    core = Core(max_orders=1000)
    for seq, symbol in enumerate(SYMBOLS, 1):
        definition = DefineInstrument(
            symbol=symbol,
            tick_size=Decimal("0.01"),
            lot_size=Decimal("0.5"),
            price_min=Decimal("0.01"),
            price_max=Decimal(1000),
        )
        core.administer(seq, seq, definition)
    random = np.random.default_rng(7)
    reports = np.zeros(5_000, REPORT)
    reports["exec_type"] = random.choice([1, 2, 3, 5], len(reports))
    reports["order_type"] = random.choice([0, 1, 2, 5, 6, 255], len(reports))
    reports["reason"] = random.choice([0, 1, 2], len(reports))
    reports["order_status"] = random.choice([int(OrderStatus.REJECTED), int(OrderStatus.NEW)], len(reports))
    reports["order_id"] = random.choice([0, 17], len(reports))
    reports["instrument"] = random.choice([1, 2], len(reports))
    reports["liquidity"] = random.choice([1, 2], len(reports))
    reports["last_quantity"] = random.integers(1, 100, len(reports))
    reports["last_price"] = random.integers(1, 10_000, len(reports))

    orders: Counter[tuple[str, str, str]] = Counter()
    fills: Counter[tuple[str, str]] = Counter()
    units: Counter[str] = Counter()
    notional: Counter[str] = Counter()
    for report in reports:
        kind, symbol = ExecType(int(report["exec_type"])), SYMBOLS[int(report["instrument"]) - 1]
        refused = kind is ExecType.REJECTED and report["order_status"] == int(OrderStatus.REJECTED)
        if report["order_id"] and (kind is ExecType.NEW or refused):
            known = 1 <= report["order_type"] <= max(OrderType)
            named = OrderType(int(report["order_type"])).wire if known else "none"
            outcome = "rejected" if refused else "accepted"
            orders[named, outcome, Reason(int(report["reason"])).wire] += 1
        if kind is ExecType.TRADE:
            fills[symbol, Liquidity(int(report["liquidity"])).wire] += 1
            if report["liquidity"] == int(Liquidity.TAKER):
                units[symbol] += int(report["last_quantity"])  # type: ignore[assignment]
                notional[symbol] += int(report["last_quantity"]) * int(report["last_price"])

    before = {key: value("hft_orders_total", order_type=key[0], outcome=key[1], reason=key[2]) for key in orders}
    now = 0.0
    tally = Tally(core.instruments.by_number, clock=lambda: now)
    for part in np.array_split(reports[:4_900], 30):
        tally.add(part)
    reused = reports[4_900:].copy()
    tally.add(reused)
    reused[:] = 0  # as the core does with its own array
    tally.count_due()
    now = 1.0
    tally.count_due()
    for key, count in orders.items():
        told = value("hft_orders_total", order_type=key[0], outcome=key[1], reason=key[2])
        assert told - before[key] == count, key
    for (symbol, liquidity), count in fills.items():
        assert value("hft_fills_total", symbol=symbol, liquidity=liquidity) == count
    for symbol in SYMBOLS:
        assert value("hft_traded_quantity_total", symbol=symbol) == units[symbol] * 0.5
        assert value("hft_traded_notional_total", symbol=symbol, currency="USD") == notional[symbol] * 0.005
