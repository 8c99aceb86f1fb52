"""A live day's orders through the backtester, and every difference by its cause. Pure.

The day is played again from the topic `commands` in five steps, each of which replaces one thing that happened by what
a backtest would assume. What a step changes of an order's value is the difference of that cause, so that the causes add
up to the whole difference between backtest and live:

* `data`: the day as it was, through the engine's core. What differs here differs in the record itself, and should be 0.
* `latency`: the account's commands arrive as much earlier or later as the assumed latency differs from the live one.
* `queue`: fills of resting orders by what data of levels can tell: what trades at the price goes first to all that
  stood there when the order came, as if nobody of them had left (`levels.BEHIND`).
* `slippage`: what an order took at once, at the best price that it found and the assumed slippage, not down the book.
* `fee`: fees by the assumed parts of the notional.

An order's value is its cash flow, fees taken off, and what it bought valued at the symbol's last trade of the day.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import pairwise
from typing import Any, Final, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from engine.command_rows import frames
from engine.core import Core
from engine.messages import Fill, VenueEnd, VenueFill
from engine.segments import Frame
from engine.units import MONEY_DECIMALS, divide_half_even, money_text
from engine.words import ExecType, Liquidity, Side
from streams.analytics.execution import BASIS_POINTS
from streams.backtest.fees import MILLION
from streams.backtest.market import Numbering

MONEY: Final = 10**MONEY_DECIMALS
CAUSES: Final = ("data", "latency", "queue", "slippage", "fee")
TRADE: Final = int(ExecType.TRADE)
MAKER: Final = int(Liquidity.MAKER)
BUY: Final = int(Side.BUY)
SHOWN: Final = 40


class Assumed(NamedTuple):
    """What the backtest assumes."""

    latency_ns: int = 0
    live_latency_ns: int = 0
    """What an order took live, to be replaced by `latency_ns`."""
    slippage_ticks: int = 0
    maker_fee_ppm: int | None = None
    """None: what the engine charged."""
    taker_fee_ppm: int | None = None

    @property
    def shift_ns(self) -> int:
        return self.latency_ns - self.live_latency_ns


@dataclass
class Traded:
    """An order's fills in one step: lots and ticks × lots, as a maker and as a taker; fees in money units."""

    instrument: int
    sign: int
    maker_lots: int = 0
    maker_value: int = 0
    taker_lots: int = 0
    taker_value: int = 0
    maker_fee: int = 0
    taker_fee: int = 0
    limit: int = 0
    touch: int = 0
    """Best opposite price when it arrived."""
    middle_twice: int = 0
    """Best bid and best ask when it arrived, added; 0 where there were not both."""
    ahead: int = 0
    """Lots at its price when it began to rest."""
    passed: int = 0
    """Lots that traded at its price since."""
    elsewhere: bool = False
    """Filled at a venue elsewhere: when, is not ours to shift."""
    kept: int = 0
    """Of its maker's fills, those that levels would have told before it was moved to where it is."""

    @property
    def told(self) -> int:
        """Its maker's fills as levels tell them."""
        return min(self.maker_lots, self.kept + max(0, self.passed - self.ahead))


Orders = dict[str, Traded]


class Line(NamedTuple):
    """One order's differences, backtest less live, in money units by cause."""

    client_order_id: str
    symbol: str
    live_quantity: str
    backtest_quantity: str
    causes: tuple[int, ...]

    @property
    def total(self) -> int:
        return sum(self.causes)


class Arrival(NamedTuple):
    """What the live fills cost against the middle of the book when their orders arrived; positive: better than it."""

    orders: int
    """With fills, and a middle."""
    money: int
    """In money units."""
    basis_points: float | None
    """Of those orders' worth at the middle; None where there are none."""


NO_ARRIVAL: Final = Arrival(0, 0, None)


@dataclass
class Comparison:
    account: str
    orders: int = 0
    lines: list[Line] = field(default_factory=list)
    """Orders with a difference."""
    live_value: int = 0
    backtest_value: int = 0
    arrival: Arrival = NO_ARRIVAL

    def by_cause(self) -> dict[str, int]:
        return {cause: sum(line.causes[k] for line in self.lines) for k, cause in enumerate(CAUSES)}

    def report(self) -> str:
        head = f"{'order':28} {'symbol':8} {'live':>8} {'backtest':>8}" + "".join(f" {cause:>12}" for cause in CAUSES)
        rows = [
            f"{line.client_order_id[:28]:28} {line.symbol:8} {line.live_quantity:>8} {line.backtest_quantity:>8}"
            + "".join(f" {money_text(value):>12}" for value in line.causes)
            for line in sorted(self.lines, key=lambda line: -abs(line.total))[:SHOWN]
        ]
        more = [f"… and {len(self.lines) - SHOWN:,} more"] if len(self.lines) > SHOWN else []
        causes = ", ".join(f"{cause} {money_text(value)}" for cause, value in self.by_cause().items())
        return "\n".join(
            [
                f"{self.account}: {self.orders:,} orders, {len(self.lines):,} of them different",
                *([head, *rows, *more] if rows else []),
                f"value live {money_text(self.live_value)}, backtest {money_text(self.backtest_value)}",
                f"difference {money_text(self.backtest_value - self.live_value)}: {causes}",
                *self._against_the_middle(),
            ]
        )

    def _against_the_middle(self) -> list[str]:
        orders, money, basis_points = self.arrival
        if basis_points is None:
            return []
        return [f"live against the middle at arrival {money_text(money)} ({basis_points:.2f} bp), {orders:,} orders"]


class _Head(msgspec.Struct):
    seq: int
    ts_ns: int
    type: str
    command: dict[str, Any]


def compare(
    commands: Sequence[bytes], fills: Iterable[Fill], account: str, start_ns: int, end_ns: int, assumed: Assumed,
    *, max_orders: int,
) -> Comparison:  # fmt: skip
    """`commands`: the topic's records from the first on; `fills`: the topic `fills`; the day is [start, end).

    Raises:
        CommandError: a record of `commands` is none.
    """
    heads = [msgspec.json.decode(value, type=_Head) for value in commands]
    kept = [(head, value) for head, value in zip(heads, commands, strict=True) if head.ts_ns < end_ns]
    exact = Play(account, start_ns, max_orders)
    exact.run([(head.ts_ns, value) for head, value in kept])
    moved = exact
    if assumed.shift_ns:
        moved = Play(account, start_ns, max_orders, at_venues=False)
        moved.run(_moved(kept, account, start_ns, assumed.shift_ns))
    live = _live(fills, exact, account, start_ns, end_ns)
    return _compared(account, live, exact, moved, assumed)


def _moved(kept: Sequence[tuple[_Head, bytes]], account: str, start_ns: int, shift_ns: int) -> list[tuple[int, bytes]]:
    """The commands by the time at which they arrive in the backtest, none before the day begins; the account's keep
    their order among each other."""
    rows = []
    for place, (head, value) in enumerate(kept):
        own = head.ts_ns >= start_ns and head.command.get("account") == account and head.type in OWN
        rows.append((max(start_ns, head.ts_ns + shift_ns) if own else head.ts_ns, place, value))
    rows.sort(key=lambda row: row[:2])
    return [(ts_ns, value) for ts_ns, _, value in rows]


OWN: Final = ("new", "cancel", "replace", "cancel_all")


class Play:
    """One run of the day through the core, watching the account's orders."""

    def __init__(self, account: str, start_ns: int, max_orders: int, *, at_venues: bool = True) -> None:
        """`at_venues`: what venues elsewhere have done happens too. It names orders by their numbers, so it can only
        where they arrive as they did."""
        self.core = Core(max_orders=max_orders)
        self.orders: Orders = {}
        self.last: dict[int, int] = {}
        """Ticks of the last trade by instrument."""
        self._account = account
        self._start_ns = start_ns
        self._at_venues = at_venues
        self._numbering = Numbering({})
        self._working: dict[str, Traded] = {}

    def run(self, timed: Sequence[tuple[int, bytes]]) -> None:
        """Applies the commands in this order, at these times."""
        times = iter([ts_ns for ts_ns, _ in timed])
        for frame in frames(self.core, (value for _, value in timed), 1):
            stamps = [next(times) for _ in range(frame.size)]
            self._take(frame, max(stamps))

    def _take(self, frame: Frame, ts_ns: int) -> None:
        core = self.core
        if frame.entry is not None:
            command = frame.entry.command
            is_elsewhere = isinstance(command, VenueFill | VenueEnd)
            if is_elsewhere and not self._at_venues:
                return
            reports = core.administer(core.last_seq + 1, ts_ns, command).reports
            if is_elsewhere:
                self._take_elsewhere(reports, ts_ns)
        else:
            assert frame.records is not None
            touches = {number: self._touch(number) for number in set(frame.records["instrument"].tolist()) if number}
            frame.records["ts_ns"] = ts_ns
            self._numbering.apply(frame.records, core.last_seq + 1)
            reports = core.apply(frame.records).reports
            self._watch(reports, touches, ts_ns)
        for number, price in zip(reports["instrument"].tolist(), reports["last_price"].tolist(), strict=True):
            if price:
                self.last[number] = price

    def _take_elsewhere(self, reports: NDArray[Any], ts_ns: int) -> None:
        """A fill there took what the book here offered when the order came, as far as that can be told."""
        entry = self.core.accounts.find(self._account)
        for row in reports:
            if entry is not None and row["account"] == entry.number:
                self._follow(row, {}, ts_ns)
                if (order := self.orders.get(row["client_order_id"].decode())) is not None:
                    order.elsewhere = True

    def _touch(self, number: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        if number > len(self.core.instruments):
            return np.zeros((0, 3), np.int64), np.zeros((0, 3), np.int64)
        return self.core.depth(number, LEVELS)

    def _watch(self, reports: NDArray[Any], touches: dict[int, Any], ts_ns: int) -> None:
        entry = self.core.accounts.find(self._account)
        if entry is None or len(reports) == 0:
            return
        for row in reports[(reports["exec_type"] == TRADE) & (reports["liquidity"] == MAKER)]:
            for order in self._working.values():
                same = order.instrument == row["instrument"] and (order.sign == 1) == (row["side"] == BUY)
                if same and order.limit == row["last_price"]:
                    order.passed += int(row["last_quantity"])
        for row in reports[reports["account"] == entry.number]:
            self._follow(row, touches, ts_ns)

    def _standing(self, levels: NDArray[np.int64], price: int) -> int:
        """Lots that stood at a price."""
        return next((int(lots) for ticks, lots, _ in levels if ticks == price), 0)

    def _follow(self, row: Any, touches: dict[int, Any], ts_ns: int) -> None:
        name = row["client_order_id"].decode()
        number = int(row["instrument"])
        kind = int(row["exec_type"])
        if kind == int(ExecType.NEW) and ts_ns >= self._start_ns:
            sign = 1 if row["side"] == BUY else -1
            bids, asks = touches[number]
            other, own = (asks, bids) if sign == 1 else (bids, asks)
            ahead = self._standing(own, int(row["limit_price"]))
            both = len(bids) > 0 and len(asks) > 0
            crossed = both and bids[0, 0] >= asks[0, 0]  # an auction's market orders stand at the band's edges
            touch = int(other[0, 0]) if len(other) and not crossed else 0
            middle = int(bids[0, 0] + asks[0, 0]) if both and not crossed else 0
            made = Traded(number, sign, limit=int(row["limit_price"]), touch=touch, middle_twice=middle, ahead=ahead)
            self.orders[name] = self._working[name] = made
        order = self.orders.get(name)
        if order is None:
            return
        if kind == TRADE:
            lots, value = int(row["last_quantity"]), int(row["last_quantity"]) * int(row["last_price"])
            if row["liquidity"] == MAKER:
                order.maker_lots, order.maker_value = order.maker_lots + lots, order.maker_value + value
                order.maker_fee += int(row["fee"])
            else:
                order.taker_lots, order.taker_value = order.taker_lots + lots, order.taker_value + value
                order.taker_fee += int(row["fee"])
        elif kind == int(ExecType.REPLACED) and int(row["limit_price"]) != order.limit:
            order.kept, order.passed, order.limit = order.told, 0, int(row["limit_price"])
            order.ahead = self._standing(touches[number][0 if order.sign == 1 else 1], order.limit)
        if row["leaves"] == 0:
            self._working.pop(name, None)


LEVELS: Final = 50


def _live(fills: Iterable[Fill], play: Play, account: str, start_ns: int, end_ns: int) -> Orders:
    """What the topic `fills` says of the account's orders of the day."""
    found: Orders = {}
    for fill in fills:
        if fill.account != account or not start_ns <= fill.ts_ns < end_ns:
            continue
        entry = play.core.instruments.find(fill.symbol)
        if entry is None:
            continue
        sign = 1 if fill.side == "buy" else -1
        order = found.setdefault(fill.client_order_id, Traded(entry.number, sign))
        lots, ticks = entry.scale.lots(Decimal(fill.quantity)), entry.scale.ticks(Decimal(fill.price))
        fee = int(Decimal(fill.fee) * MONEY)
        if fill.liquidity == "maker":
            order.maker_lots, order.maker_value = order.maker_lots + lots, order.maker_value + lots * ticks
            order.maker_fee += fee
        else:
            order.taker_lots, order.taker_value = order.taker_lots + lots, order.taker_value + lots * ticks
            order.taker_fee += fee
    return found


def _queued(order: Traded) -> Traded:
    """With the maker's fills that levels tell."""
    lots = order.told
    if order.maker_lots == 0:
        return order
    value = order.maker_value * lots // order.maker_lots
    fee = order.maker_fee * lots // order.maker_lots
    return _with(order, maker_lots=lots, maker_value=value, maker_fee=fee)


def _slipped(order: Traded, assumed: Assumed) -> Traded:
    """Taker's fills at the touch and the assumed slippage."""
    if order.taker_lots == 0 or order.touch == 0:
        return order
    price = order.touch + order.sign * assumed.slippage_ticks
    return _with(order, taker_value=order.taker_lots * price)


def _charged(order: Traded, money: int, assumed: Assumed) -> Traded:
    """With the assumed fees."""
    maker, taker = assumed.maker_fee_ppm, assumed.taker_fee_ppm
    return _with(
        order,
        maker_fee=order.maker_fee if maker is None else divide_half_even(order.maker_value * money * maker, MILLION),
        taker_fee=order.taker_fee if taker is None else divide_half_even(order.taker_value * money * taker, MILLION),
    )


def _with(order: Traded, **changes: int) -> Traded:
    return Traded(**{**{name: getattr(order, name) for name in order.__dataclass_fields__}, **changes})


def _compared(account: str, live: Orders, exact: Play, moved: Play, assumed: Assumed) -> Comparison:
    found = Comparison(account, orders=len(live.keys() | exact.orders.keys()), arrival=_arrival(live, exact))
    for name in sorted(live.keys() | exact.orders.keys() | moved.orders.keys()):
        sample = live.get(name) or exact.orders.get(name) or moved.orders[name]
        entry = exact.core.instruments.by_number(sample.instrument)
        money = entry.scale.money_per_tick_lot
        mark = exact.last.get(sample.instrument, 0)
        nothing = Traded(sample.instrument, sample.sign)
        played = exact.orders.get(name, nothing)
        steps = [live.get(name, nothing), played, played if played.elsewhere else moved.orders.get(name, nothing)]
        steps.append(_queued(steps[-1]))
        steps.append(_slipped(steps[-1], assumed))
        steps.append(_charged(steps[-1], money, assumed))
        values = [_value(step, mark, money) for step in steps]
        causes = tuple(after - before for before, after in pairwise(values))
        found.live_value += values[0]
        found.backtest_value += values[-1]
        if any(causes):
            lots = [step.maker_lots + step.taker_lots for step in (steps[0], steps[-1])]
            before, after = (entry.scale.quantity_text(one) for one in lots)
            found.lines.append(Line(name, entry.definition.symbol, before, after, causes))
    return found


def _arrival(live: Orders, exact: Play) -> Arrival:
    count = earned_twice = worth_twice = 0
    for name, order in live.items():
        there = exact.orders.get(name)
        if there is None or there.middle_twice == 0:
            continue
        lots, value = order.maker_lots + order.taker_lots, order.maker_value + order.taker_value
        money = exact.core.instruments.by_number(order.instrument).scale.money_per_tick_lot
        earned_twice += order.sign * (there.middle_twice * lots - 2 * value) * money
        worth_twice += there.middle_twice * lots * money
        count += 1
    basis_points = earned_twice / worth_twice * BASIS_POINTS if worth_twice else None
    return Arrival(count, divide_half_even(earned_twice, 2), basis_points)


def _value(order: Traded, mark: int, money: int) -> int:
    lots, value = order.maker_lots + order.taker_lots, order.maker_value + order.taker_value
    return order.sign * (lots * mark - value) * money - order.maker_fee - order.taker_fee
